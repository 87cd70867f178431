package devstack

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// State is the folder in which a stack keeps what must outlive it: ports, secrets, data. One process at a time has it. Its
// methods are safe for concurrent use.
type State struct {
	dir  string
	lock *os.File

	mu   sync.Mutex
	kept kept
}

// kept is the content of state.json.
type kept struct {
	ID     string            `json:"id"` // made with the folder; data elsewhere carries it too
	Ports  map[string]int    `json:"ports"`
	Values map[string]string `json:"values"`
}

// InUseError is a state folder that another process has.
type InUseError struct {
	Dir string
	PID int // 0 when it could not be read
}

// Error implements error.
func (e *InUseError) Error() string {
	return fmt.Sprintf("the state folder %s is used by process %d", e.Dir, e.PID)
}

// OpenState takes the folder dir, which it makes if needed. The error is an [*InUseError] when another process has it. The
// caller closes the State.
func OpenState(dir string) (*State, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the state folder: %w", err)
	}
	// One name for the folder, whichever link led to it: servers compare the paths of their data.
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return nil, err
	}
	lock, err := lockFile(filepath.Join(dir, "lock"))
	if err != nil {
		return nil, err
	}
	s := &State{dir: dir, lock: lock}
	if err := s.load(); err != nil {
		_ = lock.Close()
		return nil, err
	}
	return s, nil
}

// DataDirs are the folders there are of a stack whose state folder is dir: that one and, as root, PostgreSQL's, unless [Config] named
// another. Nothing is made or locked; there are none before the first start.
func DataDirs(dir string) ([]string, error) {
	dir, err := filepath.Abs(dir)
	if err == nil {
		dir, err = filepath.EvalSymlinks(dir)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	dirs := []string{dir}
	if postgres := defaultPostgresDir(dir, os.Geteuid() == 0); filepath.Dir(postgres) != dir {
		if _, err := os.Stat(postgres); err == nil {
			dirs = append(dirs, postgres)
		}
	}
	return dirs, nil
}

func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lock: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer func() { _ = f.Close() }()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		b, _ := os.ReadFile(path)
		pid, _ := strconv.Atoi(strings.TrimSpace(string(b)))
		return nil, &InUseError{Dir: filepath.Dir(path), PID: pid}
	}
	_, err = f.WriteAt(fmt.Appendf(nil, "%-10d\n", os.Getpid()), 0) // always as long, so that nothing older shows behind it
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("write the lock %s: %w", path, err)
	}
	return f, nil
}

func (s *State) load() error {
	b, err := os.ReadFile(s.Path("state.json"))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		s.kept = kept{ID: rand.Text(), Ports: map[string]int{}, Values: map[string]string{}}
		return s.save()
	case err != nil:
		return err
	}
	if err := json.Unmarshal(b, &s.kept); err != nil || s.kept.ID == "" {
		return fmt.Errorf("%s is damaged: remove the folder %s to start afresh", s.Path("state.json"), s.dir)
	}
	if s.kept.Ports == nil {
		s.kept.Ports = map[string]int{}
	}
	if s.kept.Values == nil {
		s.kept.Values = map[string]string{}
	}
	return nil
}

func (s *State) save() error {
	return WriteJSON(s.Path("state.json"), s.kept)
}

// Close lets go of the folder.
func (s *State) Close() error { return s.lock.Close() }

// Dir is the folder's absolute path.
func (s *State) Dir() string { return s.dir }

// Path is the path of a file or folder in it.
func (s *State) Path(elem ...string) string {
	return filepath.Join(append([]string{s.dir}, elem...)...)
}

// Value is what [State.Set] kept under a name; empty if nothing.
func (s *State) Value(name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.kept.Values[name]
}

// Set keeps a value under a name.
func (s *State) Set(name, value string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept.Values[name] = value
	return s.save()
}

// Secret is a random secret of 26 letters and digits, made when first asked for and the same ever after.
func (s *State) Secret(name string) (string, error) {
	if v := s.Value(name); v != "" {
		return v, nil
	}
	v := rand.Text()
	return v, s.Set(name, v)
}

// Port is a free port of 127.0.0.1: the one it was the last time, or another if somebody took that meanwhile.
func (s *State) Port(name string) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if port := s.kept.Ports[name]; port != 0 && !PortInUse(loopback(port)) {
		return port, nil
	}
	return s.newPort(name)
}

// NewPort is a free port other than the one it was the last time.
func (s *State) NewPort(name string) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.newPort(name)
}

// Ports are chosen between the well-known ones and those the kernel gives to outgoing connections (from 32768 on Linux,
// from 49152 on macOS), so that no connection sits on a server's port while it restarts.
const (
	firstPort = 20000
	lastPort  = 32000
)

func (s *State) newPort(name string) (int, error) {
	for range 200 {
		n, err := rand.Int(rand.Reader, big.NewInt(lastPort-firstPort))
		if err != nil {
			return 0, err
		}
		port := firstPort + int(n.Int64())
		if s.portTaken(port) || PortInUse(loopback(port)) {
			continue
		}
		s.kept.Ports[name] = port
		return port, s.save()
	}
	return 0, fmt.Errorf("no free port for %s between %d and %d", name, firstPort, lastPort)
}

func (s *State) portTaken(port int) bool {
	for _, p := range s.kept.Ports {
		if p == port {
			return true
		}
	}
	return false
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// PortInUse reports whether nobody could listen on addr (host:port) because somebody does already.
func PortInUse(addr string) bool { return errors.Is(CheckAddr(addr), syscall.EADDRINUSE) }

// CheckAddr tries whether one can listen on addr (host:port). The error is that of listening: [syscall.EADDRINUSE] when somebody does
// already, [syscall.EADDRNOTAVAIL] when it is no address of this machine, [syscall.EACCES] when the port is for root.
func CheckAddr(addr string) error {
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", addr)
	if err != nil {
		return err
	}
	_ = l.Close()
	// On macOS one may listen on 127.0.0.1 although another listens on all addresses, so see whether somebody answers.
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	if c, err := new(net.Dialer).DialContext(ctx, "tcp", addr); err == nil {
		_ = c.Close()
		return syscall.EADDRINUSE
	}
	return nil
}

// WriteJSON writes v to path for its owner alone, whole or not at all: a reader never sees half of it.
func WriteJSON(path string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // gone already when all went well
	_, err = f.Write(append(b, '\n'))
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
