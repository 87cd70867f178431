package redisstream_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"

	"oktalk/internal/pipeline/pipelinetest"
)

// Nothing newer than Redis 6.2 is used: the suite passes on a server that refuses every command and subcommand that came later, and
// no command goes with an option that came later. The server itself says which those are.
func TestNeedsNoMoreThanRedis62(t *testing.T) { //nolint:tparallel // what the suite sent is looked at when it is over
	t.Parallel()
	srv := startServer(t)
	admin := srv.client()
	t.Cleanup(func() { _ = admin.Close() })
	newer := newerThan62(t, admin)
	if len(newer.commands) == 0 || len(newer.options) == 0 {
		t.Fatalf("the server names %d newer commands and %d newer options, want some: it must be Redis 7 or later", len(newer.commands), len(newer.options))
	}
	rules := []any{"ACL", "SETUSER", "default"}
	for _, c := range newer.commands {
		rules = append(rules, "-"+c)
	}
	if err := admin.Do(t.Context(), rules...).Err(); err != nil {
		t.Fatalf("refuse newer commands: %v", err)
	}
	seen := monitor(t, srv.addr())
	t.Run("suite", func(t *testing.T) {
		pipelinetest.RunSource(t, quick, true, func(t *testing.T) pipelinetest.Stage {
			t.Helper()
			return open(t, srv.url(), quick)
		})
	})
	lines := seen()
	if len(lines) < 100 {
		t.Fatalf("only %d commands were seen", len(lines))
	}
	for _, line := range lines {
		command, arguments, _ := strings.Cut(line, " ")
		for _, option := range newer.options[command] {
			if strings.Contains(" "+arguments+" ", ` "`+option+`" `) {
				t.Errorf("%s goes with %s, which came after 6.2: %.200s", command, option, line)
			}
		}
	}
}

// newer is what came after 6.2: commands as ACL names them, and options by command.
type newer struct {
	commands []string
	options  map[string][]string
}

// newerThan62 asks a server of version 7 or later.
func newerThan62(t *testing.T, c *redis.Client) newer {
	t.Helper()
	reply, err := c.Do(t.Context(), "COMMAND", "DOCS").Result()
	if err != nil {
		t.Fatalf("COMMAND DOCS: %v", err)
	}
	n := newer{options: map[string][]string{}}
	for name, v := range reply.(map[any]any) {
		n.add(fmt.Sprint(name), v.(map[any]any))
	}
	return n
}

func (n *newer) add(name string, docs map[any]any) {
	if after62(docs["since"]) {
		n.commands = append(n.commands, name)
	}
	command, _, _ := strings.Cut(name, "|")
	n.addOptions(command, docs["arguments"])
	subcommands, _ := docs["subcommands"].(map[any]any)
	for sub, v := range subcommands {
		n.add(fmt.Sprint(sub), v.(map[any]any))
	}
}

func (n *newer) addOptions(command string, arguments any) {
	list, _ := arguments.([]any)
	for _, v := range list {
		a, _ := v.(map[any]any)
		if token, ok := a["token"].(string); ok && token != "" && after62(a["since"]) {
			n.options[command] = append(n.options[command], strings.ToLower(token))
		}
		n.addOptions(command, a["arguments"])
	}
}

func after62(since any) bool {
	var major, minor int
	_, err := fmt.Sscanf(fmt.Sprint(since), "%d.%d", &major, &minor)
	return err == nil && (major > 6 || major == 6 && minor > 2)
}

// monitor listens to all commands, those of scripts too, in lower case: the name, then the quoted arguments.
func monitor(t *testing.T, addr string) (seen func() []string) {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write([]byte("MONITOR\r\n")); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewScanner(conn)
	in.Buffer(nil, 1<<20)
	if !in.Scan() || in.Text() != "+OK" {
		t.Fatalf("MONITOR = %q, %v", in.Text(), in.Err())
	}
	var lines []string
	var done sync.WaitGroup
	done.Go(func() {
		for in.Scan() { // +1699999999.123456 [0 lua] "XADD" "key" …
			if _, command, ok := strings.Cut(in.Text(), `] "`); ok {
				name, arguments, _ := strings.Cut(command, `"`)
				lines = append(lines, strings.ToLower(name+" "+strings.TrimSpace(arguments)))
			}
		}
	})
	stop := context.AfterFunc(t.Context(), func() { _ = conn.Close() })
	return func() []string {
		stop()
		_ = conn.Close()
		done.Wait()
		return lines
	}
}
