package postgres_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"oktalk/internal/account"
	"oktalk/internal/evaluation"
	"oktalk/internal/pipeline"
)

func TestCreateAndGet(t *testing.T) {
	t.Parallel()
	s := setup(t)
	nudges := 0
	s.db.OnOutbox(func() { nudges++ })
	e := s.create(t)
	if diff := cmp.Diff(e, s.get(t, e.ID), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("Get after Create (-want +got):\n%s", diff)
	}
	if nudges != 1 {
		t.Errorf("nudges = %d, want 1", nudges)
	}
	b := s.claim(t)
	var stages []evaluation.StageName
	for _, j := range b.Jobs {
		stages = append(stages, j.Stage)
		if j.EvaluationID != e.ID || j.UserID != s.user || j.Attempt != 1 || j.Traceparent != "00-a-b-01" || j.EnqueuedAt.IsZero() || !j.Due.IsZero() {
			t.Errorf("entry = %+v", j)
		}
	}
	if diff := cmp.Diff([]evaluation.StageName{"feedback", "demo"}, stages, cmpopts.SortSlices(func(a, b evaluation.StageName) bool { return a > b })); diff != "" {
		t.Errorf("jobs sent (-want +got):\n%s", diff)
	}
	if len(b.Evaluations) != 1 || b.Evaluations[0].Version != 1 {
		t.Errorf("evaluations sent = %v, want version 1 of one", b.Evaluations)
	}
}

func TestGetOfAnotherUser(t *testing.T) {
	t.Parallel()
	s := setup(t)
	e := s.create(t)
	if _, err := s.evaluations.Get(t.Context(), "user_other", e.ID); !errors.Is(err, evaluation.ErrNotFound) {
		t.Errorf("Get of another user = %v, want ErrNotFound", err)
	}
	if err := s.evaluations.Owns(t.Context(), "user_other", e.ID); !errors.Is(err, evaluation.ErrNotFound) {
		t.Errorf("Owns of another user = %v, want ErrNotFound", err)
	}
	if err := s.evaluations.Owns(t.Context(), s.user, e.ID); err != nil {
		t.Errorf("Owns = %v, want nil", err)
	}
	if err := s.evaluations.Delete(t.Context(), "user_other", e.ID); !errors.Is(err, evaluation.ErrNotFound) {
		t.Errorf("Delete of another user = %v, want ErrNotFound", err)
	}
	s.get(t, e.ID)
}

func TestList(t *testing.T) {
	t.Parallel()
	s := setup(t)
	var ids []string
	for range 5 {
		ids = append([]string{s.create(t).ID}, ids...)
	}
	var got []string
	before := ""
	for {
		page, err := s.evaluations.List(t.Context(), s.user, 2, before)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, e := range page {
			got = append(got, e.ID)
		}
		before = got[len(got)-1]
	}
	if diff := cmp.Diff(ids, got); diff != "" {
		t.Errorf("List, newest first (-want +got):\n%s", diff)
	}
}

func TestVersionsAndLoad(t *testing.T) {
	t.Parallel()
	s := setup(t)
	kept, deleted := s.create(t), s.create(t)
	if err := s.evaluations.Delete(t.Context(), s.user, deleted.ID); err != nil {
		t.Fatal(err)
	}
	ids := []string{deleted.ID, kept.ID, "eval_none"}
	versions, err := s.evaluations.Versions(t.Context(), ids)
	if diff := cmp.Diff(map[string]int64{kept.ID: 1}, versions); diff != "" || err != nil {
		t.Errorf("Versions (-want +got): %v\n%s", err, diff)
	}
	loaded, err := s.evaluations.Load(t.Context(), ids)
	if err != nil || len(loaded) != 1 || loaded[0].ID != kept.ID || loaded[0].Assessment == nil || loaded[0].Assessment.Words != nil {
		t.Errorf("Load = %v, %v, want the kept one without words", loaded, err)
	}
}

