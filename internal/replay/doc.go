// Package replay finds past work, explains it, and runs it again: for QA, who compare a new prompt, model or voice with what learners
// got, and for operators, who look after dead letters and pause stages.
//
// # What is chosen
//
// An entry of a stage is found by way of its job: PostgreSQL knows every job and every run with the entry's id, so choosing among
// a million takes a fraction of a second, and an entry that a stream has forgotten can be replayed all the same.
//
// # Shadow and application
//
// A replay adds jobs of its own (jobs.replay_of) that workers run like others, in the low lane. What they make goes to stage_runs
// and under replays/<replay>/; the learner's record, sockets, caches and quota do not change. A feedback replay with Chain, and each
// one with Apply, has the speech stage follow as a shadow too.
//
//	shadow   feedback' ------------------> stage_runs
//	chain    feedback' --> speech' ------> stage_runs
//	apply    feedback' --> speech' ------> stage_runs, then text and audio take the originals' place in one transaction
//
// Applying raises the version by one and leaves the status at completed. Nothing is applied that is worse than what is there.
// The old objects stay, for the comparison, until the evaluation is deleted; that removes everything of its replays too.
//
// # Input
//
// A replay gets the input that the original had: for feedback the assessment, for demo the words, for speech the text of the original
// feedback run, even if another text was applied since. With Apply, speech gets the text that is there now, since its audio is to go
// with it.
//
// # Records
//
// Every replay, retry, drop and pause is written to the table audit with who and why. Neither audit nor replays names an
// evaluation or holds a text, so that they can stay when evaluations are deleted.
package replay
