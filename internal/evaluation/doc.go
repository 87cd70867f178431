// Package evaluation is the domain of OKTalk: what an evaluation is, which states it and its artifacts pass through,
// how scores become levels, and which stages do the work.
//
// An evaluation is the whole course of one submitted utterance. It is scored when it is accepted; after that three
// artifacts are made for it by workers, and each of them ends in one settled state:
//
//	feedback_text    pending -> ready | fallback | failed | skipped
//	feedback_audio   pending -> ready | failed | skipped
//	demo_audio       pending -> ready | failed | skipped
//
// The evaluation follows its artifacts: [StatusProcessing] while one is pending, [StatusCompleted] when none is.
// Status, percent, current stage and the list of degraded artifacts are always computed from all artifacts together
// ([Evaluation.Settle]), never stepped forward, so that the order in which stages end does not matter.
//
// The package imports the standard library only. Wire forms of storage live in the adapters; the one JSON form that
// several of them share, because clients must never see two shapes for the same thing, is [View].
package evaluation
