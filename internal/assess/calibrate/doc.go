// Package calibrate fits an assessor's scores of phones to recordings of which is known how good each phone is.
//
//	Fit                finds the calibration under which the labels are likeliest
//	Surprise           tells how well a calibration foretells labels
//	ReadSpeechOcean    reads recordings that teachers labelled, in the layout of speechocean762
//	Compare            scores such recordings and tells how the scores agree with the teachers'
//
// speechocean762 (J. Zhang and others, "speechocean762: an open-source non-native English speech corpus for pronunciation assessment",
// Interspeech 2021) has 5 000 sentences of learners with five teachers' scores each. OKTalk neither contains nor fetches it.
package calibrate
