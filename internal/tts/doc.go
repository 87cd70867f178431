// Package tts is the speech and demo stages: text in, stored audio out.
//
// Stage speech speaks the coaching text of an evaluation, stage demo a model reading of its hardest word or of the sentence. Both do the
// same: ask the store whether the audio is there already, otherwise have it spoken by a [Synthesizer], encode it, store it, and return an
// artifact that names it.
//
// # Keys
//
// An object's key holds the hash of everything that made it: text, language, voice, speed, provider and the encoder's version.
// Two workers that do the same job write the same bytes under the same key, and a run that is repeated after it stored its
// audio finds it there.
//
//	evaluations/<id>/feedback-<hash>.mp3     of one learner; removed with the evaluation
//	demo/<language>/<voice>/<hash>.mp3       of everyone who was given this text; it holds nothing of a learner's and stays
//	replays/<replay>/<id>/<stage>-<hash>.mp3 of a replay; removed with the evaluation
//
// # Failures
//
// The store being away is a failure of the environment: the job waits. A provider without a voice for the text's language
// ([ErrNoVoice]), without its program ([ErrNotInstalled]) or given text it can never speak ([ErrUnspeakable]) fails at once;
// everything else is tried again. In the end the artifact is failed, with a reason and a sentence a client can show: text
// without audio is still a complete answer.
package tts
