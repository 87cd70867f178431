package espeak

// Spoken is for the fuzz test, which must not start a program for each text.
var Spoken = spoken
