package webhook

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/podvet/podvet/certs"
	"github.com/podvet/podvet/rules/policy"
)

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}

// certificate makes one in a folder.
func certificate(t *testing.T, h *Handler, dir string) Certificate {
	t.Helper()
	if err := certs.Local(dir, time.Now()); err != nil {
		t.Fatal(err)
	}
	files, err := certs.NewFiles(dir, slog.New(slog.DiscardHandler), h.Registry())
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// serve starts a server and returns its URL, a client that trusts it, and its end.
func serve(t *testing.T, h *Handler, o ServeOptions) (url string, client *http.Client, stop func(), done chan error) {
	t.Helper()
	dir := t.TempDir()
	o.Address, o.Port, o.Certificate = "127.0.0.1", freePort(t), certificate(t, h, dir)
	ca, err := os.ReadFile(filepath.Join(dir, certs.CAFile))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	client = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}, Timeout: 10 * time.Second}
	ctx, cancel := context.WithCancel(t.Context())
	started := make(chan struct{})
	o.Started = func() { close(started) }
	done = make(chan error, 1)
	go func() { done <- h.Serve(ctx, o) }()
	select {
	case <-started:
	case err := <-done:
		t.Fatalf("ended: %v", err)
	case <-time.After(10 * time.Second):
		t.Fatal("not started within 10 s")
	}
	t.Cleanup(cancel)
	return "https://127.0.0.1:" + strconv.Itoa(o.Port), client, cancel, done
}

// TestServeAndDrain: over TLS and HTTP/2, and on the way out still serving, unready, asking callers to go.
func TestServeAndDrain(t *testing.T) {
	h := newTestHandler(t, "")
	health := net.JoinHostPort("127.0.0.1", strconv.Itoa(freePort(t)))
	url, client, stop, done := serve(t, h, ServeOptions{ShutdownDelay: 2 * time.Second, HealthAddress: health, MetricsAddress: net.JoinHostPort("127.0.0.1", strconv.Itoa(freePort(t)))})
	review := reviewOf(t, badPod)
	send := func() *http.Response {
		t.Helper()
		resp, err := client.Post(url+"/validate", "application/json", bytes.NewReader(review))
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK || !bytes.Contains(body, []byte("probe-port-unresolved")) {
			t.Fatalf("HTTP %d: %s", resp.StatusCode, body)
		}
		return resp
	}
	if resp := send(); resp.ProtoMajor != 2 || resp.Close {
		t.Errorf("HTTP/%d, close %v", resp.ProtoMajor, resp.Close)
	}
	ready := func() int {
		t.Helper()
		resp, err := http.Get("http://" + health + "/readyz")
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp.StatusCode
	}
	if code := ready(); code != 200 {
		t.Errorf("/readyz %d while serving", code)
	}
	stop()
	waitFor(t, func() bool { return ready() == 503 })
	send() // still served, on a connection that the server closes after it
	waitFor(t, func() bool { return h.draining.Load() })
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("ended with %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("does not end")
	}
	if _, err := client.Post(url+"/validate", "application/json", bytes.NewReader(review)); err == nil {
		t.Error("still answers")
	}
}

// TestStalledCallers: callers who never send their body hold up nobody, neither reviews nor the end.
func TestStalledCallers(t *testing.T) {
	h := NewHandler(policy.Default(), 2, slog.New(slog.DiscardHandler))
	url, client, _, _ := serve(t, h, ServeOptions{})
	for range 8 {
		conn, err := tls.Dial("tcp", strings.TrimPrefix(url, "https://"), client.Transport.(*http.Transport).TLSClientConfig.Clone())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		if _, err := io.WriteString(conn, "POST /validate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 7000000\r\n\r\n{"); err != nil {
			t.Fatal(err)
		}
	}
	for range 20 {
		resp, err := client.Post(url+"/validate", "application/json", bytes.NewReader(reviewOf(t, badPod)))
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("HTTP %d", resp.StatusCode)
		}
	}
}