func TestDeleteHidesAndEmpties(t *testing.T) {
	t.Parallel()
	s := setup(t)
	e := s.create(t)
	j := s.begin(t, e.ID, evaluation.StageFeedback, "w1")
	if err := s.jobs.Settle(t.Context(), j, result(evaluation.FeedbackText), pipeline.OutcomeDone, nil); err != nil {
		t.Fatal(err)
	}
	s.claim(t)
	if err := s.evaluations.Delete(t.Context(), s.user, e.ID); err != nil {
		t.Fatalf("Delete = %v", err)
	}
	if err := s.evaluations.Delete(t.Context(), s.user, e.ID); !errors.Is(err, evaluation.ErrNotFound) {
		t.Errorf("second Delete = %v, want ErrNotFound", err)
	}
	if err := s.evaluations.Owns(t.Context(), s.user, e.ID); !errors.Is(err, evaluation.ErrNotFound) {
		t.Errorf("Owns after Delete = %v, want ErrNotFound", err)
	}
	if _, err := s.evaluations.Get(t.Context(), s.user, e.ID); !errors.Is(err, evaluation.ErrNotFound) {
		t.Errorf("Get after Delete = %v, want ErrNotFound", err)
	}
	if list, err := s.evaluations.List(t.Context(), s.user, 10, ""); err != nil || len(list) != 0 {
		t.Errorf("List after Delete = %v, %v, want none", list, err)
	}
	for _, text := range []string{"apples", "Well done", "recording.wav"} {
		if found := rowsWith(t, s.url, text); len(found) > 0 {
			t.Errorf("%q is still in %v", text, found)
		}
	}
	b := s.claim(t)
	if diff := cmp.Diff([]string{e.ID}, b.Deleted); diff != "" {
		t.Errorf("removals sent (-want +got):\n%s", diff)
	}
	if len(b.Jobs) != 2 || b.Jobs[0].Stage != evaluation.StageErase || b.Jobs[1].Stage != evaluation.StageErase {
		t.Fatalf("jobs sent = %+v, want two of stage erase", b.Jobs)
	}
	if wait := time.Until(b.Jobs[1].Due); !b.Jobs[0].Due.IsZero() || wait < evaluation.LongestDeadline()-10*time.Second {
		t.Errorf("erase jobs are due at %v and in %v, want at once and after the longest deadline", b.Jobs[0].Due, wait)
	}
}

func TestEraseRefusesWhatWasNotDeleted(t *testing.T) {
	t.Parallel()
	s := setup(t)
	e := s.create(t)
	if err := s.evaluations.Erase(t.Context(), e.ID); err == nil {
		t.Error("Erase of an evaluation in use = nil, want an error")
	}
	s.get(t, e.ID)
}

func TestSpool(t *testing.T) {
	t.Parallel()
	s := setup(t)
	e := newEvaluation(s.user)
	if err := s.evaluations.Create(t.Context(), e, evaluation.CreateOptions{Spooled: []byte("recording")}); err != nil {
		t.Fatal(err)
	}
	contentType, body, err := s.spool.Get(t.Context(), e.Recording.ObjectKey)
	if contentType != "audio/wav" || string(body) != "recording" || err != nil {
		t.Errorf("Get = %q, %q, %v", contentType, body, err)
	}
	for range 2 { // repeated, it takes the room once
		if err := s.spool.Put(t.Context(), e.ID, "k", "audio/mpeg", make([]byte, 600)); err != nil {
			t.Errorf("Put = %v", err)
		}
	}
	big := newEvaluation(s.user)
	if err := s.evaluations.Create(t.Context(), big, evaluation.CreateOptions{Spooled: make([]byte, 600)}); !errors.Is(err, evaluation.ErrFull) {
		t.Errorf("Create with a full spool = %v, want ErrFull", err)
	}
	if _, err := s.evaluations.Get(t.Context(), s.user, big.ID); !errors.Is(err, evaluation.ErrNotFound) {
		t.Errorf("Get of what was not created = %v, want ErrNotFound", err)
	}
	if err := s.spool.Put(t.Context(), e.ID, "l", "audio/mpeg", make([]byte, 600)); !errors.Is(err, evaluation.ErrFull) {
		t.Errorf("Put into a full spool = %v, want ErrFull", err)
	}
	keys, err := s.spool.Oldest(t.Context(), 10)
	if diff := cmp.Diff([]string{e.Recording.ObjectKey, "k"}, keys); diff != "" || err != nil {
		t.Errorf("Oldest (-want +got): %v\n%s", err, diff)
	}
	if err := s.spool.Remove(t.Context(), "k"); err != nil {
		t.Error(err)
	}
	if err := s.evaluations.Delete(t.Context(), s.user, e.ID); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.spool.Get(t.Context(), e.Recording.ObjectKey); !errors.Is(err, evaluation.ErrNotFound) {
		t.Errorf("Get after Delete = %v, want ErrNotFound", err)
	}
	if err := s.spool.Put(t.Context(), e.ID, "k", "audio/mpeg", nil); !errors.Is(err, evaluation.ErrNotFound) {
		t.Errorf("Put for a deleted evaluation = %v, want ErrNotFound", err)
	}
}

