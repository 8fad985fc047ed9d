package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
)

// results are all turns, by case and handler.
type results struct{ of map[string][]result }

func (r *results) add(c benchCase, h handler, one result) {
	if r.of == nil {
		r.of = map[string][]result{}
	}
	key := c.name() + h.name
	r.of[key] = append(r.of[key], one)
}

// middle is the median of the turns' rates, and how far the lowest and the highest are from each other in percent of
// it.
func (r *results) middle(c benchCase, h handler) (median, spread float64) {
	rates := make([]float64, 0, len(r.of[c.name()+h.name]))
	for _, one := range r.of[c.name()+h.name] {
		rates = append(rates, one.PerSecond)
	}
	slices.Sort(rates)
	median = rates[len(rates)/2]
	return median, 100 * (rates[len(rates)-1] - rates[0]) / median
}

// ratio is the median, over the rounds, of what a handler reached of another in the same round.
func (r *results) ratio(c benchCase, h, other handler) float64 {
	all := make([]float64, 0, len(r.of[c.name()+h.name]))
	others := r.of[c.name()+other.name]
	for i, one := range r.of[c.name()+h.name] {
		all = append(all, one.PerSecond/others[i].PerSecond)
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// typical is the median of a time over the turns.
func (r *results) typical(c benchCase, h handler, of func(result) time.Duration) time.Duration {
	all := make([]time.Duration, 0, len(r.of[c.name()+h.name]))
	for _, one := range r.of[c.name()+h.name] {
		all = append(all, of(one))
	}
	slices.Sort(all)
	return all[len(all)/2].Round(time.Microsecond)
}

// print writes a table in Markdown: requests per second, and in parentheses the ratio to a handler that decodes nothing
// and the spread of the rounds.
func (r *results) print(w io.Writer, cases []benchCase, handlers []handler) {
	var head, line strings.Builder
	for _, h := range handlers {
		fmt.Fprintf(&head, " %s |", h.name)
		line.WriteString("---:|")
	}
	_, _ = fmt.Fprintf(w, "| requests per second |%s\n|---|%s\n", head.String(), line.String())
	for _, c := range cases {
		_, _ = fmt.Fprintf(w, "| %s |", c.name())
		for _, h := range handlers {
			median, spread := r.middle(c, h)
			_, _ = fmt.Fprintf(w, " %.0f (%.2f, +-%.0f %%) |", median, r.ratio(c, h, handlers[0]), spread/2)
		}
		_, _ = fmt.Fprintln(w)
	}
	usual := cases[max(slices.IndexFunc(cases, func(c benchCase) bool { return c.clients == 8 && !c.http2 }), 0)]
	_, _ = fmt.Fprintln(w)
	for _, h := range handlers {
		_, _ = fmt.Fprintf(w, "%s, %s: %s of a processor for an answer, %.2f of nothing, %.2f of controller-runtime\n",
			usual.name(), h.name, r.typical(usual, h, func(t result) time.Duration { return t.server }),
			r.ratio(usual, h, handlers[0]), r.ratio(usual, h, handlers[1]))
	}
	for _, one := range cases {
		if one.clients > 1 || one.title == usualTitle {
			continue
		}
		for _, h := range handlers {
			if h.ready > 0 { // podvet
				_, _ = fmt.Fprintf(w, "%s, %s: half of the answers within %s\n", one.name(), h.name,
					r.typical(one, h, func(t result) time.Duration { return t.P50 }))
			}
		}
	}
}

// printProcesses says what each process needed: its peak of resident memory, and podvet's time until it served.
func printProcesses(w io.Writer, handlers []handler) error {
	for _, h := range handlers {
		if h.name == "/validate" {
			continue // the process of /mutate
		}
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", h.process.Pid))
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(status)) {
			if peak, ok := strings.CutPrefix(line, "VmHWM:"); ok {
				_, _ = fmt.Fprintf(w, "%s: %s resident at most\n", h.name, strings.TrimSpace(peak))
			}
		}
		if h.ready > 0 {
			_, _ = fmt.Fprintf(w, "podvet served %s after its start\n", h.ready.Round(time.Millisecond))
		}
	}
	return nil
}
