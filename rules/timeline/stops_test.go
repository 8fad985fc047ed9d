package timeline_test

import (
	"strings"
	"testing"
	"time"

	"github.com/podvet/podvet/rules/timeline"
)

// TestGracePeriods: preStop is inside the grace period, and at least 2 s are left after it.
func TestGracePeriods(t *testing.T) {
	const sleep15 = "lifecycle: {preStop: {sleep: {seconds: 15}}}"
	const sleep40 = "lifecycle: {preStop: {exec: {command: [sleep, '40']}}}"
	for _, c := range []struct {
		what, container string
		grace           string
		takes           time.Duration
		term, ended     time.Duration // from the deletion
		code            int32
	}{
		{"a clean stop", "", "30", 5 * time.Second, 0, 5 * time.Second, 0},
		{"one that ignores SIGTERM", "", "30", time.Hour, 0, 30 * time.Second, 137},
		{"preStop", sleep15, "30", time.Hour, 15 * time.Second, 30 * time.Second, 137},
		{"preStop, a clean stop", sleep15, "30", 4 * time.Second, 15 * time.Second, 19 * time.Second, 0},
		{"preStop beyond grace", sleep40, "30", time.Hour, 30 * time.Second, 32 * time.Second, 137},
		{"a shell that sleeps", "lifecycle: {preStop: {exec: {command: [sh, -c, 'sleep 7; x']}}}", "30", time.Hour,
			7 * time.Second, 30 * time.Second, 137},
		{"no grace", sleep40, "0", time.Hour, time.Second, 3 * time.Second, 137},
		{"a hook that cannot run", "lifecycle: {preStop: {tcpSocket: {port: 80}}}", "30", 0, 0, 0, 0},
	} {
		s := podOf(t, "terminationGracePeriodSeconds: "+c.grace+
			"\ncontainers: [{name: app, image: x, "+c.container+"}]")
		scenario := with(5*time.Minute, timeline.Behavior{StopTakes: c.takes})
		scenario.DeleteAt = time.Minute
		each(s, scenario, func(seed uint64, life *timeline.Life) {
			// The kubelet may have to wait for news of the runtime only after a sync: here there is none.
			term, exited := life.Of("app", timeline.SigTerm), life.Of("app", timeline.Exited)
			if len(term) != 1 || !near(term[0].At, time.Minute+c.term) || len(exited) != 1 ||
				!near(exited[0].At, time.Minute+c.ended) || exited[0].ExitCode != c.code {
				t.Errorf("%s, seed %d: SIGTERM %v, exited %v", c.what, seed, term, exited)
			}
			if out := life.Of("", timeline.OutOfEndpoints); len(out) != 1 || out[0].At != time.Minute {
				t.Errorf("%s, seed %d: out of the endpoints %v", c.what, seed, out)
			}
			got := printed(life)
			if strings.Contains(got, ", 1/1 Terminating 0, ") != (c.grace != "0") || lastPrinted(life) != "" {
				t.Errorf("%s, seed %d: %s", c.what, seed, got)
			}
		})
	}
}

// TestGraceOfAProbe is the kill's, but not where the container is not restarted.
func TestGraceOfAProbe(t *testing.T) {
	const probe = "livenessProbe: {httpGet: {port: 80}, terminationGracePeriodSeconds: 5}"
	for policy, want := range map[string]time.Duration{"Always": 5 * time.Second, "Never": 30 * time.Second} {
		s := podOf(t, "restartPolicy: "+policy+"\ncontainers: [{name: app, image: x, "+probe+"}]")
		does := timeline.Behavior{HangAt: time.Minute, StopTakes: time.Hour}
		each(s, with(4*time.Minute, does), func(seed uint64, life *timeline.Life) {
			kill, exited := life.Of("app", timeline.Killing), life.Of("app", timeline.Exited)
			if kill[0].Grace != want || exited[0].At-kill[0].At != want {
				t.Errorf("%s, seed %d: killed %v, exited %v", policy, seed, kill, exited)
			}
		})
	}
}

// TestOrderOfTheEnd: sidecars stop after the app containers, the last one first, their preStop runs at once, and all
// share one grace period.
func TestOrderOfTheEnd(t *testing.T) {
	s := podOf(t, `
terminationGracePeriodSeconds: 30
initContainers:
- {name: first, image: x, restartPolicy: Always}
- {name: second, image: x, restartPolicy: Always, lifecycle: {preStop: {sleep: {seconds: 3}}}}
containers:
- {name: app, image: x}
- {name: other, image: x}`)
	for _, c := range []struct{ app, second, wantSecond, wantFirst time.Duration }{
		{10 * time.Second, 4 * time.Second, 10 * time.Second, 14 * time.Second},
		{time.Second, 4 * time.Second, 3 * time.Second, 7 * time.Second},
		{time.Hour, time.Second, 30 * time.Second, 30 * time.Second},
	} {
		scenario := with(5*time.Minute, timeline.Behavior{StopTakes: c.app})
		scenario.Containers["second"] = timeline.Behavior{StopTakes: c.second}
		scenario.DeleteAt = time.Minute
		each(s, scenario, func(seed uint64, life *timeline.Life) {
			hook := life.Of("second", timeline.PreStop)
			second, first := life.Of("second", timeline.SigTerm)[0], life.Of("first", timeline.SigTerm)[0]
			if !near(second.At, time.Minute+c.wantSecond) || !near(first.At, time.Minute+c.wantFirst) ||
				len(hook) != 1 || !near(hook[0].At, time.Minute+3*time.Second) {
				t.Errorf("app takes %v, seed %d: second %v, first %v, preStop %v",
					c.app, seed, second.At, first.At, hook)
			}
		})
	}
}

// TestReadinessAtTheEnd: it is probed on while the pod is deleted, by exec only from 1.37 on.
func TestReadinessAtTheEnd(t *testing.T) {
	for kubelet, goesOn := range map[int]bool{35: false, 36: false, 37: true} {
		s := one(t, "readinessProbe: {exec: {command: [x]}, periodSeconds: 2}, "+
			"lifecycle: {preStop: {sleep: {seconds: 20}}}")
		scenario := with(2*time.Minute, timeline.Behavior{HangAt: 65 * time.Second})
		scenario.Kubelet, scenario.DeleteAt = kubelet, time.Minute
		each(s, scenario, func(seed uint64, life *timeline.Life) {
			ended := life.Of("app", timeline.NotReady)
			if len(ended) == 0 || ended[0].At < 78*time.Second != goesOn {
				t.Errorf("1.%d, seed %d: not ready at %v", kubelet, seed, ended)
			}
		})
	}
}
