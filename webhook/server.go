package webhook

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"syscall"
	"time"

	ctrlwebhook "sigs.k8s.io/controller-runtime/pkg/webhook"
)

// ServeOptions say where and how to serve.
type ServeOptions struct {
	Address        string // to listen on; "" for all
	Port           int
	CertDir        string // holds tls.crt and tls.key, read again when they change
	ShutdownDelay  time.Duration
	MetricsAddress string // "" for none
	HealthAddress  string // "" for none
	Started        func() // called once requests are answered; may be nil
}

// Serve answers until ctx ends. Then it is no longer ready, goes on for the shutdown delay asking every
// caller to close its connection, and finishes the open requests. The error is one line that names what to do.
func (h *Handler) Serve(ctx context.Context, o ServeOptions) error {
	// The side servers are first: a port of theirs that is taken must stop everything.
	var side []*http.Server
	defer func() {
		for _, s := range side {
			_ = s.Close()
		}
	}()
	if o.Port < 1 || o.Port > 65535 {
		return fmt.Errorf("--port %d is no port: write 1 to 65535", o.Port)
	}
	mux := http.NewServeMux()
	mux.Handle("/", h)
	server := ctrlwebhook.NewServer(ctrlwebhook.Options{
		Host: o.Address, Port: o.Port, CertDir: o.CertDir, WebhookMux: mux,
		TLSOpts: []func(*tls.Config){func(c *tls.Config) { c.MinVersion = tls.VersionTLS12 }},
	})
	for _, s := range []struct {
		flag, address string
		handler       http.Handler
	}{
		{"--metrics-address", o.MetricsAddress, h.metricsMux()},
		{"--health-address", o.HealthAddress, healthMux(h.readiness(server.StartedChecker()))},
	} {
		if s.address == "" {
			continue
		}
		listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.address)
		if err != nil {
			return listenError(s.flag, s.address, err)
		}
		srv := &http.Server{Handler: s.handler, ReadHeaderTimeout: 10 * time.Second}
		side = append(side, srv)
		go func() { _ = srv.Serve(listener) }() // ends with Close
	}

	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	go func() {
		<-ctx.Done()
		h.draining.Store(true)
		time.Sleep(o.ShutdownDelay)
		stop()
	}()
	if o.Started != nil {
		go func() {
			for serving.Err() == nil {
				if server.StartedChecker()(nil) == nil {
					o.Started()
					return
				}
				time.Sleep(20 * time.Millisecond)
			}
		}()
	}
	if err := server.Start(serving); err != nil {
		return listenError("--port", net.JoinHostPort(o.Address, strconv.Itoa(o.Port)), err)
	}
	return nil
}

// listenError says in one line why an address cannot be served, and which flag chooses another.
func listenError(flag, address string, err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%s is in use by another process: stop it, or choose another with %s", address, flag)
	}
	return fmt.Errorf("serving on %s: %w", address, err)
}

func (h *Handler) metricsMux() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", h.Metrics())
	return mux
}

func healthMux(ready func(*http.Request) error) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := ready(r); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte("ok\n"))
	})
	return mux
}
