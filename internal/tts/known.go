package tts

import (
	"context"
	"sync"
	"time"

	"oktalk/internal/pipeline"
)

const (
	// knownFor is how long a shared object that was there is taken to be there still. Nothing of ours removes one; what a person removes is
	// missed for so long.
	knownFor = time.Minute
	// mostKnown bounds the keys that are remembered, 150 bytes each.
	mostKnown = 10_000
)

// known spares the store questions whose answers are known.
type known struct {
	store Store

	// guarded by mu
	mu     sync.Mutex
	there  map[string]time.Time // shared objects, and since when
	failed bool                 // the last call did: the next ask first, so that little is spoken that cannot be stored
}

func newKnown(store Store) *known { return &known{store: store, there: map[string]time.Time{}} }

// exists reports whether an object is stored. What only one job makes cannot be before its first run makes it.
func (k *known) exists(ctx context.Context, j pipeline.Job, key string, shared bool) (bool, error) {
	k.mu.Lock()
	since, there := k.there[key]
	failed := k.failed
	k.mu.Unlock()
	switch {
	case failed:
	case there && time.Since(since) < knownFor:
		return true, nil
	case j.Run == 1 && !shared:
		return false, nil
	}
	there, err := k.store.Exists(ctx, key)
	k.note(key, shared && there, err)
	return there, err
}

// put stores an object.
func (k *known) put(ctx context.Context, key string, body []byte, shared bool) error {
	err := k.store.Put(ctx, key, contentType, body)
	k.note(key, shared && err == nil, err)
	return err
}

func (k *known) note(key string, keep bool, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.failed = err != nil
	delete(k.there, key)
	if !keep {
		return
	}
	if len(k.there) >= mostKnown {
		clear(k.there)
	}
	k.there[key] = time.Now()
}
