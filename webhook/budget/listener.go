package budget

import (
	"cmp"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Listen has a listener hold only so many connections at once. Where one more comes, whoever holds most loses the one
// on which nothing has come for longest, so that callers who open many, or of whom there are many, shut out nobody; a
// caller who would then hold most himself is refused.
func Listen(l net.Listener, most int) net.Listener {
	return &listener{Listener: l, most: most, open: map[string][]*conn{}}
}

type listener struct {
	net.Listener
	most int

	mu   sync.Mutex
	all  int
	open map[string][]*conn // by the caller's address, the oldest first
}

func (l *listener) Accept() (net.Conn, error) {
	for {
		plain, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		c := &conn{Conn: plain, of: l, caller: Host(plain.RemoteAddr().String()), since: time.Now()}
		if over := l.add(c); over != nil {
			_ = over.Close() // without a word: that would take a handshake
			if over == c {
				continue
			}
		}
		return c, nil
	}
}

// add counts a connection, and tells which one there is no room for: none, another or itself.
func (l *listener) add(c *conn) (over *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open[c.caller] = append(l.open[c.caller], c)
	l.all++
	if l.all <= l.most {
		return nil
	}
	mine, most := len(l.open[c.caller]), 0
	for _, held := range l.open {
		most = max(most, len(held))
	}
	if mine == most && most > 1 {
		return c
	}
	return l.quietest(most, c)
}

// quietest is, of the callers who hold so many, the connection on which nothing has come for longest; of those on which
// nothing ever came the oldest.
func (l *listener) quietest(holding int, but *conn) (found *conn) {
	for _, held := range l.open {
		if len(held) != holding {
			continue
		}
		for _, c := range held {
			if c != but && (found == nil || c.before(found)) {
				found = c
			}
		}
	}
	return found
}

func (l *listener) remove(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := slices.Index(l.open[c.caller], c)
	if at < 0 {
		return // closed before
	}
	l.all--
	if l.open[c.caller] = slices.Delete(l.open[c.caller], at, at+1); len(l.open[c.caller]) == 0 {
		delete(l.open, c.caller)
	}
}

// conn is a connection that is counted until it is closed.
type conn struct {
	net.Conn
	of     *listener
	caller string
	since  time.Time
	heard  atomic.Int64 // when something came last, in nanoseconds since 1970; 0 for never
}

func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.heard.Store(time.Now().UnixNano())
	}
	return n, err
}

// before tells whether nothing came for longer than on another, or if nothing ever came on both, whether it is older.
func (c *conn) before(other *conn) bool {
	return cmp.Or(cmp.Compare(c.heard.Load(), other.heard.Load()), c.since.Compare(other.since)) < 0
}

func (c *conn) Close() error {
	c.of.remove(c)
	return c.Conn.Close()
}

// Host is that of HOST:PORT, by which callers are told apart.
func Host(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	return host
}
