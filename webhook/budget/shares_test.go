package budget

import (
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
)

// TestOneCaller: who is alone may hold three quarters, or exactly what was meant for one.
func TestOneCaller(t *testing.T) {
	for _, most := range []int64{1, 2, 3, 4, 5, 256, 1000} {
		s, held := ForOne(most), int64(0)
		for s.Take("a", 1) {
			held++
		}
		if held != most || s.Most() != most {
			t.Errorf("%d of %d are held, and %d can be", held, most, s.Most())
		}
	}
	if s := ForOne(2); !s.Take("a", 2) || s.Take("a", 1) || !s.Take("b", 1) {
		t.Error("the last one is not for another")
	}
	if s := NewShares(100); s.Take("a", 76) || !s.Take("a", 75) {
		t.Error("not three quarters")
	}
}

// TestSomethingIsLeft: two callers who take all they can leave something, and share as equals what they give back and
// take again.
func TestSomethingIsLeft(t *testing.T) {
	s := NewShares(1000)
	take := func(caller string) {
		for s.Take(caller, 1) {
		}
	}
	for range 100 {
		for _, caller := range []string{"a", "b"} {
			take(caller)
			s.Release(caller, 10)
		}
	}
	if s.free < 100 || s.held["a"]-s.held["b"] > 100 {
		t.Errorf("%d are left, %v are held", s.free, s.held)
	}
	for caller, held := range s.held {
		s.Release(caller, held)
	}
	if s.free != s.all || len(s.held) != 0 {
		t.Errorf("%d of %d are free, held: %v", s.free, s.all, s.held)
	}
}

// listen holds at most three connections.
func listen(t *testing.T) (l net.Listener, accepted chan net.Conn, dial func(from string) net.Conn) {
	t.Helper()
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l = Listen(plain, 3)
	accepted = make(chan net.Conn, 10)
	go func() {
		defer close(accepted)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			accepted <- c
		}
	}()
	return l, accepted, func(from string) net.Conn {
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
		c, err := dialer.Dial("tcp", plain.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
}

func closed(c net.Conn) bool {
	_, err := c.Read(make([]byte, 1))
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET)
}

// TestManyCallersOfOneConnection: however many callers there are, a new one is let in, and one who says nothing goes.
func TestManyCallersOfOneConnection(t *testing.T) {
	l, accepted, dial := listen(t)
	defer l.Close()
	speaks := dial("127.0.0.2")
	heard := <-accepted
	silent := dial("127.0.0.3")
	<-accepted
	dial("127.0.0.4")
	<-accepted
	if _, err := speaks.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := heard.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	dial("127.0.0.5")
	<-accepted
	if !closed(silent) {
		t.Error("the one that was silent for longest is open")
	}
	if _, err := speaks.Write([]byte("x")); err != nil {
		t.Error(err)
	}
	if _, err := heard.Read(make([]byte, 1)); err != nil {
		t.Errorf("the one that spoke: %v", err)
	}
}

// TestListener: who holds most loses his oldest connection to a caller who holds fewer, and gets no more himself.
func TestListener(t *testing.T) {
	l, accepted, dial := listen(t)
	oldest := dial("127.0.0.2")
	held := []net.Conn{<-accepted}
	for range 2 {
		dial("127.0.0.2")
		held = append(held, <-accepted)
	}
	if !closed(dial("127.0.0.2")) {
		t.Error("the fourth of one caller is open")
	}
	dial("127.0.0.3")
	held = append(held, <-accepted)
	if !closed(oldest) {
		t.Error("another caller's took the place of none")
	}
	if !closed(dial("127.0.0.3")) {
		t.Error("the second of another, who would then hold most, is open")
	}
	for _, c := range held {
		_ = c.Close()
		_ = c.Close() // counts once
	}
	if list := l.(*listener); list.all != 0 || len(list.open) != 0 {
		t.Errorf("%d are counted", list.all)
	}
	_ = l.Close()
	if _, open := <-accepted; open {
		t.Error("more is accepted than there should be")
	}
}
