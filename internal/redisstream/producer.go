package redisstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"oktalk/internal/evaluation"
	"oktalk/internal/pipeline"
)

// FairShare is how many entries a user may have open in a stage before further ones go to the low lane, unless set otherwise
// by [Producer.WithFairShare].
const FairShare = 4

// Producer adds entries to stages and looks after their keys. It is safe for concurrent use.
type Producer struct {
	work      redis.UniversalClient
	prefix    string
	fairShare int
}

// NewProducer makes a producer.
func NewProducer(work redis.UniversalClient, prefix string) *Producer {
	return &Producer{work: work, prefix: prefix, fairShare: FairShare}
}

// WithFairShare returns a producer with another fair share; n < 1 keeps [FairShare].
func (p *Producer) WithFairShare(n int) *Producer {
	q := *p
	if n >= 1 {
		q.fairShare = n
	}
	return &q
}

// enqueueBatch is the most entries of one call of the script; 500 take Redis about two milliseconds.
const enqueueBatch = 500

// Enqueue adds entries, of any stages, in one round trip: those due in the future to the delayed set, the others to a lane. Each
// entry is added at least once if there is no error, and may have been added if there is.
func (p *Producer) Enqueue(ctx context.Context, entries []pipeline.Entry) error {
	if len(entries) == 0 {
		return nil
	}
	var order []evaluation.StageName
	stages := map[evaluation.StageName][]pipeline.Entry{}
	for _, e := range entries {
		if len(stages[e.Stage]) == 0 {
			order = append(order, e.Stage)
		}
		stages[e.Stage] = append(stages[e.Stage], e)
	}
	if err := p.enqueueStages(ctx, order, stages); err != nil {
		return fmt.Errorf("enqueue %d entries: %w", len(entries), domainError(err))
	}
	return nil
}

// enqueueStages makes one call or a pipeline of them. In a pipeline a script goes by its text: after a restart of Redis its hash is
// unknown, and a pipeline cannot fall back.
func (p *Producer) enqueueStages(ctx context.Context, order []evaluation.StageName, stages map[evaluation.StageName][]pipeline.Entry) error {
	now := time.Now()
	if only := stages[order[0]]; len(order) == 1 && len(only) <= enqueueBatch {
		return enqueueScript.Run(ctx, p.work, p.enqueueKeys(order[0]), p.enqueueArgs(only, now)...).Err()
	}
	pipe := p.work.Pipeline()
	for _, stage := range order {
		for batch := range slices.Chunk(stages[stage], enqueueBatch) {
			enqueueScript.Eval(ctx, pipe, p.enqueueKeys(stage), p.enqueueArgs(batch, now)...)
		}
	}
	_, err := pipe.Exec(ctx)
	return err
}

func (p *Producer) enqueueKeys(stage evaluation.StageName) []string {
	k := stageKeys(p.prefix, stage)
	return []string{k.stream, k.low, k.delayed, k.open}
}

func (p *Producer) enqueueArgs(entries []pipeline.Entry, now time.Time) []any {
	args := make([]any, 0, 2+len(entries)*(width+3))
	args = append(args, p.fairShare, width)
	for _, e := range entries {
		wait := max(0, (e.Due.Sub(now) + time.Millisecond - 1).Milliseconds())
		if e.Due.IsZero() {
			wait = 0
		}
		args = encode(append(args, wait, flag(e.Low), e.UserID), e)
	}
	return args
}

// Marker is the stage's generation as last written by SetMarker; empty when there is none, as after a loss of Redis.
func (p *Producer) Marker(ctx context.Context, stage evaluation.StageName) (string, error) {
	s, err := p.work.Get(ctx, stageKeys(p.prefix, stage).generation).Result()
	if errors.Is(err, redis.Nil) {
		return "", nil
	}
	return s, domainError(err)
}

// SetMarker writes the marker: the stage's generation says that its keys are whole, anything else that they are not.
func (p *Producer) SetMarker(ctx context.Context, stage evaluation.StageName, marker string) error {
	return domainError(p.work.Set(ctx, stageKeys(p.prefix, stage).generation, marker, 0).Err())
}

// ReplaceMarker changes the marker if it is from, and reports whether it was.
func (p *Producer) ReplaceMarker(ctx context.Context, stage evaluation.StageName, from, to string) (bool, error) {
	n, err := replaceScript.Run(ctx, p.work, []string{stageKeys(p.prefix, stage).generation}, from, to).Int()
	return n == 1, domainError(err)
}