// TestStalledLongBodies: fifty callers who send 6.9 of 7 MB and stall take no more memory than a few of them may, and
// hold up no ordinary review. When they go, long bodies are read again.
func TestStalledLongBodies(t *testing.T) {
	h := NewHandler(policy.Default(), 0, slog.New(slog.DiscardHandler))
	url, client, _, _ := serve(t, h, ServeOptions{})
	ask := func(body []byte) int {
		resp, err := client.Post(url+"/validate", "application/json", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp.StatusCode
	}
	long := append(reviewOf(t, badPod), bytes.Repeat([]byte(" "), 6<<20)...)
	if code := ask(long); code != http.StatusOK {
		t.Fatalf("a long body: HTTP %d", code)
	}
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	part := bytes.Repeat([]byte(" "), 6_900_000)
	config := client.Transport.(*http.Transport).TLSClientConfig.Clone()
	config.NextProtos = nil // HTTP/1.1 is written by hand
	var conns []net.Conn
	for range 50 {
		conn, err := tls.Dial("tcp", strings.TrimPrefix(url, "https://"), config)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		conns = append(conns, conn)
		_, _ = io.WriteString(conn, "POST /validate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 7000000\r\n\r\n")
		_, _ = conn.Write(part) // those that are refused do not read it all
	}
	if used := heap() - before; used > 2*maxHeld {
		t.Errorf("%d MB are held", used>>20)
	} else {
		t.Logf("%d MB are held", used>>20)
	}
	if code := ask(reviewOf(t, badPod)); code != http.StatusOK {
		t.Errorf("meanwhile an ordinary review: HTTP %d", code)
	}
	if code := ask(long); code != http.StatusTooManyRequests {
		t.Errorf("meanwhile a long one: HTTP %d", code)
	}
	for _, conn := range conns {
		_ = conn.Close()
	}
	for deadline := time.Now().Add(5 * time.Second); ask(long) != http.StatusOK; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("long bodies are still refused")
		}
	}
}

// blocking is a body that does not come, or a caller who reads no answer, until it is closed.
type blocking struct {
	http.ResponseWriter
	started *sync.WaitGroup
	until   chan struct{}
}

func (b blocking) wait() {
	b.started.Done()
	<-b.until
}

func (b blocking) Read([]byte) (int, error)  { b.wait(); return 0, io.ErrUnexpectedEOF }
func (b blocking) Write([]byte) (int, error) { b.wait(); return 0, io.ErrClosedPipe }

// TestStalledCallersHoldLittle: neither the length that a caller announces takes memory, nor a request whose answer
// nobody reads.
func TestStalledCallersHoldLittle(t *testing.T) {
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	long := append(reviewOf(t, badPod), bytes.Repeat([]byte(" "), 6<<20)...)
	for name, c := range map[string]struct {
		callers int
		length  int64
		body    func(blocking) io.Reader
	}{
		"announce much": {1000, ordinaryBody, func(b blocking) io.Reader { return b }},
		"read nothing":  {20, int64(len(long)), func(blocking) io.Reader { return bytes.NewReader(long) }},
	} {
		t.Run(name, func(t *testing.T) {
			h := NewHandler(policy.Default(), 0, slog.New(slog.DiscardHandler))
			b := blocking{httptest.NewRecorder(), &sync.WaitGroup{}, make(chan struct{})}
			var ended sync.WaitGroup
			before := heap()
			for range c.callers {
				b.started.Add(1)
				r := httptest.NewRequest(http.MethodPost, "/validate", c.body(b))
				r.ContentLength = c.length
				r.Header.Set("Content-Type", "application/json")
				w := b
				w.ResponseWriter = httptest.NewRecorder()
				ended.Go(func() { h.ServeHTTP(w, r) })
				if c.length > ordinaryBody {
					b.started.Wait() // one after the other: together they have no room
				}
			}
			b.started.Wait()
			if used := heap() - before; used > 24<<20 {
				t.Errorf("%d MB are held", used>>20)
			} else {
				t.Logf("%d MB are held", used>>20)
			}
			b.started.Add(1000) // for what is written when they are told to go
			close(b.until)
			ended.Wait()
		})
	}
}

