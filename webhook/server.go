package webhook

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/net/http2"

	"github.com/podvet/podvet/webhook/budget"
)

// headTimeout is how long a handshake and the head of a request may take, and maxHead how many bytes a head may have.
const (
	headTimeout = 10 * time.Second
	maxHead     = 16 << 10
)

// ServeOptions say where and how to serve.
type ServeOptions struct {
	Address        string // to listen on; "" for all
	Port           int
	Certificate    Certificate
	ClientCAs      *x509.CertPool // only callers with a certificate of theirs are answered; nil for all
	ShutdownDelay  time.Duration
	MetricsAddress string // "" for none
	// MetricsGuard lets only some read the metrics, which then takes TLS; nil for everyone.
	MetricsGuard  func(http.Handler) http.Handler
	HealthAddress string // "" for none
	Started       func() // called once requests are answered; may be nil
}

// Serve answers until ctx ends. Then it is no longer ready, goes on for the shutdown delay asking every
// caller to close its connection, and finishes the open requests. The error is one line that names what to do.
func (h *Handler) Serve(ctx context.Context, o ServeOptions) error {
	if o.Port < 1 || o.Port > 65535 {
		return fmt.Errorf("--port %d is not a valid port: write 1 to 65535", o.Port)
	}
	// The side servers are first: a port of theirs that is taken must stop everything.
	metrics, metricsTLS := h.metricsMux(), (*tls.Config)(nil)
	if o.MetricsGuard != nil { // a token must not be read on the way
		metrics, metricsTLS = o.MetricsGuard(metrics), ServeOptions{Certificate: o.Certificate}.tls()
	}
	closeMetrics, err := serveBeside(ctx, "--metrics-address", o.MetricsAddress, metrics, metricsTLS)
	if err != nil {
		return err
	}
	defer closeMetrics()
	ready := readiness{handler: h, certificate: o.Certificate}
	ready.look()
	closeHealth, err := serveBeside(ctx, "--health-address", o.HealthAddress, healthMux(&ready), nil)
	if err != nil {
		return err
	}
	defer closeHealth()
	address := net.JoinHostPort(o.Address, strconv.Itoa(o.Port))
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return listenError("--port", address, err)
	}
	ready.listening.Store(true)

	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	go func() {
		<-ctx.Done()
		h.draining.Store(true)
		time.Sleep(o.ShutdownDelay)
		stop()
	}()
	go ready.follow(serving)
	// While it drains, its certificate is still renewed.
	kept := make(chan error, 1)
	go func() { kept <- o.Certificate.Run(serving) }()
	if o.Started != nil {
		go o.tellStarted(serving, ready.look)
	}
	if err := h.serve(serving, budget.Listen(listener, h.connections), o.tls()); err != nil {
		return listenError("--port", address, err)
	}
	stop()
	return <-kept
}

// finishTime is how long open requests may take when all else has ended.
const finishTime = time.Minute

// serve serves TLS until ctx ends, and then finishes the open requests.
func (h *Handler) serve(ctx context.Context, listener net.Listener, config *tls.Config) error {
	// The API server sends a head of a few hundred bytes. Streams over the limit get a connection more from it.
	server := &http.Server{Handler: h, TLSConfig: config, ReadHeaderTimeout: headTimeout, IdleTimeout: 90 * time.Second,
		MaxHeaderBytes: maxHead, HTTP2: &http.HTTP2Config{MaxConcurrentStreams: 64,
			MaxReceiveBufferPerConnection: 128 << 10, MaxReceiveBufferPerStream: 128 << 10}}
	// Not net/http's own HTTP/2: up to Go 1.26.8 a caller who changes his header table ends the process (GO-2026-6617).
	if err := http2.ConfigureServer(server, nil); err != nil { //nolint:staticcheck // deprecated for Go 1.27
		return err
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		<-ctx.Done()
		finishing, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTime)
		defer cancel()
		_ = server.Shutdown(finishing) // who is still there then has not read his answer
	}()
	if err := server.ServeTLS(listener, "", ""); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	<-ended
	return nil
}

// serveBeside serves on the address of a flag until it is closed, and nothing where there is no address. Without a
// configuration of TLS it is plain HTTP.
func serveBeside(ctx context.Context, flag, address string, handler http.Handler, secure *tls.Config) (
	closeServer func(), err error) {
	if address == "" {
		return func() {}, nil
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, listenError(flag, address, err)
	}
	listener = budget.Listen(listener, leastConnections)
	if secure != nil {
		listener = tls.NewListener(listener, secure)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: headTimeout, ReadTimeout: headTimeout,
		WriteTimeout: headTimeout, IdleTimeout: time.Minute, MaxHeaderBytes: maxHead}
	go func() { _ = server.Serve(listener) }() // ends with Close
	return func() { _ = server.Close() }, nil
}

// tellStarted calls Started once requests are answered, and look before, so that /readyz knows.
func (o ServeOptions) tellStarted(serving context.Context, look func()) {
	for serving.Err() == nil {
		if _, err := o.Certificate.GetCertificate(nil); err == nil {
			look()
			o.Started()
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// tls is TLS 1.2 with forward secrecy and authenticated encryption at least; 1.3 has nothing else.
func (o ServeOptions) tls() *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
	c.CipherSuites = []uint16{
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
	}
	c.GetCertificate = o.Certificate.GetCertificate
	if o.ClientCAs != nil {
		c.ClientCAs, c.ClientAuth = o.ClientCAs, tls.RequireAndVerifyClientCert
	}
	return c
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
	metrics, scrapes := h.Metrics(), budget.ForOne(2) // one that is not read holds all of its text
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) {
		caller := budget.Host(r.RemoteAddr)
		if !scrapes.Take(caller, 1) {
			fail(w, tooMany())
			return
		}
		defer scrapes.Release(caller, 1)
		metrics.ServeHTTP(w, r)
	})
	return mux
}

func healthMux(ready *readiness) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := ready.missing(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte("ok\n"))
	})
	return mux
}