// SetPaused stops deliveries of a stage, or lets them go on. Workers follow within a beat (a second); what is in flight ends as
// usual.
func (p *Producer) SetPaused(ctx context.Context, stage evaluation.StageName, paused bool) error {
	key := stageKeys(p.prefix, stage).paused
	if paused {
		return domainError(p.work.Set(ctx, key, 1, 0).Err())
	}
	return domainError(p.work.Del(ctx, key).Err())
}

// presentPage is how many entries are looked at in one call.
const presentPage = 1000

// Present lists the ids of the stage's jobs that are unread, pending or delayed. Entries on the move meanwhile are seen: the
// delayed ones are looked at first and once more at the end.
func (p *Producer) Present(ctx context.Context, stage evaluation.StageName) (map[string]struct{}, error) {
	k, jobs := stageKeys(p.prefix, stage), map[string]struct{}{}
	steps := []func() error{
		func() error { return p.delayedJobs(ctx, k.delayed, jobs) },
		func() error { return p.laneJobs(ctx, k.stream, jobs) },
		func() error { return p.laneJobs(ctx, k.low, jobs) },
		func() error { return p.delayedJobs(ctx, k.delayed, jobs) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return nil, fmt.Errorf("list jobs present in %s: %w", stage, domainError(err))
		}
	}
	return jobs, nil
}

func (p *Producer) delayedJobs(ctx context.Context, key string, jobs map[string]struct{}) error {
	members := p.work.ZScan(ctx, key, 0, "", presentPage).Iterator()
	for i := 0; members.Next(ctx); i++ {
		if i%2 == 0 { // every second one is a score
			addDelayed(members.Val(), jobs)
		}
	}
	return members.Err()
}

// addDelayed reads the job out of a member of the delayed set: a JSON list of the lane, then names and values.
func addDelayed(member string, jobs map[string]struct{}) {
	var list []string
	if json.Unmarshal([]byte(member), &list) != nil {
		return
	}
	for i := 1; i+1 < len(list); i += 2 {
		if list[i] == fieldJob {
			jobs[list[i+1]] = struct{}{}
		}
	}
}

func (p *Producer) laneJobs(ctx context.Context, lane string, jobs map[string]struct{}) error {
	g, err := p.groupOf(ctx, lane)
	if err != nil || !g.stream {
		return err
	}
	if err := p.pendingJobs(ctx, lane, jobs); err != nil {
		return err
	}
	if err := p.unreadJobs(ctx, lane, "("+g.delivered, jobs); err != nil {
		return err
	}
	return p.pendingJobs(ctx, lane, jobs)
}

func (p *Producer) unreadJobs(ctx context.Context, lane, from string, jobs map[string]struct{}) error {
	for {
		page, err := p.work.XRangeN(ctx, lane, from, "+", presentPage).Result()
		if err != nil {
			return err
		}
		addJobs(page, jobs)
		if len(page) < presentPage {
			return nil
		}
		from = "(" + page[len(page)-1].ID
	}
}

func (p *Producer) pendingJobs(ctx context.Context, lane string, jobs map[string]struct{}) error {
	from := "-"
	for {
		page, err := p.work.XPendingExt(ctx, &redis.XPendingExtArgs{Stream: lane, Group: group, Start: from, End: "+", Count: presentPage}).Result()
		if isNoGroup(err) || len(page) == 0 && err == nil {
			return nil
		}
		if err != nil {
			return err
		}
		pipe := p.work.Pipeline()
		records := make([]*redis.XMessageSliceCmd, len(page))
		for i, entry := range page {
			records[i] = pipe.XRange(ctx, lane, entry.ID, entry.ID)
		}
		if _, err := pipe.Exec(ctx); err != nil {
			return err
		}
		for _, r := range records {
			addJobs(r.Val(), jobs)
		}
		if len(page) < presentPage {
			return nil
		}
		from = "(" + page[len(page)-1].ID
	}
}

func addJobs(page []redis.XMessage, jobs map[string]struct{}) {
	for _, m := range page {
		if id, ok := m.Values[fieldJob].(string); ok {
			jobs[id] = struct{}{}
		}
	}
}

// groupInfo is what the server says of a lane's group.
type groupInfo struct {
	stream    bool   // the lane exists
	delivered string // id of the last entry that was delivered; "0-0" when none was
	pending   int64
	lag       int64 // entries not delivered; -1 when the server does not tell (before Redis 7, or after XDEL)
}