func TestDrainingClosesConnections(t *testing.T) {
	h := newTestHandler(t, "")
	if got := post(h, "/validate", reviewOf(t, badPod)).Header().Get("Connection"); got != "" {
		t.Errorf("Connection: %s while serving", got)
	}
	h.draining.Store(true)
	if got := post(h, "/validate", reviewOf(t, badPod)).Header().Get("Connection"); got != "close" {
		t.Errorf("Connection: %q while draining", got)
	}
}

// TestTLS: 1.2 at least, ECDSA, and of the suites of 1.2 those with forward secrecy and authenticated encryption.
func TestTLS(t *testing.T) {
	url, client, _, _ := serve(t, newTestHandler(t, ""), ServeOptions{})
	dial := func(change func(*tls.Config)) (tls.ConnectionState, error) {
		config := client.Transport.(*http.Transport).TLSClientConfig.Clone()
		change(config)
		conn, err := tls.Dial("tcp", strings.TrimPrefix(url, "https://"), config)
		if err != nil {
			return tls.ConnectionState{}, err
		}
		defer func() { _ = conn.Close() }()
		return conn.ConnectionState(), nil
	}
	_, err := dial(func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 })
	if err == nil || !strings.Contains(err.Error(), "protocol version") {
		t.Errorf("TLS 1.1: %v", err)
	}
	state, err := dial(func(*tls.Config) {})
	if err != nil || state.Version != tls.VersionTLS13 {
		t.Errorf("by default %s: %v", tls.VersionName(state.Version), err)
	}
	if got := state.PeerCertificates[0].PublicKeyAlgorithm; got != x509.ECDSA {
		t.Errorf("the key is %s", got)
	}
	var offered []string
	for _, suite := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		if _, err := dial(func(c *tls.Config) {
			c.MinVersion, c.MaxVersion, c.CipherSuites = tls.VersionTLS12, tls.VersionTLS12, []uint16{suite.ID}
		}); err == nil {
			offered = append(offered, suite.Name)
		}
	}
	slices.Sort(offered)
	if want := []string{"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"}; !slices.Equal(offered, want) {
		t.Errorf("suites of TLS 1.2: %v", offered)
	}
}

// callers makes a CA and a client certificate that it signed.
func callers(t *testing.T) (*x509.CertPool, tls.Certificate) {
	t.Helper()
	issue := func(template, parent *x509.Certificate, signer *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if parent == nil {
			parent, signer = template, key
		}
		template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
		der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
		if err != nil {
			t.Fatal(err)
		}
		c, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return c, key
	}
	ca, caKey := issue(&x509.Certificate{SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}, nil, nil)
	leaf, key := issue(&x509.Certificate{SerialNumber: big.NewInt(2), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}, ca, caKey)
	pool := x509.NewCertPool()
	pool.AddCert(ca)
	return pool, tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key}
}

