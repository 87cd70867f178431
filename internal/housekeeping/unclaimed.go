package housekeeping

import (
	"context"
	"time"

	"oktalk/internal/evaluation"
)

const (
	// claimLimit is how long a recording may wait in the object store for its evaluation. A request takes two minutes at most, and an
	// upload that was given up half a minute more until the store has it or not; shorter, a slow request would lose its recording,
	// and longer, a refused one stays longer if it could not be removed at once.
	claimLimit = 10 * time.Minute
	// unclaimedBatch is how many are given up at once.
	unclaimedBatch = 100
)

// removeUnclaimed removes recordings of requests that were refused or died. Those of refused ones are mostly gone already.
func (k *Keeper) removeUnclaimed(ctx context.Context) error {
	for {
		ids, err := k.db.GiveUp(ctx, claimLimit, unclaimedBatch)
		if err != nil {
			return err
		}
		for _, id := range ids {
			if err := k.objects.DeletePrefix(ctx, evaluation.ObjectPrefix(id)); err != nil {
				return err
			}
			if err := k.db.Forget(ctx, id); err != nil {
				return err
			}
		}
		if len(ids) < unclaimedBatch {
			return nil
		}
	}
}
