package timeline_test

import (
	"math"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/podvet/podvet/rules/pod"
	"github.com/podvet/podvet/rules/timeline"
)

// podOf reads the spec of a pod, with defaults.
func podOf(t testing.TB, spec string) *pod.Subject {
	t.Helper()
	p := &corev1.Pod{}
	if err := yaml.UnmarshalStrict([]byte(spec), &p.Spec); err != nil {
		t.Fatalf("%s: %v", spec, err)
	}
	s, _ := pod.Read(p)
	return s
}

// one is a pod with one container, of which the fields are given.
func one(t testing.TB, container string) *pod.Subject {
	t.Helper()
	return podOf(t, "containers:\n- {name: app, image: x, "+container+"}")
}

// with is a scenario of the container app.
func with(length time.Duration, does timeline.Behavior) timeline.Scenario {
	return timeline.Scenario{Kubelet: pod.Newest, Length: length, Containers: map[string]timeline.Behavior{"app": does}}
}

// each runs a scenario with many timings.
func each(s *pod.Subject, scenario timeline.Scenario, look func(seed uint64, life *timeline.Life)) {
	for seed := range uint64(150) {
		look(seed, timeline.Simulate(s, scenario, timeline.Drawn(s, seed)))
	}
}

// within checks that times in many lives are in a range, and come near both of its ends.
type within struct {
	t            *testing.T
	what         string
	from, to     float64
	first, final float64
	seen         bool
}

func inRange(t *testing.T, what string, from, to float64) *within {
	return &within{t: t, what: what, from: from, to: to, first: math.Inf(1)}
}

func (w *within) see(seed uint64, at time.Duration) {
	w.t.Helper()
	s := at.Seconds()
	if s < w.from || s > w.to {
		w.t.Errorf("%s, seed %d: at %.3f s, not within %.1f and %.1f", w.what, seed, s, w.from, w.to)
	}
	w.first, w.final, w.seen = min(w.first, s), max(w.final, s), true
}

// reached fails where the range says little.
func (w *within) reached(margin float64) {
	w.t.Helper()
	if !w.seen || w.first > w.from+margin || w.final < w.to-margin {
		w.t.Errorf("%s: seen within %.1f and %.1f, want %.1f and %.1f", w.what, w.first, w.final, w.from, w.to)
	}
}

// lastPrinted is what kubectl prints at the end.
func lastPrinted(life *timeline.Life) string {
	if len(life.Printed) == 0 {
		return ""
	}
	return life.Printed[len(life.Printed)-1].State
}

// printed are all rows, without repetitions.
func printed(life *timeline.Life) string {
	var rows []string
	for _, span := range life.Printed {
		rows = append(rows, span.State)
	}
	return strings.Join(rows, ", ")
}

func phases(life *timeline.Life) string {
	var all []string
	for _, span := range life.Phases {
		all = append(all, span.State)
	}
	return strings.Join(all, " ")
}

// kills are when a container is killed, from the start of its instance.
func kills(life *timeline.Life, container string) (lived []time.Duration) {
	created := life.Of(container, timeline.Created)
	for _, kill := range life.Of(container, timeline.Killing) {
		lived = append(lived, kill.At-created[kill.Restart].At)
	}
	return lived
}

// near tells whether something happens at a time, but for what the kubelet takes for small things.
func near(at, want time.Duration) bool { return at >= want && at < want+10*time.Millisecond }
