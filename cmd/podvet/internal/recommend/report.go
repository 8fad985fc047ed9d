package recommend

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/podvet/podvet/rules/pod"
)

// Options are what a person chooses.
type Options struct {
	Margin float64 // the 99th percentile times this is what a boot needs
	Few    bool    // recommend whatever was seen
	Named  bool    // of named workloads is said where nothing was seen
}

// Enough starts are those from which podvet recommends something.
const Enough = 10

// Report is what was seen, and what fits.
type Report struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Containers []Result `json:"containers"`

	unseen    []Owner // of whose pods no start was seen
	collected *Collector
	options   Options
}

// Result is about one container of an owner. Of times that nobody saw there are none.
type Result struct {
	Namespace string `json:"namespace"`
	Kind      string `json:"kind"`
	Name      string `json:"name"`
	Container string `json:"container"`

	Starts  int     `json:"starts"`
	Killed  int     `json:"killed"` // or still going on: they took longer than seen
	LeftOut LeftOut `json:"leftOut"`
	Median  int64   `json:"medianSeconds,omitempty"`
	P99     int64   `json:"p99Seconds,omitempty"`
	Longest int64   `json:"longestSeconds,omitempty"`
	Late    int64   `json:"lateSeconds,omitempty"` // by which probes can have been late to see the end of a boot
	AtMost  bool    `json:"atMost"`                // Ready is that of the slowest of several containers
	Needs   int64   `json:"needsSeconds,omitempty"`
	because string  // of what a boot needs so much
	wrong   []kill

	Sandbox *Spread `json:"sandbox,omitempty"`
	Image   *Spread `json:"image,omitempty"`
	Stops   *Stops  `json:"stops,omitempty"`

	Advice []Advice `json:"advice"`
	Note   string   `json:"note,omitempty"` // why there is none
}

// LeftOut counts the starts that tell nothing.
type LeftOut struct {
	ReadyAgain  int `json:"readyAgain"`
	WithAnother int `json:"withAnother"`
	WrongProbe  int `json:"wrongProbe"` // ended by a probe that can never succeed, as far as was seen
}

// Spread is of some seconds.
type Spread struct {
	Median  int64 `json:"medianSeconds"`
	Longest int64 `json:"longestSeconds"`
}

// Stops are how long containers took to stop.
type Stops struct {
	Count  int `json:"count"`
	Forced int `json:"forced"` // by SIGKILL
	Spread
}

// Why there is no advice.
const (
	noteFew     = "too few starts to recommend anything: ten are enough, or write --few"
	noteBlind   = "nothing tells when it is up, because it has neither a readinessProbe nor a startupProbe"
	noteFits    = "its probes fit"
	noteNothing = "no start was seen"
	noteWrong   = "the probe must be right before its numbers can be, so nothing is recommended"
)

// Check says what is wrong with the margin.
func (o Options) Check() error {
	if o.Margin >= 1 && o.Margin <= 10 {
		return nil
	}
	return fmt.Errorf("--margin %g: write a number from 1 to 10", o.Margin) // NaN, too
}

// Report works out what fits.
func (c *Collector) Report(o Options) *Report {
	r := &Report{APIVersion: "podvet.dev/v1alpha1", Kind: "Recommendations", Containers: []Result{}, collected: c,
		options: o, unseen: slices.Collect(maps.Keys(c.mirrors))}
	for _, owner := range c.sorted() {
		w := c.owners[owner]
		if len(w.seen) == 0 {
			r.unseen = append(r.unseen, owner)
		}
		for _, name := range slices.Sorted(maps.Keys(w.seen)) {
			result := w.seen[name].result(w.subject, name, o)
			result.Namespace, result.Kind, result.Name = owner.Namespace, owner.Kind, owner.Name
			r.Containers = append(r.Containers, result)
		}
	}
	return r
}

// JSON writes the report.
func (r *Report) JSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(r)
}

// result is what was seen of a container, and what fits the container of a subject, which may be another than was seen:
// the one that a manifest has.
func (s *seen) result(subject *pod.Subject, name string, o Options) Result {
	spans, wrong := s.boots()
	r := Result{Container: name, Starts: len(spans), LeftOut: LeftOut{s.again, s.together, len(wrong)}, wrong: wrong,
		Advice:  []Advice{},
		Sandbox: spreadOf(s.sandbox), Image: spreadOf(s.image), Stops: stopsOf(s.stops)}
	c := containerOf(subject, name)
	if c == nil {
		return r
	}
	if _, tells := clockOf(subject, c); !tells {
		r.Note = noteBlind
		return r
	}
	switch {
	case len(wrong) > 0:
		r.Note = noteWrong
	case len(spans) == 0:
		r.Note = noteNothing
	case len(spans) < Enough && !o.Few:
		r.Note = noteFew
	}
	if len(spans) == 0 {
		return r
	}
	t := timesOf(spans)
	r.tell(t, spans)
	if r.AtMost = tellers(subject) > 1; r.Note != "" {
		return r
	}
	r.Needs = t.need(o.Margin)
	r.because = fmt.Sprintf("which is %g times %d s, the earliest that fits the 99th percentile, and %d s for how "+
		"late Ready can come", o.Margin, t.early, t.blur)
	switch r.Needs {
	case t.longest:
		r.because = "as long as the longest"
	case t.beyond():
		r.because = fmt.Sprintf("since %d s were too short for some", t.killed)
	}
	a := adviser{subject: subject, Container: c, times: t, budget: r.Needs}
	a.probes()
	if advice, ok := graceFor(subject, c, s.stops); ok {
		a.all = append(a.all, advice)
	}
	if r.Advice = append(r.Advice, a.all...); len(r.Advice) == 0 {
		r.Note = noteFits
	}
	return r
}

func (r *Result) tell(t times, spans []Span) {
	seen := func(seconds int64) int64 {
		if seconds == unseen {
			return 0
		}
		return seconds
	}
	r.Median, r.P99, r.Longest, r.Late = seen(t.median), seen(t.p99), t.longest, t.blur
	for _, span := range spans {
		if span.AtMost == unseen {
			r.Killed++
		}
	}
}

// tellers counts the containers whose probes say when they are up: the pod is Ready with the last of them.
func tellers(s *pod.Subject) (n int) {
	for i := range s.Containers {
		if _, tells := clockOf(s, &s.Containers[i]); tells {
			n++
		}
	}
	return n
}

func containerOf(s *pod.Subject, name string) *pod.Container {
	for i := range s.Containers {
		if s.Containers[i].Name == name {
			return &s.Containers[i]
		}
	}
	return nil
}

func spreadOf(seconds []int64) *Spread {
	if len(seconds) == 0 {
		return nil
	}
	sorted := slices.Sorted(slices.Values(seconds))
	return &Spread{sorted[(len(sorted)-1)/2], sorted[len(sorted)-1]}
}

func stopsOf(stops []stop) *Stops {
	if len(stops) == 0 {
		return nil
	}
	all := Stops{Count: len(stops)}
	var seconds []int64
	for _, one := range stops {
		seconds = append(seconds, one.seconds)
		if one.forced {
			all.Forced++
		}
	}
	all.Spread = *spreadOf(seconds)
	return &all
}
