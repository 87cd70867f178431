package httpapi

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"time"
)

// Config is where and how the API is served.
type Config struct {
	// Addr is the address to listen on, host:port; an empty host means all addresses.
	Addr string `env:"API_ADDR" envDefault:"127.0.0.1:8080"`
	// TrustedProxies are the CIDR ranges of reverse proxies whose X-Forwarded-For is believed; empty: none, the peer's address is
	// the client's.
	TrustedProxies []string `env:"TRUSTED_PROXIES"`
	// StopDelay is how long a server that was told to stop goes on as before while /readyz answers 503, so that load balancers send
	// clients elsewhere before it refuses them: longer than a balancer needs to notice. Default 3 s; 0: it stops at once.
	StopDelay time.Duration `env:"API_STOP_DELAY" envDefault:"3s"`
}

// Validate reports a setting that cannot be used.
func (c Config) Validate() error {
	_, port, err := net.SplitHostPort(c.Addr)
	if _, portErr := strconv.ParseUint(port, 10, 16); err != nil || portErr != nil {
		return fmt.Errorf("API_ADDR is %q; use host:port, such as 127.0.0.1:8080", c.Addr)
	}
	if c.StopDelay < 0 {
		return fmt.Errorf("API_STOP_DELAY is %v; it must not be negative", c.StopDelay)
	}
	for _, p := range c.TrustedProxies {
		if _, err := netip.ParsePrefix(p); err != nil {
			return fmt.Errorf("TRUSTED_PROXIES has %q; use CIDR ranges separated by commas, such as 10.0.0.0/8", p)
		}
	}
	return nil
}

const (
	readHeaderTimeout = 10 * time.Second
	readTimeout       = 60 * time.Second  // 10 MB in a minute is 1.4 Mbit/s; halved, phones on slow lines cannot upload
	writeTimeout      = 120 * time.Second // from the end of the request's header: reading, scoring and answering
	idleTimeout       = 120 * time.Second // longer than the 60 s of usual proxies, so that they close first
)

// NewServer makes a server for a handler of [New] with the time limits it relies on. The caller listens and stops it.
func NewServer(handler http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler: handler, ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout,
		IdleTimeout: idleTimeout, MaxHeaderBytes: 32 << 10, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}
