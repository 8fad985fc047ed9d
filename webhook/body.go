package webhook

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"sync"
	"time"

	"github.com/podvet/podvet/webhook/budget"
)

// maxBody is the longest review in bytes. A request to the API server has 3 MiB at most (apiserver
// pkg/server/config.go), an update sends two objects, and encoding/json writes six bytes for one: \u003c.
const maxBody = 2*6*3<<20 + 1<<20

// firstBuffer is how much of a body is read before more is taken for it: most need no more. perCall is what a call
// takes with that: its goroutine, its head and its answer.
const (
	firstBuffer = 12 << 10
	perCall     = 40 << 10
)

// buffers are first ones that were used before: a new one for each review would be most of what the collector has to
// do.
var buffers = sync.Pool{New: func() any { return new([firstBuffer]byte) }}

// A body may take patience, and a second more for each minRate bytes that have come, but no longer than readTimeout.
// Callers who stall hold what they have taken for so long.
const (
	patience    = 3 * time.Second
	minRate     = 256 << 10
	readTimeout = 10 * time.Second
)

// lane is what the callers of some endpoints share.
type lane struct {
	memory *budget.Shares // bytes
	places *budget.Shares // of reviews that are judged at the same time; nil for no limit
}

// hold is what one review holds of a lane.
type hold struct {
	lane   *lane
	caller string
	bytes  int64
	placed bool
	first  *[firstBuffer]byte // nil once it is given back
}

// take takes memory beside what is held.
func (h *hold) take(bytes int64) error {
	switch {
	case h.lane.memory.Take(h.caller, bytes):
		h.bytes += bytes
		return nil
	case h.bytes+bytes > h.lane.memory.Most():
		return &fault{http.StatusRequestEntityTooLarge,
			fmt.Sprintf("this takes about %d MiB, more than there is for one review: give podvet more memory",
				(h.bytes+bytes)>>20)}
	}
	return tooMany()
}

// keep gives back all but so many bytes.
func (h *hold) keep(bytes int64) {
	if over := h.bytes - bytes; over > 0 {
		h.lane.memory.Release(h.caller, over)
		h.bytes = bytes
	}
}

// release gives the first buffer back, when nothing of the body is looked at any more.
func (h *hold) release() {
	if h.first != nil {
		buffers.Put(h.first)
		h.first = nil
	}
}

// place takes a place among those that are judged.
func (h *hold) place() error {
	if h.lane.places == nil {
		return nil
	}
	if h.placed = h.lane.places.Take(h.caller, 1); !h.placed {
		return tooMany()
	}
	return nil
}

func (h *hold) leave() {
	if h.placed {
		h.lane.places.Release(h.caller, 1)
		h.placed = false
	}
}

// read reads all of a body.
func (h *hold) read(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if kind := r.Header.Get("Content-Type"); !isJSON(kind) {
		return nil, &fault{http.StatusUnsupportedMediaType,
			fmt.Sprintf("Content-Type is %q: send application/json", legible(kind))}
	}
	if r.ContentLength > maxBody {
		return nil, tooLong()
	}
	in := steady{r: http.MaxBytesReader(w, r.Body, maxBody), control: http.NewResponseController(w), begin: time.Now()}
	h.first = buffers.Get().(*[firstBuffer]byte)
	buffer := h.first[:0]
	for {
		n, err := in.Read(buffer[len(buffer):cap(buffer)])
		buffer = buffer[:len(buffer)+n]
		switch {
		case errors.Is(err, io.EOF):
			in.end()
			return buffer, nil
		case errors.As(err, new(*http.MaxBytesError)):
			return nil, tooLong()
		case err != nil:
			return nil, badRequest("the body cannot be read: %v", err)
		}
		if len(buffer) < cap(buffer) {
			continue
		}
		// One byte more than is said lets the end be seen.
		longer := min(4*cap(buffer), maxBody+1)
		if said := int(r.ContentLength) + 1; said > cap(buffer) {
			longer = min(longer, said)
		}
		// Beside the old one, until that is copied.
		if err := h.take(int64(longer)); err != nil {
			return nil, err
		}
		old := cap(buffer)
		buffer = append(make([]byte, 0, longer), buffer...)
		h.release()
		if old > firstBuffer {
			h.keep(h.bytes - int64(old))
		}
	}
}

func isJSON(contentType string) bool {
	if contentType == "application/json" { // the API server's
		return true
	}
	kind, _, err := mime.ParseMediaType(contentType)
	return err == nil && kind == "application/json"
}

// steady reads a body that has to come at a minimum rate.
type steady struct {
	r       io.Reader
	control *http.ResponseController
	begin   time.Time
	read    int64
	allowed int64 // bytes up to which the deadline is right
}

func (s *steady) Read(p []byte) (int, error) {
	if s.read >= s.allowed {
		s.allowed = s.read + minRate
		may := min(patience+time.Duration(s.read)*time.Second/minRate, readTimeout)
		_ = s.control.SetReadDeadline(s.begin.Add(may)) // a recorder in a test has none
	}
	n, err := s.r.Read(p)
	s.read += int64(n)
	return n, err
}

// end lifts the deadline of a body that has come: while the review is judged it would look as if the caller had gone.
func (s *steady) end() { _ = s.control.SetReadDeadline(time.Time{}) }

func tooMany() *fault {
	return &fault{http.StatusTooManyRequests, "too many reviews at once: try again"}
}

func tooLong() *fault {
	return &fault{http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is over %d bytes", maxBody)}
}
