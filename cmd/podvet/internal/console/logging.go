package console

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/go-logr/logr"
	"golang.org/x/time/rate"
	"k8s.io/klog/v2"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"
)

// maxLogged bounds each text in a line of the log, in bytes: callers and API servers choose some of them.
const maxLogged = 4000

// LogOptions bound what a line of the log says, and leave out what turns the direction of writing. Control characters
// are escaped by slog's own handlers.
var LogOptions = &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
	switch value := a.Value.Any().(type) {
	case string:
		a.Value = slog.StringValue(loggable(value))
	case error:
		a.Value = slog.StringValue(loggable(value.Error()))
	}
	return a
}}

func loggable(text string) string {
	if len(text) > maxLogged {
		text = strings.ToValidUTF8(text[:maxLogged], "") + "…"
	}
	return strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Bidi_Control, r) {
			return -1
		}
		return r
	}, text)
}

// Calm lets through a hundred warnings and errors of a kind, and then one a second, which says how many were left out.
// net/http tells of failed handshakes at level INFO: these are counted too.
func Calm(log slog.Handler) slog.Handler {
	return calm{log, newRepeats(1, 100), func(r slog.Record) string {
		if r.Level < slog.LevelWarn && !strings.HasPrefix(r.Message, "http: ") {
			return ""
		}
		return kindOf(r.Message)
	}}
}

// kindOf is what lines about the same have in common: net/http puts an address behind it.
func kindOf(message string) string {
	const enough = 30
	return message[:min(len(message), enough)]
}

// QuietLibraries lets the libraries tell of errors only, and of each once in ten minutes: they tell of their every step
// and attempt.
func QuietLibraries(log slog.Handler) {
	once := calm{log, newRepeats(rate.Every(10*time.Minute), 1), func(r slog.Record) string {
		said := r.Message
		r.Attrs(func(a slog.Attr) bool {
			said += "\n" + a.Value.String()
			return true
		})
		return withoutNumbers(said)
	}}
	errors := logr.FromSlogHandler(onlyErrors{once})
	ctrllog.SetLogger(errors)
	klog.SetLogger(errors)
}

// withoutNumbers makes the same what differs in a port, a time or a version.
func withoutNumbers(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsDigit(r) {
			return -1
		}
		return r
	}, loggable(text))
}

// calm lets through so many lines of a kind.
type calm struct {
	slog.Handler

	repeats *repeats
	kind    func(slog.Record) string // "" for all of those that are let through
}

func (c calm) Handle(ctx context.Context, r slog.Record) error {
	if kind := c.kind(r); kind != "" {
		pass, leftOut := c.repeats.pass(kind, time.Now())
		if !pass {
			return nil
		}
		if leftOut > 0 {
			r = r.Clone()
			r.AddAttrs(slog.Int("leftOut", leftOut))
		}
	}
	return c.Handler.Handle(ctx, r)
}

func (c calm) WithAttrs(attrs []slog.Attr) slog.Handler {
	c.Handler = c.Handler.WithAttrs(attrs)
	return c
}

func (c calm) WithGroup(name string) slog.Handler {
	c.Handler = c.Handler.WithGroup(name)
	return c
}

// maxKinds bounds what is remembered.
const maxKinds = 1000

// repeats are the lines of each kind.
type repeats struct {
	every rate.Limit
	burst int

	mu  sync.Mutex
	all map[string]*repeated
}

type repeated struct {
	limit   *rate.Limiter
	leftOut int
}

func newRepeats(every rate.Limit, burst int) *repeats {
	return &repeats{every: every, burst: burst, all: map[string]*repeated{}}
}

// pass tells whether a line is let through, and how many of its kind were not since the last one that was.
func (s *repeats) pass(kind string, now time.Time) (pass bool, leftOut int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.all[kind]
	if r == nil {
		if len(s.all) >= maxKinds {
			clear(s.all)
		}
		r = &repeated{limit: rate.NewLimiter(s.every, s.burst)}
		s.all[kind] = r
	}
	if !r.limit.AllowN(now, 1) {
		r.leftOut++
		return false, 0
	}
	leftOut, r.leftOut = r.leftOut, 0
	return true, leftOut
}

type onlyErrors struct{ slog.Handler }

func (o onlyErrors) Enabled(_ context.Context, level slog.Level) bool {
	return level >= slog.LevelError
}

func (o onlyErrors) WithAttrs(attrs []slog.Attr) slog.Handler {
	return onlyErrors{o.Handler.WithAttrs(attrs)}
}

func (o onlyErrors) WithGroup(name string) slog.Handler { return onlyErrors{o.Handler.WithGroup(name)} }