func TestIdempotency(t *testing.T) {
	t.Parallel()
	s := setup(t)
	ctx, content := t.Context(), []byte("fingerprint")
	if id, err := s.idempotency.Reserve(ctx, s.user, "k", content); id != "" || err != nil {
		t.Fatalf("first Reserve = %q, %v", id, err)
	}
	if _, err := s.idempotency.Reserve(ctx, s.user, "k", content); !errors.Is(err, evaluation.ErrIdempotencyConflict) {
		t.Errorf("Reserve while the first runs = %v, want ErrIdempotencyConflict", err)
	}
	if err := s.idempotency.Release(ctx, s.user, "k"); err != nil {
		t.Fatal(err)
	}
	if id, err := s.idempotency.Reserve(ctx, s.user, "k", content); id != "" || err != nil {
		t.Fatalf("Reserve after Release = %q, %v", id, err)
	}
	e := newEvaluation(s.user)
	if err := s.evaluations.Create(ctx, e, evaluation.CreateOptions{IdempotencyKey: "k", Fingerprint: content}); err != nil {
		t.Fatal(err)
	}
	if err := s.evaluations.Create(ctx, newEvaluation(s.user), evaluation.CreateOptions{IdempotencyKey: "k", Fingerprint: content}); !errors.Is(err, evaluation.ErrIdempotencyConflict) {
		t.Errorf("second Create under the key = %v, want ErrIdempotencyConflict", err)
	}
	if err := s.idempotency.Release(ctx, s.user, "k"); err != nil {
		t.Fatal(err)
	}
	if id, err := s.idempotency.Reserve(ctx, s.user, "k", content); id != e.ID || err != nil {
		t.Errorf("Reserve of a used key = %q, %v, want %q", id, err, e.ID)
	}
	if _, err := s.idempotency.Reserve(ctx, s.user, "k", []byte("other")); !errors.Is(err, evaluation.ErrIdempotencyMismatch) {
		t.Errorf("Reserve with another fingerprint = %v, want ErrIdempotencyMismatch", err)
	}
	if err := s.upkeep.ExpireIdempotency(ctx, time.Hour); err != nil {
		t.Fatal(err)
	}
	if id, _ := s.idempotency.Reserve(ctx, s.user, "k", content); id != e.ID {
		t.Error("a key of now expired")
	}
	if err := s.evaluations.Delete(ctx, s.user, e.ID); err != nil {
		t.Fatal(err)
	}
	if id, err := s.idempotency.Reserve(ctx, s.user, "k", content); !errors.Is(err, evaluation.ErrNotFound) {
		t.Errorf("Reserve after Delete = %q, %v, want ErrNotFound", id, err)
	}
}

