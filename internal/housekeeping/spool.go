package housekeeping

import (
	"context"
	"errors"

	"oktalk/internal/evaluation"
)

// upload stores what is in the spool, one object at a time. The time for one is below that of the longest stage: if the
// evaluation is deleted meanwhile, its last erase job comes after the object.
func (k *Keeper) upload(ctx context.Context) error {
	for {
		keys, err := k.spool.Oldest(ctx, 20)
		if err != nil || len(keys) == 0 {
			return err
		}
		for _, key := range keys {
			if err := k.uploadOne(ctx, key); err != nil {
				return err
			}
		}
		k.log.Info("stored what the object store had not taken", "objects", len(keys))
	}
}

func (k *Keeper) uploadOne(ctx context.Context, key string) error {
	ctx, cancel := context.WithTimeout(ctx, evaluation.LongestDeadline()*3/4)
	defer cancel()
	contentType, body, err := k.spool.Get(ctx, key)
	if errors.Is(err, evaluation.ErrNotFound) { // its evaluation was deleted
		return nil
	}
	if err != nil {
		return err
	}
	if err := k.objects.Put(ctx, key, contentType, body); err != nil {
		return err
	}
	return k.spool.Remove(ctx, key)
}
