// Package feedback runs the feedback stage: it turns the assessment of an utterance into a short coaching text.
//
// Two questions are kept apart. What to say is decided here, by code, in [NewPlan]: one praise that is true, at most two
// issues, and a next step that can be done at once. How to say it is left to a [Generator], which gets the [Plan] and
// nothing else. A generator that writes from a bank of sentences and one that asks a language model fill the same slots,
// so neither can contradict the scores, and both say the same about the same result.
//
// # Choosing
//
// Every finding of the assessment gets a weight. For a sound it grows with the distance of phone and word from a full score, with
// the functional load of the contrast (how many words of English depend on it), with the confidence that it is really there,
// and with the number of words in which it comes back. The heaviest finding is the first issue; a second one follows if it
// weighs at least a third as much. The weights are whole numbers, so that every machine chooses the same.
//
// # Checking
//
// A text goes out only if [Check] accepts it: short, speakable, finished, in the right language, without words that hurt, naming
// every issue, and claiming nothing that the plan does not bear out: its [Facts], its issues, no score. A text that fails counts as
// a failed attempt. When the attempts are used up, the fallback generator writes, and the artifact says so.
//
// # What it does not do
//
// It stores nothing and enqueues nothing; the runner settles what [Stage.Handle] returns. It never sees audio.
package feedback
