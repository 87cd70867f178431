package settings_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"oktalk/internal/evaluation"
	"oktalk/internal/settings"
)

// all maps every setting of every process to its default.
func all(t *testing.T) map[string]string {
	t.Helper()
	defaults := map[string]string{}
	for _, describe := range []func([]string) ([]settings.Setting, error){
		settings.Describe[settings.API], settings.Describe[settings.WorkerFeedback], settings.Describe[settings.WorkerTTS],
	} {
		list, err := describe(nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range list {
			defaults[s.Name] = s.Default
		}
	}
	return defaults
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile("../../" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestEnvExampleListsEverySettingWithItsDefault(t *testing.T) {
	t.Parallel()
	got := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^([A-Z][A-Z0-9_]*)=(.*)$`).FindAllStringSubmatch(read(t, ".env.example"), -1) {
		got[m[1]] = m[2]
	}
	if diff := cmp.Diff(all(t), got); diff != "" {
		t.Errorf(".env.example differs from the settings (-settings +file):\n%s", diff)
	}
}

func TestLoadReportsAllProblemsTogether(t *testing.T) {
	t.Parallel()
	_, err := settings.Load[settings.API]([]string{"DRAIN_TIMEOUT=soon", "REDIS_POOL_SIZE=many"})
	for _, want := range []string{"DrainTimeout", "PoolSize"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Load() = %v, want it to name %s", err, want)
		}
	}
	_, err = settings.Load[settings.API]([]string{"LOG_FORMAT=xml", "API_ADDR=nowhere"})
	for _, want := range []string{"LOG_FORMAT", "API_ADDR"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Load() = %v, want it to name %s", err, want)
		}
	}
}

func TestEmptyMeansDefaultExceptForLists(t *testing.T) {
	t.Parallel()
	cfg, err := settings.Load[settings.API]([]string{"S3_BUCKET=", "STAGES="})
	if err != nil || cfg.Store.Bucket != "oktalk" || len(cfg.Stages) != 0 {
		t.Errorf("Load() = bucket %q, stages %v, %v, want oktalk and none", cfg.Store.Bucket, cfg.Stages, err)
	}
	cfg, err = settings.Load[settings.API](nil)
	if diff := cmp.Diff([]evaluation.StageName{evaluation.StageErase}, cfg.Stages); err != nil || diff != "" {
		t.Errorf("Load(nil) = stages %v, %v, want erase", cfg.Stages, err)
	}
}

func TestDescribeMasksSecrets(t *testing.T) {
	t.Parallel()
	list, err := settings.Describe[settings.WorkerTTS]([]string{"AWS_SECRET_ACCESS_KEY=hush", "DATABASE_URL=postgres://u:hush@h/d"})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range list {
		if strings.Contains(s.Value, "hush") {
			t.Errorf("Describe() shows %s=%s, want the secret masked", s.Name, s.Value)
		}
	}
}
