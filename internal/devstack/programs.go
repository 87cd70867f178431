package devstack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// minPostgres is the oldest PostgreSQL whose features the migrations use.
const minPostgres = 15

// programs are the server programs of this machine. One that is not needed is empty.
type programs struct {
	postgres  []postgresInstall // those that can be used, the preferred one first
	redis     string
	versitygw string
}

// postgresInstall is a folder with the programs of one version of PostgreSQL.
type postgresInstall struct {
	bin   string
	major int
}

// findPrograms looks for the programs that cfg needs. The error names every missing one.
func findPrograms(ctx context.Context, cfg Config) (programs, error) {
	var p programs
	var missing []error
	if cfg.Servers.DatabaseURL == "" {
		p.postgres = findPostgres(ctx)
		if len(p.postgres) == 0 {
			missing = append(missing, fmt.Errorf("PostgreSQL %d or newer is not installed", minPostgres))
		}
	}
	if cfg.Servers.RedisURL == "" {
		// Some systems ship Valkey, which speaks the same, in its place.
		if p.redis = lookPath("redis-server", "valkey-server"); p.redis == "" {
			missing = append(missing, errors.New("redis-server is not installed"))
		}
	}
	if cfg.Servers.S3Endpoint == "" {
		if p.versitygw = findVersitygw(cfg.Versitygw); p.versitygw == "" {
			missing = append(missing, errors.New("bin/versitygw is not built"))
		}
	}
	if len(missing) > 0 {
		return p, missingError(missing)
	}
	return p, nil
}

func missingError(missing []error) error {
	words := make([]string, len(missing))
	for i, err := range missing {
		words[i] = err.Error()
	}
	return fmt.Errorf("%s: run `make setup`, which installs what the stack needs", strings.Join(words, ", "))
}

func lookPath(names ...string) string {
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// findVersitygw looks beside this program, then in bin of the working folder and those above it, where tests find it, then
// on PATH.
func findVersitygw(given string) string {
	if given != "" {
		return lookPath(given)
	}
	var places []string
	if self, err := os.Executable(); err == nil {
		places = append(places, filepath.Dir(self))
	}
	if dir, err := os.Getwd(); err == nil {
		for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
			places = append(places, filepath.Join(dir, "bin"))
		}
	}
	for _, place := range places {
		if path := lookPath(filepath.Join(place, "versitygw")); path != "" {
			return path
		}
	}
	return lookPath("versitygw")
}

// postgresFolders are where packagers put the server's programs when they are not on PATH: Debian, RHEL, Alpine, Homebrew
// on both architectures, Postgres.app.
var postgresFolders = []string{
	"/usr/lib/postgresql/*/bin",
	"/usr/pgsql-*/bin",
	"/usr/libexec/postgresql*",
	"/opt/homebrew/opt/postgresql*/bin",
	"/usr/local/opt/postgresql*/bin",
	"/home/linuxbrew/.linuxbrew/opt/postgresql*/bin",
	"/Applications/Postgres.app/Contents/Versions/*/bin",
}

// findPostgres lists the usable installations: the one on PATH, then the others, newest first.
func findPostgres(ctx context.Context) []postgresInstall {
	var found []postgresInstall
	for _, pattern := range postgresFolders {
		folders, _ := filepath.Glob(pattern)
		for _, bin := range folders {
			found = appendPostgres(ctx, found, bin)
		}
	}
	slices.SortStableFunc(found, func(a, b postgresInstall) int { return b.major - a.major })
	if path := lookPath("postgres"); path != "" {
		if target, err := filepath.EvalSymlinks(path); err == nil {
			path = target
		}
		found = append(appendPostgres(ctx, nil, filepath.Dir(path)), found...)
	}
	return found
}

func appendPostgres(ctx context.Context, found []postgresInstall, bin string) []postgresInstall {
	if lookPath(filepath.Join(bin, "initdb")) == "" {
		return found // the client alone
	}
	out, err := exec.CommandContext(ctx, filepath.Join(bin, "postgres"), "--version").Output()
	if err != nil {
		return found
	}
	major := postgresMajor(string(out))
	if major < minPostgres {
		return found
	}
	return append(found, postgresInstall{bin: bin, major: major})
}

// postgresMajor reads the 15 of "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)" and of a PG_VERSION file; 0 if there
// is none.
func postgresMajor(version string) int {
	if _, after, ok := strings.Cut(version, "(PostgreSQL) "); ok {
		version = after
	}
	end := strings.IndexFunc(version, func(r rune) bool { return r < '0' || r > '9' })
	if end >= 0 {
		version = version[:end]
	}
	major, _ := strconv.Atoi(version)
	return major
}
