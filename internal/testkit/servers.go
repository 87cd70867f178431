package testkit

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"oktalk/internal/devstack"
)

// dirPrefix begins the names of the folders of test servers in the folder for temporary files.
const dirPrefix = "oktalk-test-"

// startLimit bounds the start of the servers; it takes about one second on an idle machine.
const startLimit = 2 * time.Minute

// shared is the stack of this test program. It is a package variable because tests share nothing else: testing gives them
// no place for what belongs to the whole program.
var shared struct {
	once  sync.Once
	owned *owned
	err   error
}

// owned is a stack and the folder it lives in.
type owned struct {
	*devstack.Stack
	state *devstack.State
}

// Main runs the tests of a package and then stops the servers they used. It is the body of TestMain.
func Main(m *testing.M) {
	m.Run() // the test program exits with its result when TestMain returns
	shared.once.Do(func() { shared.err = errors.New("the tests are over") })
	if shared.owned != nil {
		shared.owned.remove()
	}
}

// Servers is the stack that the tests of this program share, with PostgreSQL, Redis and S3. A test that stops or kills
// servers takes [OwnServers]. A missing program fails the test with what to do. With -short the test is skipped: that is
// how one asks for the tests that need no servers.
func Servers(t testing.TB) *devstack.Stack {
	t.Helper()
	skipShort(t)
	shared.once.Do(func() { shared.owned, shared.err = startServers() })
	if shared.err != nil {
		t.Fatalf("start test servers: %v", shared.err)
	}
	return shared.owned.Stack
}

// OwnServers is a stack of the test's own, for tests that break servers. It is stopped when the test ends.
func OwnServers(t testing.TB) *devstack.Stack {
	t.Helper()
	skipShort(t)
	o, err := startServers()
	if err != nil {
		t.Fatalf("start test servers: %v", err)
	}
	t.Cleanup(o.remove)
	return o.Stack
}

func skipShort(t testing.TB) {
	t.Helper()
	if testing.Short() {
		t.Skip("needs servers, which -short leaves out")
	}
}

func startServers() (*owned, error) {
	removeAbandoned()
	dir, err := os.MkdirTemp("", dirPrefix)
	if err != nil {
		return nil, err
	}
	// When root runs the tests, user postgres must be able to pass.
	if err := os.Chmod(dir, 0o711); err != nil {
		return nil, err
	}
	state, err := devstack.OpenState(dir)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	stack, err := devstack.Start(ctx, devstack.Config{State: state, PostgresDir: state.Path("postgres"), Volatile: true})
	if err != nil {
		return nil, errors.Join(err, state.Close(), os.RemoveAll(dir))
	}
	return &owned{Stack: stack, state: state}, nil
}

// remove stops the stack and removes all it wrote.
func (o *owned) remove() {
	o.Stop(context.Background())
	_ = os.RemoveAll(o.state.Dir())
	_ = o.state.Close()
}

// abandonedAfter is the age from which an unlocked folder counts as abandoned. A younger one may be of a test program that
// has made it and not locked it yet.
const abandonedAfter = time.Minute

// removeAbandoned removes the folders of test programs that were killed. Whoever could lock one is its only user.
func removeAbandoned() {
	dirs, _ := filepath.Glob(filepath.Join(os.TempDir(), dirPrefix+"*"))
	for _, dir := range dirs {
		info, err := os.Stat(dir)
		if err != nil || time.Since(info.ModTime()) < abandonedAfter {
			continue
		}
		state, err := devstack.OpenState(dir)
		if err != nil {
			continue // in use, or not ours to remove
		}
		if state.StopLeftovers(context.Background()) == nil {
			_ = os.RemoveAll(dir)
		}
		_ = state.Close()
	}
}

// RedisURL is the address of the shared Redis. Keys must begin with a [Prefix].
func RedisURL(t testing.TB) string {
	t.Helper()
	return Servers(t).RedisURL
}

// Prefix is a key prefix that no other test has.
func Prefix(testing.TB) string { return "t" + unique() }

// unique is a random name of lower-case letters and digits that fits where databases, buckets and keys are named.
func unique() string { return strings.ToLower(rand.Text())[:12] }