// TestClientCA: only a caller with a certificate of that CA is answered, and readiness needs none.
func TestClientCA(t *testing.T) {
	pool, known := callers(t)
	_, stranger := callers(t)
	health := net.JoinHostPort("127.0.0.1", strconv.Itoa(freePort(t)))
	url, client, _, _ := serve(t, newTestHandler(t, ""), ServeOptions{ClientCAs: pool, HealthAddress: health})
	for what, c := range map[string]struct {
		certificates []tls.Certificate
		answered     bool
	}{
		"none":         {nil, false},
		"another CA's": {[]tls.Certificate{stranger}, false},
		"the CA's":     {[]tls.Certificate{known}, true},
	} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			config := client.Transport.(*http.Transport).TLSClientConfig.Clone()
			config.MaxVersion = version
			// Whatever CAs the server names: the stranger sends what it has.
			config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				if len(c.certificates) == 0 {
					return &tls.Certificate{}, nil
				}
				return &c.certificates[0], nil
			}
			caller := http.Client{Transport: &http.Transport{TLSClientConfig: config}, Timeout: 10 * time.Second}
			resp, err := caller.Post(url+"/validate", "application/json", bytes.NewReader(reviewOf(t, badPod)))
			if err == nil {
				_ = resp.Body.Close()
			}
			switch {
			case c.answered && (err != nil || resp.StatusCode != http.StatusOK):
				t.Errorf("%s, %s: %v, %v", what, tls.VersionName(version), resp, err)
			case !c.answered && (err == nil || !strings.Contains(err.Error(), "remote error: tls: ")):
				t.Errorf("%s, %s: %v", what, tls.VersionName(version), err)
			}
		}
	}
	resp, err := http.Get("http://" + health + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("/readyz: HTTP %d", resp.StatusCode)
	}
}

