package webhook

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/podvet/podvet/rules/catalogue"
	"github.com/podvet/podvet/rules/policy"
)

// TestSlowCallers: callers that stall or trickle at any point are ended within a bound, and others are answered at
// once meanwhile.
func TestSlowCallers(t *testing.T) {
	t.Parallel()
	h := NewHandler(policy.Default(catalogue.All), 2, slog.New(slog.DiscardHandler))
	url, client, _, _ := serve(t, h, ServeOptions{})
	address := strings.TrimPrefix(url, "https://")
	const head = "POST /validate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
	elsewhere := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
	plain := func() net.Conn {
		conn, err := elsewhere.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		return conn
	}
	// Now: the transport's first use writes to its own.
	trust := client.Transport.(*http.Transport).TLSClientConfig.Clone()
	over := func(protocol string) func() net.Conn {
		return func() net.Conn {
			config := trust.Clone()
			config.NextProtos = []string{protocol}
			conn, err := tls.DialWithDialer(elsewhere, "tcp", address, config)
			if err != nil {
				t.Fatal(err)
			}
			return conn
		}
	}
	trickle := func(text string) func(net.Conn) { // a byte now and then, the last one without end
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
		"slow body": {over("http/1.1"), func(conn net.Conn) {
			send(head + "Content-Length: 1000\r\n\r\n")(conn)
			trickle("{ ")(conn)
		}, true},
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
	t.Run("40 MB", func(t *testing.T) {
		t.Parallel()
		for _, length := range []int64{40 << 20, -1} { // said before, and not
			req, err := http.NewRequest(http.MethodPost, url+"/validate", io.LimitReader(spaces{}, 40<<20))
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
			fresh := http.Client{Transport: &http.Transport{TLSClientConfig: trust.Clone(), ForceAttemptHTTP2: true,
				DisableKeepAlives: true}}
			resp, err := fresh.Post(url+"/validate", "application/json", bytes.NewReader(review))
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
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
