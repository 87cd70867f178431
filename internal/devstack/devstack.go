package devstack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sync/errgroup"
)

// Servers says how the servers of a stack are reached.
type Servers struct {
	DatabaseURL string // postgres://…
	RedisURL    string // redis://…
	S3Endpoint  string // http://host:port
	S3AccessKey string
	S3SecretKey string
	S3Region    string
	Bucket      string // exists once Start has returned
}

// Config configures a stack.
type Config struct {
	// State is the folder of the stack; it stays the caller's to close, after Stop.
	State *State
	// Servers names servers to use instead of private ones: a DatabaseURL, a RedisURL, an S3Endpoint with its keys. An
	// empty address means a private server; an empty Bucket "oktalk"; an empty region "us-east-1".
	Servers Servers
	// PostgresDir is where PostgreSQL keeps its data. Empty means the folder postgres of State, or, as root, a folder in
	// /var/lib/oktalk that user postgres can enter.
	PostgresDir string
	// Versitygw is the path of the S3 server's program. Empty means the one beside this program, in bin of a folder above
	// the working one, or on PATH.
	Versitygw string
	// Volatile gives up safety for speed: what was written last is lost when the machine (not a process) crashes.
	Volatile bool
}

// Stack is a set of running servers.
type Stack struct {
	Servers
	// Postgres, Redis and S3 are the private servers; nil where Config named one to use instead.
	Postgres, Redis, S3 *Process
}

// Start starts the servers, all at once, and makes the database and the bucket. When it fails, nothing is left running. A
// missing program is one error that names all of them; a server that does not come up is a [*StartError].
func Start(ctx context.Context, cfg Config) (*Stack, error) {
	if cfg.State == nil {
		return nil, errors.New("devstack: Config.State is nil")
	}
	programs, err := findPrograms(ctx, cfg)
	if err != nil {
		return nil, err
	}
	s := &Stack{Servers: cfg.Servers}
	if s.Bucket == "" {
		s.Bucket = "oktalk"
	}
	if s.S3Region == "" {
		s.S3Region = "us-east-1"
	}
	if err := s.startAll(ctx, cfg, programs); err != nil {
		s.Stop(context.WithoutCancel(ctx))
		return nil, err
	}
	return s, nil
}

func (s *Stack) startAll(ctx context.Context, cfg Config, programs programs) error {
	// Not errgroup.WithContext: the first failure must not stop the others halfway, so that each is known and stopped.
	var g errgroup.Group
	if cfg.Servers.DatabaseURL == "" {
		g.Go(func() (err error) {
			s.Postgres, s.DatabaseURL, err = startPostgres(ctx, cfg, programs.postgres)
			return err
		})
	}
	if cfg.Servers.RedisURL == "" {
		g.Go(func() (err error) {
			s.Redis, s.RedisURL, err = startRedis(ctx, cfg, programs.redis)
			return err
		})
	}
	g.Go(func() error { return s.startS3(ctx, cfg, programs.versitygw) })
	return g.Wait()
}

// Processes are the private servers, in the order postgres, redis, s3.
func (s *Stack) Processes() []*Process {
	var ps []*Process
	for _, p := range []*Process{s.Postgres, s.Redis, s.S3} {
		if p != nil {
			ps = append(ps, p)
		}
	}
	return ps
}

// Stop stops the private servers and waits for them; when ctx is done they are killed. The data stays.
func (s *Stack) Stop(ctx context.Context) {
	var wg sync.WaitGroup
	for _, p := range s.Processes() {
		wg.Go(func() { p.Stop(ctx) })
	}
	wg.Wait()
}

// startOnPort starts the process of a port. A new server's port may be taken between choosing and using it, so up to three are tried.
func startOnPort(ctx context.Context, state *State, name string, process func(port int) (*Process, error)) (*Process, int, error) {
	port, err := state.Port(name)
	for attempt := 1; ; attempt++ {
		if err != nil {
			return nil, 0, err
		}
		p, err := process(port)
		if err != nil {
			return nil, 0, err
		}
		err = p.Start(ctx)
		if err == nil {
			return p, port, nil
		}
		if attempt == 3 || !PortInUse(loopback(port)) {
			return nil, 0, err
		}
		if port, err = state.NewPort(name); err != nil {
			return nil, 0, err
		}
	}
}

// command is what all private servers have in common.
func command(state *State, name string) (Command, error) {
	out, err := newLogFile(state.Path("logs", name+".log"))
	if err != nil {
		return Command{}, err
	}
	return Command{Name: name, Env: minimalEnv(), PIDFile: state.Path("run", name+".pid"), Output: out}, nil
}

// minimalEnv keeps settings of the person's shell, PGPORT for example, from the servers.
func minimalEnv() []string {
	path := os.Getenv("PATH") //nolint:forbidigo // a child must find programs as we do; it is no setting of ours
	return []string{"PATH=" + path, "LC_ALL=C", "TZ=UTC"}
}

// maxLogBytes is where a log starts anew; the file before it is kept as .1.
const maxLogBytes = 10 << 20

// newLogFile returns a function that appends lines to the file. It opens the file for each line: servers are asked to say
// little, and nothing has to be closed then.
func newLogFile(path string) (func(string), error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("make the folder for logs: %w", err)
	}
	return func(line string) {
		if info, err := os.Stat(path); err == nil && info.Size() > maxLogBytes {
			_ = os.Rename(path, path+".1")
		}
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
		if err != nil {
			return // the last lines are kept in memory too
		}
		_, _ = f.WriteString(line + "\n")
		_ = f.Close()
	}, nil
}
