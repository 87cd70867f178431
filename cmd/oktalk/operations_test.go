package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"oktalk/internal/evaluation"
	"oktalk/internal/pipeline"
	"oktalk/internal/postgres"
	"oktalk/internal/replay"
	"oktalk/internal/testkit"
)

// installation is a database with one evaluation, whose feedback is done, demo dead and speech waiting, and the settings to reach it.
type installation struct {
	env        map[string]string
	db         *postgres.DB
	evaluation string
	demo       string // the dead job
}

func newInstallation(t *testing.T) *installation {
	t.Helper()
	bucket := testkit.Bucket(t)
	in := &installation{env: map[string]string{
		"DATABASE_URL": testkit.Database(t, postgres.Migrate), "REDIS_URL": testkit.RedisURL(t), "REDIS_PREFIX": testkit.Prefix(t),
		"S3_ENDPOINT": bucket.Endpoint, "S3_BUCKET": bucket.Bucket, "AWS_ACCESS_KEY_ID": bucket.AccessKey, "AWS_SECRET_ACCESS_KEY": bucket.SecretKey,
	}}
	var err error
	in.db, err = postgres.Open(t.Context(), postgres.Config{URL: in.env["DATABASE_URL"]}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(in.db.Close)
	user, err := postgres.NewAccounts(in.db).EnsureUser(t.Context(), "ann")
	if err != nil {
		t.Fatal(err)
	}
	e := fakeEvaluation(false)
	e.ID, e.UserID, e.CreatedAt, e.UpdatedAt = "eval_"+strings.ToLower(ulid.Make().String()), user, time.Now(), time.Now()
	e.Language, e.Category, e.FeedbackLanguage, e.DemoMode = "en-US", evaluation.CategorySentence, "en", evaluation.DemoAuto
	in.evaluation = e.ID
	if err := postgres.NewEvaluations(in.db).Create(t.Context(), e, evaluation.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	in.settle(t, evaluation.StageFeedback, evaluation.Artifact{Kind: evaluation.FeedbackText, State: evaluation.StateReady, Text: "Open your mouth."}, pipeline.OutcomeDone)
	in.demo = in.settle(t, evaluation.StageDemo, evaluation.Artifact{Kind: evaluation.DemoAudio, State: evaluation.StateFailed, Reason: "voice-unavailable"}, pipeline.OutcomeFailed)
	return in
}

// settle ends the open job of a stage.
func (in *installation) settle(t *testing.T, stage evaluation.StageName, a evaluation.Artifact, o pipeline.Outcome) (job string) {
	t.Helper()
	entries, err := postgres.NewUpkeep(in.db).OpenJobs(t.Context(), stage, "", 1)
	if err != nil || len(entries) != 1 {
		t.Fatalf("OpenJobs(%s) = %v, %v", stage, entries, err)
	}
	entries[0].ID = "1737-0"
	jobs := postgres.NewJobs(in.db)
	j, err := jobs.Begin(t.Context(), entries[0], "worker-1", func(context.Context, string) (bool, error) { return false, nil })
	if err == nil {
		var cause error
		if o == pipeline.OutcomeFailed {
			cause = errors.New("the voice broke")
		}
		err = jobs.Settle(t.Context(), j, pipeline.Result{Artifact: a, Provider: "offline", PromptVersion: "v1"}, o, cause)
	}
	if err != nil {
		t.Fatal(err)
	}
	return j.ID
}

func (in *installation) wants(t *testing.T, args []string, wants ...string) string {
	t.Helper()
	out, _, err := tool(t, in.env, args...)
	if err != nil {
		t.Errorf("%v = %v", args, err)
	}
	for _, want := range wants {
		if !strings.Contains(out, want) {
			t.Errorf("%v printed\n%s\nwant %q in it", args, out, want)
		}
	}
	return out
}

func (in *installation) refuses(t *testing.T, want string, args ...string) {
	t.Helper()
	if _, _, err := tool(t, in.env, args...); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v = %v, want an error with %q", args, err, want)
	}
}

func TestOperations(t *testing.T) {
	t.Parallel()
	in := newInstallation(t)
	in.wants(t, []string{"entries", "feedback", "--since", "2h", "--user", "ann", "--status", "done", "--grep", "mouth"}, in.evaluation, "1737-0", "offline v1")
	var entries []replay.Entry
	if err := json.Unmarshal([]byte(in.wants(t, []string{"entries", "demo", "--json"})), &entries); err != nil || len(entries) != 1 || entries[0].Status != replay.StatusDead {
		t.Errorf("entries --json = %+v, %v", entries, err)
	}
	in.wants(t, []string{"explain", in.evaluation}, "version 3", "worker-1", "feedback_text", "voice-unavailable", "1737-0", "TO BE SENT")
	in.wants(t, []string{"stages"}, "feedback", "erase", "PAUSED")
	in.wants(t, []string{"stages", "pause", "speech", "--why", "new voice"}, "stage speech is paused")
	if out := in.wants(t, []string{"stages", "list"}); !strings.Contains(lineWith(out, "speech"), "yes") {
		t.Errorf("stages list printed\n%s\nwant speech paused", out)
	}
	in.wants(t, []string{"stages", "resume", "speech"}, "stage speech goes on")

	in.wants(t, []string{"replay", "feedback", "--id", in.evaluation, "--dry-run"}, "1 entries would be replayed", in.evaluation)
	out := in.wants(t, []string{"replay", "feedback", "--id", in.evaluation + ",eval_none", "--why", "try it"}, "oktalk replay diff replay_", "skipped eval_none")
	id := out[strings.Index(out, "replay_"):]
	in.settle(t, evaluation.StageFeedback, evaluation.Artifact{Kind: evaluation.FeedbackText, State: evaluation.StateReady, Text: "Wider now.", ObjectKey: "replays/x"}, pipeline.OutcomeDone)
	in.wants(t, []string{"replay", "diff", strings.TrimSpace(id)}, "Open your mouth.", "Wider now.", "shadow", "try it", "new audio  http://")
	in.wants(t, []string{"dead", "list"}, in.demo)
	in.wants(t, []string{"dead", "show", in.demo}, in.evaluation, "attempts")
	in.refuses(t, "not completed", "dead", "retry", in.demo)
	in.wants(t, []string{"dead", "drop", in.demo, "--why", "never mind"}, "is dropped")

	in.refuses(t, "it has rms, slt", "replay", "speech", "--since", "1h", "--voice", "robot", "--why", "x")
	in.refuses(t, "say why", "replay", "speech", "--since", "1h")
	in.refuses(t, "There is no stage", "entries", "sing")
	in.refuses(t, "There is no stage", "stages", "pause", "sing")
	in.refuses(t, "there is no replay", "replay", "diff", "replay_none")
	in.refuses(t, "there is no evaluation", "explain", "eval_none")
	in.refuses(t, "there is no dead letter", "dead", "show", in.demo)
	in.refuses(t, "Since is", "entries", "demo", "--since", "soon")
}

func lineWith(text, part string) string {
	for line := range strings.Lines(text) {
		if strings.Contains(line, part) {
			return line
		}
	}
	return ""
}

// What only Redis knows is left out while it is away; the database's part is shown.
func TestOperationsWithoutRedis(t *testing.T) {
	t.Parallel()
	in := newInstallation(t)
	in.env["REDIS_URL"] = "redis://" + freeAddr(t) + "/0"
	in.wants(t, []string{"explain", in.evaluation}, "Redis does not answer", "worker-1")
	in.wants(t, []string{"stages"}, "redis does not answer")
	in.wants(t, []string{"stages", "pause", "demo"}, "stage demo is paused")
	in.wants(t, []string{"dead", "drop", in.demo}, "is dropped")
}

func TestAdminKey(t *testing.T) {
	t.Parallel()
	env := map[string]string{"DATABASE_URL": testkit.Database(t, postgres.Migrate)}
	if _, _, err := tool(t, env, "keys", "create", "--user", "ada", "--role", "admin"); err != nil {
		t.Errorf("keys create --role admin = %v", err)
	}
	if _, _, err := tool(t, env, "keys", "create", "--user", "ada", "--role", "king"); err == nil || !strings.Contains(err.Error(), "user and admin") {
		t.Errorf("keys create --role king = %v, want an error that lists the roles", err)
	}
}

func TestWrap(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"": "", "one two three": "one two|three", "eleven-letters": "eleven-l|etters", "说得很好请再读一遍": "说得很好请再读一|遍",
	} {
		if got := strings.Join(wrap(in, 8), "|"); got != want {
			t.Errorf("wrap(%q) = %q, want %q", in, got, want)
		}
	}
}
