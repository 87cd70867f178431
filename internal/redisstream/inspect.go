package redisstream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"oktalk/internal/evaluation"
	"oktalk/internal/pipeline"
)

// Paused reports whether deliveries of a stage are stopped.
func (p *Producer) Paused(ctx context.Context, stage evaluation.StageName) (bool, error) {
	n, err := p.work.Exists(ctx, stageKeys(p.prefix, stage).paused).Result()
	return n == 1, domainError(err)
}

// Locate finds the entries of those ids that a stage's lanes hold. The lanes count apart, so an id may be found in both.
func (p *Producer) Locate(ctx context.Context, stage evaluation.StageName, entryIDs []string) ([]pipeline.Location, error) {
	k := stageKeys(p.prefix, stage)
	pipe := p.work.Pipeline()
	type look struct {
		low     bool
		record  *redis.XMessageSliceCmd
		pending *redis.XPendingExtCmd
	}
	var looks []look
	for _, id := range entryIDs {
		if !isEntryID(id) { // the server would refuse it
			continue
		}
		for _, low := range []bool{false, true} {
			lane := k.lane(low)
			looks = append(looks, look{
				low, pipe.XRange(ctx, lane, id, id),
				pipe.XPendingExt(ctx, &redis.XPendingExtArgs{Stream: lane, Group: group, Start: id, End: id, Count: 1}),
			})
		}
	}
	if len(looks) == 0 {
		return nil, nil
	}
	_, _ = pipe.Exec(ctx) // each answer has its own error: a lane that nobody has read has no group
	var found []pipeline.Location
	for _, l := range looks {
		if err := l.record.Err(); err != nil {
			return nil, fmt.Errorf("look for entries of %s: %w", stage, domainError(err))
		}
		if err := l.pending.Err(); err != nil && !isNoGroup(err) {
			return nil, fmt.Errorf("look for entries of %s: %w", stage, domainError(err))
		}
		for _, m := range l.record.Val() {
			at := pipeline.Location{EntryID: m.ID, Low: l.low, AddedAt: addedAt(m.ID)}
			at.JobID, _ = m.Values[fieldJob].(string)
			for _, held := range l.pending.Val() {
				at.Consumer, at.Deliveries = held.Consumer, held.RetryCount
			}
			found = append(found, at)
		}
	}
	return found, nil
}

// isEntryID tells whether a text has the form of an entry's id: two numbers.
func isEntryID(id string) bool {
	ms, seq, ok := strings.Cut(id, "-")
	_, err := strconv.ParseUint(ms, 10, 64)
	_, err2 := strconv.ParseUint(seq, 10, 64)
	return ok && err == nil && err2 == nil
}

// addedAt is when an entry was added, by the server's clock: its id begins with that.
func addedAt(id string) time.Time {
	ms, _, _ := strings.Cut(id, "-")
	n, _ := strconv.ParseInt(ms, 10, 64) // the server made it
	return time.UnixMilli(n).UTC()
}

// Alive tells which consumers of a stage hold their lease.
func (p *Producer) Alive(ctx context.Context, stage evaluation.StageName, consumers []string) (map[string]bool, error) {
	alive := map[string]bool{}
	if len(consumers) == 0 {
		return alive, nil
	}
	k := stageKeys(p.prefix, stage)
	pipe := p.work.Pipeline()
	now := pipe.Time(ctx)
	expiries := make([]*redis.FloatCmd, len(consumers))
	for i, c := range consumers {
		expiries[i] = pipe.ZScore(ctx, k.leases, c)
	}
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return nil, fmt.Errorf("read leases of %s: %w", stage, domainError(err))
	}
	for i, c := range consumers {
		alive[c] = expiries[i].Err() == nil && int64(expiries[i].Val()) > now.Val().UnixMilli()
	}
	return alive, nil
}

// Names that the dead stream adds to an entry's fields; see set_aside.lua.
const (
	deadEntry      = "dead_entry"
	deadLane       = "dead_lane"
	deadReason     = "dead_reason"
	deadAttempts   = "dead_attempts"
	deadDeliveries = "dead_deliveries"
	deadAt         = "dead_at"
)

// DeadLetters reads entries that were set aside, newest first.
func (p *Producer) DeadLetters(ctx context.Context, stage evaluation.StageName, limit int) ([]pipeline.DeadLetter, error) {
	var letters []pipeline.DeadLetter
	err := p.eachDead(ctx, stage, func(m redis.XMessage) bool {
		letters = append(letters, deadLetter(m))
		return len(letters) < limit
	})
	return letters, err
}

// eachDead reads the dead stream from its end until look has seen enough.
func (p *Producer) eachDead(ctx context.Context, stage evaluation.StageName, look func(redis.XMessage) (more bool)) error {
	from := "+"
	for {
		page, err := p.work.XRevRangeN(ctx, stageKeys(p.prefix, stage).dead, from, "-", presentPage).Result()
		if err != nil {
			return fmt.Errorf("read dead letters of %s: %w", stage, domainError(err))
		}
		for _, m := range page {
			if !look(m) {
				return nil
			}
		}
		if len(page) < presentPage {
			return nil
		}
		from = "(" + page[len(page)-1].ID
	}
}

func deadLetter(m redis.XMessage) pipeline.DeadLetter {
	flat := make([]string, 0, 2*len(m.Values))
	for name, v := range m.Values {
		value, _ := v.(string)
		flat = append(flat, name, value)
	}
	fields := raw(flat)
	l := pipeline.DeadLetter{ID: m.ID, EntryID: fields[deadEntry], Reason: fields[deadReason], At: addedAt(m.ID)}
	l.Deliveries, _ = strconv.ParseInt(fields[deadDeliveries], 10, 64) // 0 if it says nothing
	if e := decode("", message{id: m.ID, fields: flat}); e.DecodeErr == nil {
		l.JobID = e.JobID
	}
	for _, name := range []string{deadEntry, deadLane, deadReason, deadAttempts, deadDeliveries, deadAt} {
		delete(fields, name)
	}
	l.Fields = fields
	return l
}

// DropDeadLetters removes dead letters: those with an id in the dead stream, and those of a job. It returns how many there were.
func (p *Producer) DropDeadLetters(ctx context.Context, stage evaluation.StageName, ids, jobs []string) (int, error) {
	drop := slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return !isEntryID(id) })
	if len(jobs) > 0 {
		err := p.eachDead(ctx, stage, func(m redis.XMessage) bool {
			if id, ok := m.Values[fieldJob].(string); ok && slices.Contains(jobs, id) {
				drop = append(drop, m.ID)
			}
			return true
		})
		if err != nil {
			return 0, err
		}
	}
	if len(drop) == 0 {
		return 0, nil
	}
	n, err := p.work.XDel(ctx, stageKeys(p.prefix, stage).dead, drop...).Result()
	if err != nil {
		return 0, fmt.Errorf("drop dead letters of %s: %w", stage, domainError(err))
	}
	return int(n), nil
}
