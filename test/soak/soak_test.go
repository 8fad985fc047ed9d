// Package soak has two replicas of podvet judge pods on a real control plane while everything around them fails, and
// compares each answer with what Vet says under a policy that was in force.
package soak

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podvet/podvet/test/podvet"
)

var (
	length = flag.Duration("length", 2*time.Minute, "how long pods are created")
	seed   = flag.Uint64("seed", 1, "of what happens meanwhile")
	rate   = flag.Int("rate", 10, "creations per second")
)

func TestSoak(t *testing.T) {
	s := &storm{site: newSite(t)}
	first, err := s.admin.CoreV1().ConfigMaps(home).Get(t.Context(), policies, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s.written = []*written{{kind: goodPolicy, text: first.Data["policy.yaml"]}}
	for slot := range s.proxies {
		r, err := s.start(t.Context(), t, slot)
		if err == nil {
			err = s.awaitEndpoint(t.Context(), r)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(5 * time.Second) // the API server follows the bundles
	s.load = newLoad(t, s.site)

	start := time.Now()
	ctx, stop := context.WithTimeout(t.Context(), *length)
	defer stop()
	var running sync.WaitGroup
	for _, tr := range tracks {
		running.Go(func() { s.follow(ctx, t, start, schedule(*seed, *length)[tr.name]) })
	}
	running.Go(func() { s.reconnect(ctx, t) })
	running.Go(func() { s.watchMachine(ctx) })
	s.load.run(ctx, *seed, *rate)
	running.Wait()
	s.healthy(t)
	s.load.note(t, s.api.AuditLog)
	s.judge(t)
}

// healthy checks that both replicas are ready once all is over, and have kept nothing of it.
func (s *storm) healthy(t *testing.T) {
	t.Helper()
	for slot := range s.proxies {
		r, _ := s.in(slot)
		if err := s.awaitEndpoint(t.Context(), r); err != nil {
			t.Error(err)
			continue
		}
		metrics, err := podvet.Fetch(r.Metrics)
		if err != nil {
			t.Error(err)
			continue
		}
		goroutines, resident := gauge(metrics, "go_goroutines"), gauge(metrics, "process_resident_memory_bytes")
		t.Logf("replica %d has %.0f goroutines and %.0f MiB", r.id, goroutines, resident/(1<<20))
		if goroutines < 1 || goroutines > 500 || resident > 200<<20 {
			t.Errorf("replica %d keeps too much; its log is %s", r.id, r.Log)
		}
	}
}

// gauge is the value of a metric without labels, 0 where there is none.
func gauge(metrics, name string) float64 {
	for line := range strings.Lines(metrics) {
		if value, is := strings.CutPrefix(line, name+" "); is {
			number, _ := strconv.ParseFloat(strings.TrimSpace(value), 64)
			return number
		}
	}
	return 0
}

// judge compares all with the model, and tells how it went.
func (s *storm) judge(t *testing.T) {
	t.Helper()
	m := newModel(t, s)
	reads := map[*replica][]*creation{}
	excused := map[string]int{}
	seen := map[string]int{}
	wrongs := 0
	slices.SortFunc(s.load.made, func(a, b *creation) int { return a.start.Compare(b.start) })
	for _, c := range s.load.made {
		r := s.judgedBy(c)
		excuse, wrong := m.check(c, r)
		switch {
		case wrong != "":
			about, _, _ := strings.Cut(wrong, ":")
			seen["wrong, "+about]++
			if wrongs++; wrongs <= 20 {
				t.Errorf("%s %s (%s), %v: %s; meanwhile: %s\n%s", c.start.Format(time.StampMilli), c.id, c.shape.name,
					c.end.Sub(c.start).Round(time.Millisecond), wrong, strings.Join(m.during(c), ", "), s.told(c))
			}
		case excuse != "":
			excused[excuse]++
		default:
			seen[outcome(c)]++
			if r != nil && c.audit.validatedBy != "" {
				reads[r] = append(reads[r], c)
			}
		}
	}
	for _, r := range s.all {
		if err := m.forward(r, reads[r]); err != nil {
			t.Error(err)
		}
	}
	for _, problem := range s.problems {
		t.Error(problem)
	}
	for _, r := range s.all {
		s.truthful(t, r)
	}
	for _, kind := range []string{"denied", "fixed", "admitted", "dry run"} {
		if seen[kind] == 0 {
			t.Errorf("no pod was %s: %v", kind, seen)
		}
	}
	t.Logf("%d creations in %v, seed %d: %v, %d wrong; %d processes, %d policies, %d bad ones refused; logs in %s\n%s",
		len(s.load.made), *length, *seed, seen, wrongs, len(s.all), len(s.written), s.refused, s.logs,
		m.table(s.load.made, excused, m.lags(reads)))
}

// truthful looks for lines in a replica's log that cannot be true here: a good policy was there from the start.
func (s *storm) truthful(t *testing.T, r *replica) {
	t.Helper()
	log, err := os.ReadFile(r.Log)
	if err != nil {
		t.Error(err)
	}
	for _, words := range []string{"there never was a good one", `"msg":"panic"`} {
		if bytes.Contains(log, []byte(words)) {
			t.Errorf("replica %d says %q; its log is %s", r.id, words, r.Log)
		}
	}
}

func outcome(c *creation) string {
	switch {
	case c.err != nil:
		return "denied"
	case c.dryRun:
		return "dry run"
	case c.fixed != "":
		return "fixed"
	}
	return "admitted"
}

// judgedBy is the replica that judged a creation, nil where two may have taken reviews meanwhile.
func (s *storm) judgedBy(c *creation) *replica {
	var by *replica
	for _, r := range s.all {
		if r.mayBeUsed("validate", c.start, c.end) {
			if by != nil {
				return nil
			}
			by = r
		}
	}
	return by
}

// told is what happened to the connections while a pod was created.
func (s *storm) told(c *creation) string {
	var all []event
	for _, r := range s.all {
		for _, e := range r.told {
			if e.at.After(c.start.Add(-time.Second)) && e.at.Before(c.end.Add(time.Second)) {
				all = append(all, e)
			}
		}
	}
	slices.SortFunc(all, func(a, b event) int { return a.at.Compare(b.at) })
	var text strings.Builder
	for _, e := range all[:min(len(all), 30)] {
		fmt.Fprintf(&text, "    %s %s\n", e.at.Format(time.StampMilli), e.text)
	}
	return text.String()
}

// during names what was the matter while a pod was created, or just before.
func (m *model) during(c *creation) (kinds []string) {
	for _, f := range m.windows {
		if f.from.Before(c.end) && f.to.Add(3*time.Second).After(c.start) {
			kinds = append(kinds, fmt.Sprintf("%s of %d from %s to %s", f.kind, f.replica,
				f.from.Format(time.StampMilli), f.to.Format(time.StampMilli)))
		}
	}
	return kinds
}

// table is how creations fared while something was the matter, by its kind.
func (m *model) table(made []*creation, excused map[string]int, lags map[int]time.Duration) string {
	var text strings.Builder
	text.WriteString("\n| meanwhile | times | creations | failed, as they may | p50 | p99 | p99.9 | longest |\n" +
		"|---|---|---|---|---|---|---|---|\n")
	kinds := []string{"nothing"}
	for _, tr := range tracks {
		kinds = append(kinds, tr.kinds...)
	}
	kinds = append(kinds, stalled)
	for i, kind := range kinds {
		if slices.Contains(kinds[:i], kind) {
			continue
		}
		times, windows := 0, []window(nil)
		for _, f := range m.windows {
			if f.kind == kind || kind == "nothing" {
				times, windows = times+1, append(windows, f)
			}
		}
		var took []time.Duration
		for _, c := range made {
			in := slices.ContainsFunc(windows, func(f window) bool {
				return c.start.Before(f.to.Add(time.Second)) && c.end.After(f.from)
			})
			if in == (kind != "nothing") && (c.err == nil || denied(c.err)) {
				took = append(took, c.end.Sub(c.start))
			}
		}
		slices.Sort(took)
		if kind == "nothing" {
			times = 0
		}
		ms := func(q float64) time.Duration { return quantile(took, q).Round(time.Millisecond) }
		fmt.Fprintf(&text, "| %s | %d | %d | %d | %v | %v | %v | %v |\n", kind, times, len(took), excused[kind],
			ms(0.5), ms(0.99), ms(0.999), ms(1))
	}
	var all []time.Duration
	for _, lag := range lags {
		all = append(all, lag)
	}
	slices.Sort(all)
	fmt.Fprintf(&text, "\nA policy was in force everywhere after %v (median), %v (longest).\n",
		quantile(all, 0.5).Round(time.Millisecond), quantile(all, 1).Round(time.Millisecond))
	return text.String()
}
