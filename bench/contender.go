package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// contender is one way to run jobs. Its methods are safe for concurrent use, except Close.
type contender interface {
	// Enqueue adds jobs.
	Enqueue(ctx context.Context, jobs []job) error
	// Work runs a worker with so many slots, as a process of its own would, until ctx ends. It returns when nothing of it runs.
	Work(ctx context.Context, slots int, handle handler) error
	// Left counts jobs that are not settled for good.
	Left(ctx context.Context) (int, error)
	// Close gives up the connections.
	Close()
}

// flusher is a contender with something to do between adding a backlog and working on it.
type flusher interface {
	// Flush waits until all jobs are where workers find them, and the servers know what they hold.
	Flush(ctx context.Context) error
}

// handler does the work of job number n.
type handler func(ctx context.Context, n int)

// kind is a contender before it is opened.
type kind struct {
	name    string
	note    string // what was chosen for it
	module  string // whose version the report names; empty for ours
	slots   int    // of 16, 64, 256 and 1000 one with which it is about as fast as it gets on two cores
	redis   bool   // uses Redis
	sql     bool   // uses PostgreSQL
	crash   string // why a crash is not tried; empty if it is
	prepare func(ctx context.Context, s space) error
	open    func(ctx context.Context, s space) (contender, error)
}

const never = "not handed on"

// kinds are all contenders, in the order of the report.
func kinds() []kind {
	return []kind{
		{
			name: "OKTalk", note: "Redis and a ledger in memory", slots: 256, redis: true,
			open: openEngine,
		},
		{
			name: "OKTalk + PostgreSQL", note: "with the ledger in PostgreSQL, outbox and snapshots", slots: 64, redis: true, sql: true,
			prepare: prepareWhole, open: openWhole,
		},
		{
			name: "asynq", note: "as it comes", module: "github.com/hibiken/asynq", slots: 64, redis: true,
			open: openAsynq,
		},
		{
			name: "River", note: "as it comes, 100 workers", module: "github.com/riverqueue/river", slots: 100, sql: true,
			crash: "after 1 h, its default; not waited for", prepare: prepareRiver, open: openRiver,
		},
		{
			name: "River tuned", note: "fetches every 2 ms", module: "github.com/riverqueue/river", slots: 1000, sql: true,
			crash: "as above", prepare: prepareRiver, open: openRiverTuned,
		},
		{
			name: "watermill-redisstream", note: "one subscription a slot", module: "github.com/ThreeDotsLabs/watermill-redisstream", slots: 16, redis: true,
			open: openWatermill,
		},
		{
			name: "bare loop", note: "XREADGROUP, handle, XACK; no safety", slots: 256, redis: true,
			crash: never, open: openBare,
		},
	}
}

func kindByName(name string) (kind, error) {
	for _, k := range kinds() {
		if k.name == name {
			return k, nil
		}
	}
	return kind{}, fmt.Errorf("there is no contender %q", name)
}

// job is a unit of work that does nothing.
type job struct {
	n    int // its number, unique in a space
	user int
}

// perUser is how many jobs of a backlog belong to one user.
const perUser = 4

// backlog makes n jobs.
func backlog(n int) []job {
	jobs := make([]job, n)
	for i := range jobs {
		jobs[i] = job{n: i, user: i / perUser}
	}
	return jobs
}

// Identifiers have the length of real ones.
func jobID(n int) string        { return fmt.Sprintf("job_%026d", n) }
func evaluationID(n int) string { return fmt.Sprintf("eval_%026d", n) }
func userID(n int) string       { return fmt.Sprintf("user_%026d", n) }

func jobNumber(id string) (int, error) {
	_, digits, _ := strings.Cut(id, "_")
	n, err := strconv.Atoi(digits)
	if err != nil {
		return 0, fmt.Errorf("%q is no job of ours", id)
	}
	return n, nil
}

// payload is what contenders other than ours carry: the fields of an entry of ours.
type payload struct {
	Job         string `json:"job"`
	Evaluation  string `json:"evaluation_id"`
	User        string `json:"user_id"`
	Attempt     int    `json:"attempt"`
	EnqueuedAt  int64  `json:"enqueued_at"`
	Traceparent string `json:"traceparent"`
}

func payloadOf(j job) payload {
	return payload{Job: jobID(j.n), Evaluation: evaluationID(j.n), User: userID(j.user), Attempt: 1, EnqueuedAt: time.Now().UnixMilli()}
}

func encodePayload(j job) []byte {
	b, err := json.Marshal(payloadOf(j))
	if err != nil {
		panic(err) // strings and numbers only
	}
	return b
}

func decodePayload(b []byte) (int, error) {
	var p payload
	if err := json.Unmarshal(b, &p); err != nil {
		return 0, fmt.Errorf("decode payload: %w", err)
	}
	return jobNumber(p.Job)
}
