package metrics

import (
	"context"
	"errors"
	"fmt"
	stdlog "log"
	"net"
	"net/http"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"qualifyd/sync/logged"
)

const (
	scrapeWithin  = 10 * time.Second // Prometheus' own default
	scrapesAtOnce = 4
	stopWithin    = 2 * time.Second
)

// Server serves /metrics, /healthz and /readyz, and nothing else.
type Server struct {
	Address string
	server  *http.Server
	done    chan struct{}
}

// Listen serves the metrics and the health checks on an address. It may be open to other machines: what is served names nobody, and takes
// nothing. Call it after Watch.
func (m *Metrics) Listen(address string) (*Server, error) {
	listener, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("metrics.listen: %s is taken by another program; stop that, or use another port", address)
	}
	if err != nil {
		return nil, fmt.Errorf("metrics.listen: %w", err)
	}
	m.watched = true
	s := &Server{Address: listener.Addr().String(), done: make(chan struct{})}
	s.server = &http.Server{
		Handler:           m.handler(),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      scrapeWithin + 20*time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          stdlog.New(m.log, "", 0),
	}
	go func() {
		defer close(s.done)
		if err := s.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			m.log.Error().Err(err).Str(logged.Address, s.Address).Msg("the metrics are not served any more")
		}
	}()
	return s, nil
}

// Close stops serving. Answers under way are given a moment.
func (s *Server) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), stopWithin)
	defer cancel()
	if err := s.server.Shutdown(ctx); err != nil {
		s.server.Close()
	}
	<-s.done
}

func (m *Metrics) handler() http.Handler {
	// Of the Go process itself; not in the file, where they would be a second go_goroutines beside node_exporter's own.
	process := prometheus.NewRegistry()
	process.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(prometheus.Gatherers{m.registry, process}, promhttp.HandlerOpts{
		ErrorLog: stdlog.New(m.log, "", 0), ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: scrapesAtOnce, Timeout: scrapeWithin,
	}))
	mux.HandleFunc("/healthz", m.healthz)
	mux.HandleFunc("/readyz", m.readyz)
	return m.guard(mux)
}

// guard lets only reading through. Who reads needs no login and no name of this machine's: there is nothing to hide, and nothing to order.
func (m *Metrics) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Content-Security-Policy", "default-src 'none'")
		defer func() {
			if cause := recover(); cause != nil {
				m.log.Error().Interface(logged.Panic, cause).Bytes(logged.Stack, debug.Stack()).Msg("the program panicked")
				http.Error(w, "a fault in the program; the log has the details", http.StatusInternalServerError)
			}
		}()
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "for reading only", http.StatusMethodNotAllowed)
			return
		}
		next.ServeHTTP(w, r)
	})
}
