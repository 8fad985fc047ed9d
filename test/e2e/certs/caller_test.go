package certs_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/podvet/podvet/certs"
	"github.com/podvet/podvet/test/podvet"
)

// lag is how far an API server's view of the bundles may be behind in these tests.
const lag = 4 * time.Second

// A caller dials replicas again and again, as API servers do whose view of the configurations is up to date, and
// lag behind.
type caller struct {
	site     *site
	replicas []*replica
	stop     func()

	mu      sync.Mutex
	calls   int
	refused []string // handshakes that failed
	bad     []string // leaf certificates that a bundle did not verify
	leafs   map[string]bool
	last    map[*replica]*x509.Certificate // CA of the leaf that each served last
}

// call starts to dial, once each of the replicas is ready and lag has passed.
func (s *site) call(t *testing.T, replicas ...*replica) *caller {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := sync.WaitGroup{}
	c := &caller{site: s, replicas: replicas, leafs: map[string]bool{}, last: map[*replica]*x509.Certificate{}}
	c.stop = sync.OnceFunc(func() { cancel(); done.Wait() })
	t.Cleanup(c.stop)
	for _, r := range replicas {
		done.Go(func() { c.loop(ctx, r) })
	}
	return c
}

func (c *caller) loop(ctx context.Context, r *replica) {
	type snapshot struct {
		at        time.Time
		published certs.Published
	}
	var seen []snapshot
	dialer := tls.Dialer{NetDialer: &net.Dialer{}, Config: &tls.Config{InsecureSkipVerify: true}} // verified below
	for ctx.Err() == nil {
		time.Sleep(20 * time.Millisecond)
		asked := time.Now() // what is answered is no older
		published, err := c.site.published(ctx)
		if err != nil {
			continue
		}
		seen = append(seen, snapshot{asked, published})
		for len(seen) > 1 && time.Since(seen[1].at) >= lag {
			seen = seen[1:]
		}
		dial, cancel := context.WithTimeout(ctx, 5*time.Second) // a busy machine; a refusal comes at once
		conn, err := dialer.DialContext(dial, "tcp", r.address)
		cancel()
		if ctx.Err() != nil {
			return
		}
		c.mu.Lock()
		c.calls++
		if err != nil {
			c.refused = append(c.refused, err.Error())
			c.mu.Unlock()
			continue
		}
		leaf := conn.(*tls.Conn).ConnectionState().PeerCertificates[0]
		conn.Close()
		for _, view := range []snapshot{seen[0], seen[len(seen)-1]} {
			if time.Since(view.at) > lag+500*time.Millisecond {
				continue // this machine was too busy to look: podvet holds a leaf for 5 s, and promises no more
			}
			ca, err := view.published.Verify(leaf, time.Now())
			if err != nil {
				c.bad = append(c.bad, fmt.Sprintf("%s %s, by bundles of %v ago: %v", time.Now().Format(time.StampMilli),
					r.address, time.Since(view.at).Round(time.Millisecond), err))
			} else {
				c.last[r] = ca
			}
		}
		c.leafs[leaf.SerialNumber.String()] = true
		c.mu.Unlock()
	}
}

// awaitServed returns once all replicas serve leaf certificates of a CA.
func (c *caller) awaitServed(t *testing.T, ca *x509.Certificate, limit time.Duration) {
	t.Helper()
	if !podvet.Await(t.Context(), limit, func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return len(c.last) == len(c.replicas) && !slices.ContainsFunc(slices.Collect(maps.Values(c.last)),
			func(last *x509.Certificate) bool { return !last.Equal(ca) })
	}) {
		t.Fatalf("after %v not all replicas serve a leaf of the new CA: %v", limit, ca.NotBefore)
	}
}

// check ends the calls: no leaf was bad, and unless mayRefuse, no handshake failed.
func (c *caller) check(t *testing.T, mayRefuse bool) {
	t.Helper()
	c.stop()
	if len(c.bad) > 0 {
		t.Errorf("%d views of %d calls do not verify the leaf that was met, first: %s", len(c.bad), c.calls, c.bad[0])
	}
	if len(c.refused) > 0 && !mayRefuse {
		t.Errorf("%d of %d handshakes failed, first: %s", len(c.refused), c.calls, c.refused[0])
	}
	if c.calls < 20 {
		t.Errorf("only %d calls", c.calls)
	}
	t.Logf("%d calls, %d leaf certificates, %d handshakes refused", c.calls, len(c.leafs), len(c.refused))
}
