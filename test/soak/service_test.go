package soak

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/podvet/podvet/test/podvet"
)

// A replica is one process of podvet. One that is started in its place is another.
type replica struct {
	*podvet.Server
	id      int
	slot    int
	retired atomic.Bool // it gets no more connections, whatever its readiness says
	wanted  atomic.Bool // its end

	mu   sync.Mutex
	used map[string][]time.Time // by door: when requests came through, the first of each 10 ms
	told []event
}

// An event is something that may explain a failure.
type event struct {
	at   time.Time
	text string
}

func (r *replica) tell(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.told = append(r.told, event{time.Now(), fmt.Sprintf("replica %d: ", r.id) + fmt.Sprintf(format, args...)})
}

// oneUse is how long what comes through a door counts as one use, which is known by its start.
const oneUse = 10 * time.Millisecond

// mayBeUsed tells whether something may have come through a door to the replica in an interval.
func (r *replica) mayBeUsed(door string, from, to time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	at, _ := slices.BinarySearchFunc(r.used[door], from.Add(-oneUse), time.Time.Compare)
	return at < len(r.used[door]) && !r.used[door][at].After(to)
}

func (r *replica) use(door string, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if times := r.used[door]; len(times) == 0 || now.Sub(times[len(times)-1]) > oneUse {
		r.used[door] = append(times, now)
	}
}

// A service is what a Service is to its callers: new connections go to ready replicas in turn, open ones stay.
type service struct {
	mu        sync.Mutex
	endpoints []*replica
	next      int
}

// follow is the kubelet and the controller of endpoints, with the chart's timeout and failureThreshold: it probes the
// replica until it is retired or gone.
func (s *service) follow(r *replica, ended <-chan struct{}) {
	client := http.Client{Timeout: 3 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	failures := 0
	for !r.retired.Load() {
		resp, err := client.Get(r.Ready)
		switch {
		case err != nil:
			failures++
			r.tell("its probe fails: %v", err)
		case resp.StatusCode != http.StatusOK:
			failures++
			reason, _ := io.ReadAll(resp.Body)
			r.tell("it is not ready: %s", bytes.TrimSpace(reason))
		default:
			failures = 0
		}
		if err == nil {
			resp.Body.Close()
		}
		if failures != 1 {
			s.set(r, failures == 0 && !r.retired.Load())
		}
		select {
		case <-ended:
			s.set(r, false)
			return
		case <-time.After(500 * time.Millisecond):
		}
	}
	s.set(r, false)
}

func (s *service) set(r *replica, ready bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch in := slices.Contains(s.endpoints, r); {
	case ready && !in:
		r.tell("gets connections")
		s.endpoints = append(s.endpoints, r)
	case !ready && in:
		r.tell("gets no more connections")
		s.endpoints = slices.DeleteFunc(slices.Clone(s.endpoints), func(e *replica) bool { return e == r })
	}
}

func (s *service) has(r *replica) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Contains(s.endpoints, r)
}

// choose is the replica for a connection, nil where none is ready.
func (s *service) choose() *replica {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.endpoints) == 0 {
		return nil
	}
	s.next++
	return s.endpoints[s.next%len(s.endpoints)]
}

// A door is a port of the service for one of the webhooks, so that it is known whose reviews come through.
type door struct {
	name     string
	listener net.Listener
	used     atomic.Int64 // when something last came through, in Unix nanoseconds
	mu       sync.Mutex
	open     []net.Conn
}

func (s *service) open(t *testing.T, name string) *door {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &door{name: name, listener: listener}
	t.Cleanup(d.close)
	go func() {
		for {
			caller, err := listener.Accept()
			if err != nil {
				return
			}
			go d.lead(caller, s.choose())
		}
	}()
	return d
}

func (d *door) port() int { return d.listener.Addr().(*net.TCPAddr).Port }

// lead connects a caller with a replica. Where nothing listens there no other one is tried: kube-proxy does not either.
func (d *door) lead(caller net.Conn, r *replica) {
	defer caller.Close()
	if r == nil {
		return
	}
	conn, err := net.Dial("tcp", r.Address())
	if err != nil {
		r.tell("door %s: %v", d.name, err)
		return
	}
	defer conn.Close()
	r.tell("door %s: a connection by %s", d.name, caller.RemoteAddr())
	defer func() { r.tell("door %s: the connection by %s ended", d.name, caller.RemoteAddr()) }()
	d.mu.Lock()
	d.open = append(d.open, caller, conn)
	d.mu.Unlock()
	go func() {
		_, _ = io.Copy(caller, conn)
		caller.Close()
		conn.Close()
	}()
	buffer := make([]byte, 32<<10)
	for {
		n, err := caller.Read(buffer)
		if n > 0 {
			now := time.Now()
			d.used.Store(now.UnixNano())
			r.use(d.name, now)
			if _, err := conn.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// idle tells whether nothing has come through for a while.
func (d *door) idle() bool {
	last := d.used.Load()
	return last == 0 || time.Since(time.Unix(0, last)) > 5*time.Second
}

func (d *door) close() {
	d.listener.Close()
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, conn := range d.open {
		conn.Close()
	}
	d.open = nil
}
