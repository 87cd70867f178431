package devstack

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// postgresName is the superuser and the database of a private PostgreSQL.
const postgresName = "oktalk"

// backendsWait is how long the backends of a killed PostgreSQL may take to notice; they look at least every second.
const backendsWait = 3 * time.Second

// cluster is a private PostgreSQL on disk.
type cluster struct {
	install  postgresInstall
	dir      string // holds data and what belongs to it
	user     *User  // whom it runs as; nil: us
	password string
	volatile bool
}

func (c *cluster) data() string { return filepath.Join(c.dir, "data") }

func (c *cluster) url(port int, database string) string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(postgresName, c.password), Host: loopback(port), Path: "/" + database,
		RawQuery: "sslmode=disable",
	}
	return u.String()
}

func startPostgres(ctx context.Context, cfg Config, installs []postgresInstall) (*Process, string, error) {
	c, err := openCluster(ctx, cfg, installs)
	if err != nil {
		return nil, "", err
	}
	p, port, err := startOnPort(ctx, cfg.State, "postgres", func(port int) (*Process, error) {
		return c.process(cfg.State, port)
	})
	if err != nil {
		return nil, "", err
	}
	if err := c.createDatabase(ctx, port); err != nil {
		p.Stop(context.WithoutCancel(ctx))
		return nil, "", fmt.Errorf("create database %s: %w", postgresName, err)
	}
	return p, c.url(port, postgresName), nil
}

// openCluster finds the data of the state, or makes it.
func openCluster(ctx context.Context, cfg Config, installs []postgresInstall) (*cluster, error) {
	password, err := cfg.State.Secret("postgres_password")
	if err != nil {
		return nil, err
	}
	owner, err := postgresUser()
	if err != nil {
		return nil, err
	}
	c := &cluster{dir: postgresDir(cfg, owner), user: owner, password: password, volatile: cfg.Volatile}
	if err := c.claimDir(cfg.State.kept.ID); err != nil {
		return nil, err
	}
	if c.install, err = c.chooseInstall(installs); err != nil {
		return nil, err
	}
	if err := c.init(ctx); err != nil {
		return nil, err
	}
	return c, nil
}

// postgresUser is whom PostgreSQL runs as: it refuses root, and then user postgres, which its packages make, is taken. Nil
// means us.
func postgresUser() (*User, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, errors.New("PostgreSQL refuses to run as root and there is no user postgres to run it as: " +
			"make one with `useradd --system postgres`, or do not run this as root")
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("uid of user postgres: %w", err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("gid of user postgres: %w", err)
	}
	return &User{Name: u.Username, UID: uint32(uid), GID: uint32(gid)}, nil
}

// postgresDir is where the cluster lives. User postgres cannot enter a checkout in /root, so as root it is elsewhere.
func postgresDir(cfg Config, owner *User) string {
	if cfg.PostgresDir != "" {
		return cfg.PostgresDir
	}
	return defaultPostgresDir(cfg.State.Dir(), owner != nil)
}

func defaultPostgresDir(state string, asRoot bool) string {
	if !asRoot {
		return filepath.Join(state, "postgres")
	}
	sum := sha256.Sum256([]byte(state))
	return "/var/lib/oktalk/dev-" + hex.EncodeToString(sum[:6])
}

// claimDir makes the folder for the state with this id. As root it lies outside the state folder; when that was removed to
// start afresh, the id differs and the data goes too.
func (c *cluster) claimDir(id string) error {
	owner := filepath.Join(c.dir, "state-id")
	b, err := os.ReadFile(owner)
	switch {
	case err == nil && string(b) == id:
		return nil
	case err == nil:
		if err := os.RemoveAll(c.dir); err != nil {
			return fmt.Errorf("remove the data of a former state folder: %w", err)
		}
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if err := os.MkdirAll(filepath.Dir(c.dir), 0o755); err != nil {
		return fmt.Errorf("make the folder for PostgreSQL: %w", err)
	}
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return fmt.Errorf("make the folder for PostgreSQL: %w", err)
	}
	if err := c.give(c.dir); err != nil {
		return err
	}
	return os.WriteFile(owner, []byte(id), 0o600)
}

// give makes a file or folder the cluster's user's.
func (c *cluster) give(path string) error {
	if c.user == nil {
		return nil
	}
	return os.Chown(path, int(c.user.UID), int(c.user.GID))
}

// chooseInstall takes the first installation, or, when there is data, the one of the same major version: PostgreSQL does
// not read the data of another.
func (c *cluster) chooseInstall(installs []postgresInstall) (postgresInstall, error) {
	b, err := os.ReadFile(filepath.Join(c.data(), "PG_VERSION"))
	if errors.Is(err, fs.ErrNotExist) {
		return installs[0], nil
	}
	if err != nil {
		return postgresInstall{}, err
	}
	made := postgresMajor(strings.TrimSpace(string(b)))
	for _, i := range installs {
		if i.major == made {
			return i, nil
		}
	}
	return postgresInstall{}, fmt.Errorf("the data in %s was made by PostgreSQL %d, which is not installed any more: "+
		"install it again, or remove that folder to start with an empty database", c.dir, made)
}

