// Package tts is the speech and demo stages: text in, stored audio out.
//
// Stage speech speaks the coaching text of an evaluation, stage demo a model reading of its hardest word or of the sentence. Both do the
// same: ask the store whether the audio is there already, otherwise have it spoken by a [Synthesizer], encode it, store it, and return an
// artifact that names it.
//
// The store is not asked what is known: audio of one evaluation cannot be there before the first run of its job, and a shared model reading
// that was there a few minutes ago is there still. After an error of the store everything is asked again until it answers, so that an
// outage costs little that was spoken for nothing.
//
// # Keys
//
// An object's key holds the hash of everything that made it: text, language, voice, speed, provider and the encoder's version.
// Two workers that do the same job write the same bytes under the same key, and a run that is repeated after it stored its
// audio finds it there.
//
//	evaluations/<id>/feedback-<hash>.mp3     of one learner; removed with the evaluation
//	evaluations/<id>/contrast-<hash>.mp3     the second track of a model reading: a word as it was heard and as it is meant; the same
//	demo/<language>/<voice>/<hash>.mp3       of everyone who was given this text; it holds nothing of a learner's and stays
//	replays/<replay>/<id>/<stage>-<hash>.mp3 of a replay; removed with the evaluation
//
// # Failures
//
// The store being away, and a machine that is too busy to speak in time, are failures of the environment: the job waits. That no voice
// speaks the text's language ([ErrNoVoice]), or ever could speak this text ([ErrUnspeakable]), is a result, and settled at once.
// A missing program ([ErrNotInstalled]) is for a person to look at; everything else is tried again. In the end the artifact is failed, with
// a reason and a sentence a client can show: text without audio is still a complete answer. A contrast that cannot be made is left out.
package tts
