package settings_test

import (
	"maps"
	"net"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"
)

// composeFile is the part of compose.yaml that has to agree with the programs and with the Dockerfile.
type composeFile struct {
	Services map[string]service `yaml:"services"`
}

type service struct {
	Build struct {
		Target string `yaml:"target"`
	} `yaml:"build"`
	Environment map[string]string `yaml:"environment"`
	Ports       []string          `yaml:"ports"`
	DependsOn   map[string]struct {
		Condition string `yaml:"condition"`
	} `yaml:"depends_on"`
	StopGracePeriod string `yaml:"stop_grace_period"`
	Healthcheck     struct {
		Test []string `yaml:"test"`
	} `yaml:"healthcheck"`
}

func compose(t *testing.T) map[string]service {
	t.Helper()
	var file composeFile
	if err := yaml.Unmarshal([]byte(read(t, "compose.yaml")), &file); err != nil {
		t.Fatalf("compose.yaml: %v", err)
	}
	return file.Services
}

// processes are the services that run until they are stopped and have settings.
var processes = []string{"api", "worker-feedback", "worker-tts"}

// targets maps each target of the Dockerfile to the ports that it exposes.
func targets(t *testing.T) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	var name string
	for line := range strings.Lines(read(t, "Dockerfile")) {
		words := strings.Fields(line)
		switch {
		case len(words) == 4 && words[0] == "FROM":
			name = words[3]
			found[name] = nil
		case len(words) > 1 && words[0] == "EXPOSE":
			found[name] = words[1:]
		}
	}
	return found
}

func TestComposePassesOnlySettingsThatExist(t *testing.T) {
	t.Parallel()
	services, known := compose(t), all(t)
	for _, name := range append([]string{"migrate", "oktalk"}, processes...) {
		s, ok := services[name]
		if !ok || len(s.Environment) == 0 {
			t.Errorf("compose.yaml has no service %s with settings", name)
		}
		for _, key := range slices.Sorted(maps.Keys(s.Environment)) {
			if _, ok := known[key]; !ok {
				t.Errorf("service %s passes %s, which is no setting", name, key)
			}
		}
	}
}

func TestComposeReadsOnlyVariablesThatAreExplained(t *testing.T) {
	t.Parallel()
	file, known := read(t, "compose.yaml"), all(t)
	header, _, _ := strings.Cut(file, "\nname:")
	explained := regexp.MustCompile(`[A-Z0-9_]+`).FindAllString(header, -1)
	for _, m := range regexp.MustCompile(`\$\{([A-Z0-9_]+)`).FindAllStringSubmatch(file, -1) {
		if _, ok := known[m[1]]; !ok && !slices.Contains(explained, m[1]) {
			t.Errorf("compose.yaml reads %s, which is no setting and not explained at its top", m[1])
		}
	}
}

func TestComposeBuildsTargetsOfTheDockerfile(t *testing.T) {
	t.Parallel()
	services, found := compose(t), targets(t)
	for name, s := range services {
		if _, ok := found[s.Build.Target]; s.Build.Target != "" && !ok {
			t.Errorf("service %s builds target %q, which the Dockerfile does not have", name, s.Build.Target)
		}
	}
	programs, err := os.ReadDir("../../cmd")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range programs {
		if _, ok := found[p.Name()]; !ok {
			t.Errorf("the Dockerfile has no target for cmd/%s", p.Name())
		}
		if got := services[p.Name()].Build.Target; got != p.Name() {
			t.Errorf("service %s builds target %q, want its own", p.Name(), got)
		}
	}
}

func TestComposeAsksForHealthWhereItIsServed(t *testing.T) {
	t.Parallel()
	services, found := compose(t), targets(t)
	for _, name := range append([]string{"s3"}, processes...) {
		s := services[name]
		if check := s.Healthcheck.Test; len(check) != 4 || check[1] != "healthy" || !slices.Contains(found[s.Build.Target], check[2]) {
			t.Fatalf("service %s checks its health with %q, want `healthy` and a port of the image: %q", name, check, found[s.Build.Target])
		}
		for _, published := range s.Ports {
			port := published[strings.LastIndex(published, ":")+1:]
			if !slices.Contains(found[s.Build.Target], port) {
				t.Errorf("service %s publishes port %s, but the image has %q", name, port, found[s.Build.Target])
			}
		}
	}
	for _, name := range processes {
		s := services[name]
		var served []string
		for _, setting := range []string{"METRICS_ADDR", "API_ADDR"} {
			_, port, _ := net.SplitHostPort(s.Environment[setting])
			served = append(served, port)
		}
		if port := s.Healthcheck.Test[2]; !slices.Contains(served, port) {
			t.Errorf("service %s is asked for its health at port %s, but serves %q", name, port, served)
		}
	}
}

func TestComposeMigratesFirstAndWaitsForDrains(t *testing.T) {
	t.Parallel()
	services := compose(t)
	drain, err := time.ParseDuration(all(t)["DRAIN_TIMEOUT"])
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range processes {
		s := services[name]
		if got := s.DependsOn["migrate"].Condition; got != "service_completed_successfully" {
			t.Errorf("service %s waits for migrate to be %q, want it done", name, got)
		}
		if grace, err := time.ParseDuration(s.StopGracePeriod); err != nil || grace <= drain {
			t.Errorf("service %s has %q to stop (%v), want more than DRAIN_TIMEOUT, %s", name, s.StopGracePeriod, err, drain)
		}
	}
}