// init runs initdb unless that is done. It works in another folder, renamed at the end, so that one cut short is not taken
// for a cluster.
func (c *cluster) init(ctx context.Context) error {
	if _, err := os.Stat(c.data()); err == nil {
		return nil
	}
	unfinished, password := filepath.Join(c.dir, "new"), filepath.Join(c.dir, "password")
	if err := os.RemoveAll(unfinished); err != nil {
		return err
	}
	if err := os.WriteFile(password, []byte(c.password), 0o600); err != nil {
		return err
	}
	defer func() { _ = os.Remove(password) }()
	if err := c.give(password); err != nil {
		return err
	}
	args := []string{
		"--pgdata=" + unfinished, "--username=" + postgresName, "--pwfile=" + password,
		"--auth=scram-sha-256", "--encoding=UTF8", "--no-locale",
	}
	if c.volatile {
		args = append(args, "--no-sync")
	}
	cmd := exec.CommandContext(ctx, filepath.Join(c.install.bin, "initdb"), args...)
	cmd.Dir, cmd.Env = c.dir, minimalEnv()
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: credential(c.user)}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb in %s: %w\n%s", c.dir, err, out)
	}
	return os.Rename(unfinished, c.data())
}

func (c *cluster) process(state *State, port int) (*Process, error) {
	cmd, err := command(state, "postgres")
	if err != nil {
		return nil, err
	}
	cmd.Path, cmd.Args = filepath.Join(c.install.bin, "postgres"), c.args(port)
	cmd.Dir, cmd.User = c.dir, c.user
	cmd.StopSignal = syscall.SIGINT   // fast shutdown: does not wait for clients
	cmd.DeathSignal = syscall.SIGQUIT // immediate shutdown; SIGKILL would leave its backends to find out by themselves
	cmd.Prepare = c.clearOut
	cmd.Ready = func(ctx context.Context) error { return c.ping(ctx, port) }
	return NewProcess(cmd), nil
}

// args are the server's settings, all of them, on its command line: nothing in the data folder has to be edited.
func (c *cluster) args(port int) []string {
	settings := []string{
		"listen_addresses=127.0.0.1",
		"port=" + strconv.Itoa(port),
		"unix_socket_directories=", // none: their paths are limited to about 100 bytes
		"max_connections=300",
		"timezone=UTC",
		"log_timezone=UTC",
		"log_checkpoints=off",
	}
	if c.volatile {
		settings = append(settings, "fsync=off", "full_page_writes=off")
	}
	args := []string{"-D", c.data()}
	for _, s := range settings {
		args = append(args, "-c", s)
	}
	return args
}

// clearOut ends what an earlier run left in the data folder: a server whose parent was killed, or the backends of a server
// that was itself killed, which keep its shared memory and so the next one from starting.
func (c *cluster) clearOut(ctx context.Context) error {
	if err := c.stopFormer(ctx); err != nil {
		return err
	}
	left := func() []int { return processesIn(c.data()) }
	if poll(ctx, backendsWait, func() bool { return len(left()) == 0 }) {
		return nil
	}
	for _, pid := range left() {
		if err := stopPID(ctx, pid, syscall.SIGQUIT, backendsWait); err != nil {
			return fmt.Errorf("end a former backend of %s: %w", c.data(), err)
		}
	}
	return nil
}

// stopFormer looks at postmaster.pid. A server of this folder that still runs is stopped. To PostgreSQL the file also speaks of a running
// server if another process got the number, or if nobody has waited yet for the one that ended; it is removed then.
func (c *cluster) stopFormer(ctx context.Context) error {
	file := filepath.Join(c.data(), "postmaster.pid")
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	first, _, _ := strings.Cut(string(b), "\n")
	pid, _ := strconv.Atoi(first)
	if pid > 1 && c.runs(pid) {
		return stopPID(ctx, pid, syscall.SIGINT, defaultStopGrace)
	}
	if err := os.Remove(file); !errors.Is(err, fs.ErrNotExist) { // it goes by itself when its server ends meanwhile
		return err
	}
	return nil
}

// runs reports whether a process is a server of this folder.
func (c *cluster) runs(pid int) bool {
	return processIdentity(pid) != "" && strings.Contains(commandLine(pid)+" ", " -D "+c.data()+" ")
}

func (c *cluster) ping(ctx context.Context, port int) error {
	conn, err := pgx.Connect(ctx, c.url(port, "postgres"))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	return conn.Ping(ctx)
}

func (c *cluster) createDatabase(ctx context.Context, port int) error {
	conn, err := pgx.Connect(ctx, c.url(port, "postgres"))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	var exists bool
	const query = `SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)`
	if err := conn.QueryRow(ctx, query, postgresName).Scan(&exists); err != nil || exists {
		return err
	}
	_, err = conn.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{postgresName}.Sanitize())
	return err
}
