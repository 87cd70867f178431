package redisconn_test

import (
	"fmt"

	"oktalk/internal/redisconn"
)

// A worker has one client for short calls and one for reads that wait. Nothing connects until it is used.
func Example() {
	cfg := redisconn.Config{URL: "redis://127.0.0.1:6379/0", PoolSize: 50, MinIdle: 10}
	work, err := redisconn.Work(cfg)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = work.Close() }()
	_, err = redisconn.Blocking(redisconn.Config{URL: "localhost"})
	fmt.Println(err)
	// Output: REDIS_URL localhost: redis: invalid URL scheme:  (write it like redis://user:password@host:6379/0)
}