func (p *Producer) groupOf(ctx context.Context, lane string) (groupInfo, error) {
	groups, err := p.work.Do(ctx, "XINFO", "GROUPS", lane).Slice()
	if isNoGroup(err) {
		return groupInfo{delivered: "0-0", lag: -1}, nil
	}
	if err != nil {
		return groupInfo{}, err
	}
	info := groupInfo{stream: true, delivered: "0-0", lag: -1}
	for _, v := range groups {
		g := pairs(v)
		if g["name"] != group {
			continue
		}
		info.delivered, _ = g["last-delivered-id"].(string)
		info.pending, _ = g["pending"].(int64)
		if lag, ok := g["lag"].(int64); ok {
			info.lag = lag
		}
	}
	return info, nil
}

// pairs reads a reply of names and values, which is a list in RESP2 and a map in RESP3.
func pairs(v any) map[any]any {
	if m, ok := v.(map[any]any); ok {
		return m
	}
	list, _ := v.([]any)
	m := make(map[any]any, len(list)/2)
	for i := 0; i+1 < len(list); i += 2 {
		m[list[i]] = list[i+1]
	}
	return m
}

// trimStep is how many entries one call removes at most: a thousand take Redis about a millisecond.
const trimStep = 1000

// Trim removes entries of both lanes that are older than retention, and the oldest above maxEntries a lane, but never one that
// is pending or unread. Of the dead letters it keeps the newest maxEntries.
func (p *Producer) Trim(ctx context.Context, stage evaluation.StageName, retention time.Duration, maxEntries int64) error {
	k := stageKeys(p.prefix, stage)
	for _, lane := range []string{k.stream, k.low} {
		for {
			reply, err := trimScript.Run(ctx, p.work, []string{lane}, group, retention.Milliseconds(), maxEntries, trimStep).Int64Slice()
			if err != nil {
				return fmt.Errorf("trim %s: %w", lane, domainError(err))
			}
			if len(reply) != 2 || reply[0] == 0 || reply[1] == 0 {
				break
			}
		}
	}
	return domainError(p.work.XTrimMaxLenApprox(ctx, k.dead, maxEntries, 0).Err())
}

// Stats are the sizes of a stage.
type Stats = pipeline.StageStats

// Stats measures a stage.
func (p *Producer) Stats(ctx context.Context, stage evaluation.StageName) (Stats, error) {
	st, err := p.stats(ctx, stageKeys(p.prefix, stage))
	if err != nil {
		return Stats{}, fmt.Errorf("measure %s: %w", stage, domainError(err))
	}
	return st, nil
}

func (p *Producer) stats(ctx context.Context, k keys) (Stats, error) {
	pipe := p.work.Pipeline()
	now := pipe.Time(ctx)
	delayed, dead, paused := pipe.ZCard(ctx, k.delayed), pipe.XLen(ctx, k.dead), pipe.Exists(ctx, k.paused)
	if _, err := pipe.Exec(ctx); err != nil {
		return Stats{}, err
	}
	st := Stats{Delayed: delayed.Val(), Dead: dead.Val(), Paused: paused.Val() == 1}
	var err error
	if st.Consumers, err = p.work.ZCount(ctx, k.leases, fmt.Sprintf("(%d", now.Val().UnixMilli()), "+inf").Result(); err != nil {
		return Stats{}, err
	}
	for _, lane := range []string{k.stream, k.low} {
		g, err := p.groupOf(ctx, lane)
		if err != nil {
			return Stats{}, err
		}
		if g.stream && g.lag < 0 {
			if g.lag, err = p.countUnread(ctx, lane, "("+g.delivered); err != nil {
				return Stats{}, err
			}
		}
		st.Pending += g.pending
		st.Lag += max(0, g.lag)
		if lane == k.low {
			st.Low = max(0, g.lag)
		}
	}
	return st, nil
}

// countUnread counts entries where the server does not tell the lag.
func (p *Producer) countUnread(ctx context.Context, lane, from string) (int64, error) {
	var n int64
	for {
		page, err := p.work.XRangeN(ctx, lane, from, "+", presentPage).Result()
		if err != nil {
			return 0, err
		}
		n += int64(len(page))
		if len(page) < presentPage {
			return n, nil
		}
		from = "(" + page[len(page)-1].ID
	}
}
