package settings_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"oktalk/internal/pipeline"
	"oktalk/internal/settings"
)

func TestLimitsAreRead(t *testing.T) {
	t.Parallel()
	cfg, err := settings.Load[settings.WorkerTTS]([]string{"STAGE_LIMITS=speech=10/s,speech=20", "VENDOR_LIMITS=flite=300/min burst 5"})
	if err != nil {
		t.Fatal(err)
	}
	want := pipeline.LimitConfig{
		StageLimits:  pipeline.Limits{"speech": {Rate: 10, Per: time.Second, Burst: 1, AtOnce: 20}},
		VendorLimits: pipeline.Limits{"flite": {Rate: 300, Per: time.Minute, Burst: 5}},
	}
	if diff := cmp.Diff(want, cfg.Limits); diff != "" {
		t.Errorf("limits (-want +got):\n%s", diff)
	}
	for setting, names := range map[string][]string{
		"STAGE_LIMITS=openai=10/s":   {"STAGE_LIMITS", `"openai"`, "VENDOR_LIMITS"},
		"STAGE_LIMITS=speech=fast":   {"StageLimits", "speech=fast", "10/s"},
		"VENDOR_LIMITS=flite=10/day": {"VendorLimits", "flite=10/day", "100/h"},
	} {
		_, err := settings.Load[settings.WorkerTTS]([]string{setting})
		for _, name := range names {
			if err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("Load(%s) = %v, want it to name %s", setting, err, name)
			}
		}
	}
}