// TestSlowCallers: callers that stall or trickle at any point are ended within a bound, and others are answered at
// once meanwhile.
func TestSlowCallers(t *testing.T) {
	t.Parallel()
	h := NewHandler(policy.Default(), 2, slog.New(slog.DiscardHandler))
	url, client, _, _ := serve(t, h, ServeOptions{})
	address := strings.TrimPrefix(url, "https://")
	const head = "POST /validate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
	plain := func() net.Conn {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		return conn
	}
	trust := client.Transport.(*http.Transport).TLSClientConfig.Clone() // now: the transport's first use writes to its own
	over := func(protocol string) func() net.Conn {
		return func() net.Conn {
			config := trust.Clone()
			config.NextProtos = []string{protocol}
			conn, err := tls.Dial("tcp", address, config)
			if err != nil {
				t.Fatal(err)
			}
			return conn
		}
	}
	trickle := func(text string) func(net.Conn) { // a byte now and then, the last one for ever
		return func(conn net.Conn) {
			for i := 0; ; i++ {
				if _, err := conn.Write([]byte{text[min(i, len(text)-1)]}); err != nil {
					return
				}
				time.Sleep(300 * time.Millisecond)
			}
		}
	}
	send := func(text string) func(net.Conn) {
		return func(conn net.Conn) { _, _ = io.WriteString(conn, text) }
	}
	review := reviewOf(t, badPod)
	whole := fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", head, len(review), review)
	for what, c := range map[string]struct {
		dial func() net.Conn
		do   func(net.Conn)
		read bool // the caller reads
	}{
		"half open":          {plain, func(net.Conn) {}, true},
		"slow handshake":     {plain, trickle("\x16\x03\x01\x02\x00\x01"), true},
		"silent over HTTP/1": {over("http/1.1"), func(net.Conn) {}, true},
		"silent over HTTP/2": {over("h2"), func(net.Conn) {}, true},
		"slow headers":       {over("http/1.1"), trickle(head + "X: x"), true},
		"no body":            {over("http/1.1"), send(head + "Content-Length: 1000\r\n\r\n"), true},
		"slow body":          {over("http/1.1"), func(conn net.Conn) { send(head + "Content-Length: 1000\r\n\r\n")(conn); trickle("{ ")(conn) }, true},
		"slow chunks": {over("http/1.1"), func(conn net.Conn) {
			send(head + "Transfer-Encoding: chunked\r\n\r\nfff\r\n")(conn)
			trickle("{ ")(conn)
		}, true},
		"never reads answers": {over("http/1.1"), func(conn net.Conn) {
			for {
				if _, err := io.WriteString(conn, whole); err != nil {
					return
				}
			}
		}, false},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			start, ended := time.Now(), sync.WaitGroup{}
			for range 4 {
				conn := c.dial()
				t.Cleanup(func() { _ = conn.Close() })
				_ = conn.SetDeadline(start.Add(60 * time.Second)) // then it is the test that ends it
				ended.Go(func() {
					if c.read {
						go c.do(conn)
						_, _ = io.Copy(io.Discard, conn)
						return
					}
					c.do(conn)
				})
			}
			ended.Wait()
			took := time.Since(start).Round(100 * time.Millisecond)
			if took > 50*time.Second {
				t.Errorf("not ended within %v", took)
			}
			t.Logf("ended after %v", took)
		})
	}
	t.Run("slow body over HTTP/2", func(t *testing.T) {
		t.Parallel()
		body, end := io.Pipe()
		go func() {
			for {
				if _, err := end.Write([]byte(" ")); err != nil {
					return
				}
				time.Sleep(300 * time.Millisecond)
			}
		}()
		start := time.Now()
		slow := http.Client{Transport: client.Transport} // without a limit of its own
		resp, err := slow.Post(url+"/validate", "application/json", body)
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode != http.StatusBadRequest || resp.ProtoMajor != 2 {
				t.Errorf("HTTP/%d %s", resp.ProtoMajor, resp.Status)
			}
		}
		if took := time.Since(start); took > readTimeout+5*time.Second {
			t.Errorf("ended after %v: %v", took, err)
		}
	})
	t.Run("10 MB", func(t *testing.T) {
		t.Parallel()
		for _, length := range []int64{10 << 20, -1} { // said before, and not
			req, err := http.NewRequest(http.MethodPost, url+"/validate", io.LimitReader(spaces{}, 10<<20))
			if err != nil {
				t.Fatal(err)
			}
			req.ContentLength = length
			req.Header.Set("Content-Type", "application/json")
			resp, err := client.Do(req)
			if err != nil {
				t.Errorf("of length %d: %v", length, err)
				continue
			}
			_ = resp.Body.Close()
			if resp.StatusCode != http.StatusRequestEntityTooLarge {
				t.Errorf("of length %d: %s", length, resp.Status)
			}
		}
	})
	t.Run("others", func(t *testing.T) {
		t.Parallel()
		for begin := time.Now(); time.Since(begin) < 25*time.Second; time.Sleep(100 * time.Millisecond) {
			start := time.Now()
			fresh := http.Client{Transport: &http.Transport{TLSClientConfig: trust.Clone(), ForceAttemptHTTP2: true, DisableKeepAlives: true}}
			resp, err := fresh.Post(url+"/validate", "application/json", bytes.NewReader(review))
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			// Until their buffers are full, the callers that never read are many reviews at once.
			if resp.StatusCode != http.StatusOK && (resp.StatusCode != http.StatusTooManyRequests || time.Since(begin) > 15*time.Second) {
				t.Fatalf("HTTP %d after %v", resp.StatusCode, time.Since(begin))
			}
			if took := time.Since(start); took > 3*time.Second {
				t.Errorf("answered after %v", took)
			}
		}
	})
}

// spaces is a body without end.
type spaces struct{}

func (spaces) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

func TestServeErrors(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	port := taken.Addr().(*net.TCPAddr).Port
	dir := t.TempDir()
	for want, o := range map[string]ServeOptions{
		"in use by another process: stop it, or choose another with --port":            {Address: "127.0.0.1", Port: port},
		"in use by another process: stop it, or choose another with --metrics-address": {Address: "127.0.0.1", Port: freePort(t), MetricsAddress: taken.Addr().String()},
		"in use by another process: stop it, or choose another with --health-address":  {Address: "127.0.0.1", Port: freePort(t), HealthAddress: taken.Addr().String()},
		"--port 0 is no port":     {Port: 0},
		"--port 70000 is no port": {Port: 70000},
	} {
		h := NewHandler(policy.Default(), 0, slog.New(slog.DiscardHandler))
		o.Certificate = certificate(t, h, dir)
		if err := h.Serve(t.Context(), o); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q, want %q", err, want)
		}
	}
}

func waitFor(t *testing.T, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !condition() {
		if time.Now().After(deadline) {
			t.Fatal("not within 10 s")
		}
		time.Sleep(10 * time.Millisecond)
	}
}
