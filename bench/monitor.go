package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"time"
)

// idleTime is how long the commands of idle workers are counted.
const idleTime = 6 * time.Second

// commands counts the commands that clients send in a second, by database, as MONITOR shows them; what scripts call is not counted.
func (s *servers) commands(ctx context.Context, during time.Duration) (map[int]float64, error) {
	u, err := url.Parse(s.stack.RedisURL)
	if err != nil {
		return nil, err
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", u.Host)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	password, _ := u.User.Password()
	if err := conn.SetDeadline(time.Now().Add(during)); err != nil {
		return nil, err
	}
	if _, err := fmt.Fprintf(conn, "AUTH %s\r\nMONITOR\r\n", password); err != nil {
		return nil, err
	}
	sent := map[int]float64{}
	lines := bufio.NewReader(conn)
	for {
		line, err := lines.ReadString('\n')
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return sent, nil
		}
		if err != nil {
			return nil, fmt.Errorf("monitor: %w", err)
		}
		if database, ok := sentBy(line); ok {
			sent[database] += 1 / during.Seconds()
		}
	}
}

// sentBy reads the database out of a line like `+1699999999.123456 [3 127.0.0.1:50000] "ping"`. The address of what a script calls
// is "lua".
func sentBy(line string) (database int, ok bool) {
	_, rest, _ := strings.Cut(line, " [")
	var from string
	if n, _ := fmt.Sscanf(rest, "%d %s", &database, &from); n != 2 || from == "lua]" {
		return 0, false
	}
	return database, true
}
