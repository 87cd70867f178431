package devstack

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// outputWait is how long after the end of a process its last output is waited for. Only descendants that left its process
// group can hold the pipe longer.
const outputWait = time.Second

// child is one run of a process.
type child struct {
	pid  int
	done chan struct{} // closed when it has ended and its output was read
	why  string        // how it ended; set before done is closed
	code int           // its exit code, -1 after a signal; set before done is closed
}

func (c *child) exited() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// spawn starts cmd. Each line of its output goes to line.
func spawn(cmd Command, line func(string)) (*child, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	x := exec.Command(cmd.Path, cmd.Args...) //nolint:noctx // it lives on after the call that starts it
	x.Env, x.Dir = cmd.Env, cmd.Dir
	x.Stdout, x.Stderr = write, write
	x.SysProcAttr = processAttributes(cmd)
	c := &child{done: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		// On Linux the death signal is sent when the thread that started the child ends, not the process
		// (https://go.dev/issue/27505), so this goroutine keeps its thread for as long as the child lives.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := x.Start()
		_ = write.Close()
		if err != nil {
			_ = read.Close()
			started <- err
			return
		}
		c.pid = x.Process.Pid
		started <- nil
		c.await(x, read, line)
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return c, nil
}

func (c *child) await(x *exec.Cmd, output *os.File, line func(string)) {
	read := make(chan struct{})
	go func() {
		defer close(read)
		readLines(output, line)
	}()
	_ = x.Wait() // the state says more than the error
	// What it started and left behind, an ffmpeg for example, goes with it.
	_ = syscall.Kill(-c.pid, syscall.SIGKILL)
	_ = output.SetReadDeadline(time.Now().Add(outputWait))
	<-read
	_ = output.Close()
	c.why, c.code = x.ProcessState.String(), x.ProcessState.ExitCode()
	close(c.done)
}

// readLines calls line for each line until r ends. A line above 64 KB comes in pieces.
func readLines(r io.Reader, line func(string)) {
	b := bufio.NewReaderSize(r, 64<<10)
	for {
		l, _, err := b.ReadLine()
		if err != nil {
			return
		}
		line(string(l))
	}
}

func credential(u *User) *syscall.Credential {
	if u == nil {
		return nil
	}
	return &syscall.Credential{Uid: u.UID, Gid: u.GID}
}
