package webhook

import (
	"bytes"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/podvet/podvet/rules/catalogue"
	"github.com/podvet/podvet/rules/policy"
)

// longHead is all of a request but its body.
const longHead = "POST /validate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" +
	"Content-Length: 7000000\r\n\r\n"

// TestStalledCallers: callers who never send their body hold up nobody, neither reviews nor the end.
func TestStalledCallers(t *testing.T) {
	h := NewHandler(policy.Default(catalogue.All), 2, slog.New(slog.DiscardHandler))
	url, client, _, _ := serve(t, h, ServeOptions{})
	for range 8 {
		config := client.Transport.(*http.Transport).TLSClientConfig.Clone()
		conn, err := tls.Dial("tcp", strings.TrimPrefix(url, "https://"), config)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		if _, err := io.WriteString(conn, longHead+"{"); err != nil {
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
	h := NewHandler(policy.Default(catalogue.All), 0, slog.New(slog.DiscardHandler))
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
	began := time.Now()
	for range 50 {
		conn, err := tls.Dial("tcp", strings.TrimPrefix(url, "https://"), config)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		conns = append(conns, conn)
		_, _ = io.WriteString(conn, longHead)
		_, _ = conn.Write(part) // those that are refused do not read it all
	}
	// What a connection takes itself is beside it.
	if used := heap() - before; used > h.reviews.memory.Most()+int64(len(conns))*perCall {
		t.Errorf("%d MB are held", used>>20)
	} else {
		t.Logf("%d MB are held", used>>20)
	}
	if code := ask(reviewOf(t, badPod)); code != http.StatusOK {
		t.Errorf("meanwhile an ordinary review: HTTP %d", code)
	}
	if code := ask(long); code != http.StatusTooManyRequests && time.Since(began) < readTimeout { // then they are ended
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

func (b blocking) Read([]byte) (int, error) { b.wait(); return 0, io.ErrUnexpectedEOF }

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
		"announce much": {1000, 60_000, func(b blocking) io.Reader { return b }},
		"read nothing":  {20, int64(len(long)), func(blocking) io.Reader { return bytes.NewReader(long) }},
	} {
		t.Run(name, func(t *testing.T) {
			h := NewHandler(policy.Default(catalogue.All), 0, slog.New(slog.DiscardHandler))
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
				if c.length > 60_000 {
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