func TestIdempotencyLeftBehind(t *testing.T) {
	t.Parallel()
	s := setup(t)
	ctx := t.Context()
	if _, err := s.idempotency.Reserve(ctx, s.user, "k", []byte("a")); err != nil {
		t.Fatal(err)
	}
	const aMinuteLater = `UPDATE idempotency_keys SET created_at = created_at - interval '1 minute'`
	exec(t, s.url, aMinuteLater)
	if err := s.idempotency.Extend(ctx, s.user, "k"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.idempotency.Reserve(ctx, s.user, "k", []byte("a")); !errors.Is(err, evaluation.ErrIdempotencyConflict) {
		t.Errorf("Reserve of a key that was extended = %v, want ErrIdempotencyConflict", err)
	}
	exec(t, s.url, aMinuteLater)
	if id, err := s.idempotency.Reserve(ctx, s.user, "k", []byte("b")); id != "" || err != nil {
		t.Errorf("Reserve of a key left behind = %q, %v, want it taken over", id, err)
	}
	late := evaluation.CreateOptions{IdempotencyKey: "k", Fingerprint: []byte("a")}
	if err := s.evaluations.Create(ctx, newEvaluation(s.user), late); !errors.Is(err, evaluation.ErrIdempotencyConflict) {
		t.Errorf("Create of a request whose key was taken over = %v, want ErrIdempotencyConflict", err)
	}
	exec(t, s.url, `UPDATE idempotency_keys SET created_at = now() - interval '25 hours'`)
	if err := s.upkeep.ExpireIdempotency(ctx, 24*time.Hour); err != nil {
		t.Fatal(err)
	}
	if n := query[int](t, s.url, `SELECT count(*) FROM idempotency_keys`); n != 0 {
		t.Errorf("%d keys after expiry, want 0", n)
	}
}

// Of many requests with one key at once, one runs.
func TestIdempotencyRace(t *testing.T) {
	t.Parallel()
	s := setup(t)
	errs := make(chan error, 20)
	for range cap(errs) {
		go func() {
			_, err := s.idempotency.Reserve(t.Context(), s.user, "k", []byte("a"))
			errs <- err
		}()
	}
	won := 0
	for range cap(errs) {
		switch err := <-errs; {
		case err == nil:
			won++
		case !errors.Is(err, evaluation.ErrIdempotencyConflict):
			t.Error(err)
		}
	}
	if won != 1 {
		t.Errorf("%d requests won, want 1", won)
	}
}

func TestAccounts(t *testing.T) {
	t.Parallel()
	s := setup(t)
	ctx, act := t.Context(), account.Act{Actor: "ada@host", Why: "to test"}
	if again, err := s.accounts.EnsureUser(ctx, "ann"); again != s.user || err != nil {
		t.Errorf("second EnsureUser = %q, %v, want %q", again, err, s.user)
	}
	id, err := s.accounts.CreateKey(ctx, s.user, "okt_abcdef", []byte("hash"), act)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.accounts.SetRole(ctx, s.user, account.RoleAdmin, act); err != nil {
		t.Fatal(err)
	}
	caller, err := s.accounts.UserByKeyHash(ctx, []byte("hash"))
	if want := (account.Caller{UserID: s.user, UserName: "ann", KeyID: id, Role: account.RoleAdmin}); caller != want || err != nil {
		t.Errorf("UserByKeyHash = %+v, %v, want %+v", caller, err, want)
	}
	keys, err := s.accounts.ListKeys(ctx)
	if err != nil || len(keys) != 1 || keys[0].LastUsedAt.IsZero() || !keys[0].RevokedAt.IsZero() || keys[0].UserName != "ann" {
		t.Errorf("ListKeys = %+v, %v, want one key in use", keys, err)
	}
	if err := s.accounts.RevokeKey(ctx, id, act); err != nil {
		t.Fatal(err)
	}
	if _, err := s.accounts.UserByKeyHash(ctx, []byte("hash")); !errors.Is(err, evaluation.ErrUnauthorized) {
		t.Errorf("UserByKeyHash of a revoked key = %v, want ErrUnauthorized", err)
	}
	if revoked, err := s.accounts.RevokedKeys(ctx, []string{id, "key_none"}); err != nil || !slices.Equal(revoked, []string{id, "key_none"}) {
		t.Errorf("RevokedKeys = %v, %v, want both", revoked, err)
	}
	other, err := s.accounts.CreateKey(ctx, s.user, "okt_ghijkl", []byte("another"), act)
	if err != nil {
		t.Fatal(err)
	}
	if revoked, err := s.accounts.RevokedKeys(ctx, []string{other}); err != nil || len(revoked) != 0 {
		t.Errorf("RevokedKeys = %v, %v, want none", revoked, err)
	}
	if err := s.accounts.RevokeKey(ctx, "key_none", act); !errors.Is(err, evaluation.ErrNotFound) {
		t.Errorf("RevokeKey(none) = %v, want ErrNotFound", err)
	}
	const audit = `SELECT string_agg(actor || ': ' || action || ' ' || subject || ' ' || (detail ->> 'why'), '; ' ORDER BY id) FROM audit`
	want := fmt.Sprintf("ada@host: create key %s to test; ada@host: set role %s to test; ada@host: revoke key %s to test; ada@host: create key %s to test", id, s.user, id, other)
	if got := query[string](t, s.url, audit); got != want {
		t.Errorf("audit = %s, want %s", got, want)
	}
	first, err := s.accounts.Secret(ctx, "tickets", func() []byte { return []byte("one") })
	second, err2 := s.accounts.Secret(ctx, "tickets", func() []byte { return []byte("two") })
	if string(first) != "one" || string(second) != "one" || err != nil || err2 != nil {
		t.Errorf("Secret = %q, %q, %v, %v, want the first for both", first, second, err, err2)
	}
}
