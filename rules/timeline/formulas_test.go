package timeline_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/podvet/podvet/rules/pod"
	"github.com/podvet/podvet/rules/timeline"
)

// lag is how long it takes at most until the kubelet knows a container.
const lag = time.Second

// randomProbe is one of a kind, in YAML.
func randomProbe(r *rand.Rand, kind pod.ProbeKind) string {
	among := func(n ...int) int { return n[r.IntN(len(n))] }
	handlers := [...]string{"exec: {command: [x]}", "httpGet: {port: 80}", "grpc: {port: 80}",
		"tcpSocket: {port: 80}"}
	successes := 1
	if kind == pod.Readiness {
		successes = among(1, 1, 2, 3)
	}
	return fmt.Sprintf("%s: {%s, initialDelaySeconds: %d, periodSeconds: %d, timeoutSeconds: %d, "+
		"failureThreshold: %d, successThreshold: %d}", kind, handlers[r.IntN(4)],
		among(0, 0, 1, 3, 7, 20), among(1, 2, 3, 5, 7, 10, 10, 30),
		among(1, 1, 2, 3, 5, 10, 30), among(1, 2, 3, 3, 5, 10, 30), successes)
}

// TestFormulas: what rules/pod says of a probe holds in every simulation: no kill before guaranteed, none after worst,
// and a boot between these is all that can go either way.
func TestFormulas(t *testing.T) {
	r := rand.New(rand.NewPCG(25, 6))
	killedBoots, boots, hangs, spared := 0, 0, 0, 0
	for i := range 2500 {
		var probes []string
		for _, kind := range pod.ProbeKinds {
			if r.IntN(4) > 0 {
				probes = append(probes, randomProbe(r, kind))
			}
		}
		s := one(t, strings.Join(probes, ", "))
		c := &s.Containers[0]
		boot := time.Duration(r.Int64N(int64(6 * time.Minute)))
		does := timeline.Behavior{Boot: boot, StopTakes: time.Duration(r.IntN(40)) * time.Second,
			Answer: time.Duration(r.Int64N(int64(3 * time.Second)))}
		if r.IntN(2) == 0 {
			does.HangAfter = boot + time.Duration(r.Int64N(int64(5*time.Minute)))
		}
		scenario := with(25*time.Minute, does)
		scenario.Kubelet = 35 + r.IntN(4)
		life := timeline.Simulate(s, scenario, timeline.Drawn(s, uint64(i)))
		gate, ok := c.ProbeOf(pod.Startup)
		if !ok {
			gate, ok = c.ProbeOf(pod.Liveness)
		}
		kills := kills(life, "app")
		if len(kills) == 0 {
			spared++
		}
		if !ok {
			if len(kills) > 0 {
				t.Errorf("%s: killed after %v", probes, kills)
			}
			continue
		}
		what := fmt.Sprintf("%s, boots in %v, hangs at %v", probes, boot, does.HangAfter)
		guaranteed, worst := bounds(gate)
		for i, kill := range life.Of("app", timeline.Killing) {
			lived := kills[i]
			if kill.Restart > 0 && scenario.Kubelet < 38 {
				break // liveness may end a boot late, and its startupProbe's failures count for the next
			}
			if kill.Text == gate.Kind.String() && lived < boot {
				killedBoots++
				if lived < guaranteed || lived > worst+lag {
					t.Errorf("%s: killed at %v, guaranteed %v, worst %v", what, lived, guaranteed, worst)
				}
			}
		}
		switch {
		case boot < guaranteed-time.Second:
			boots++
			if len(kills) > 0 && kills[0] < boot {
				t.Errorf("%s: killed at %v, guaranteed %v", what, kills[0], guaranteed)
			}
		case boot > worst+lag && (len(kills) == 0 || kills[0] > worst+lag):
			t.Errorf("%s: not killed at %v", what, worst)
		}
		watch, ok := c.ProbeOf(pod.Liveness)
		hang := does.HangAfter
		if ok && hang > 0 && len(kills) > 0 && kills[0] > hang && startedAt(life) < hang {
			hangs++
			_, worst := bounds(watch)
			delay := time.Duration(watch.Delay()) * time.Second
			latest := max(hang, delay) + does.Answer + worst - delay + lag
			if kills[0] > latest {
				t.Errorf("%s: killed at %v, latest %v", what, kills[0], latest)
			}
		}
	}
	if killedBoots < 1000 || boots < 300 || hangs < 100 || spared < 300 {
		t.Errorf("%d boots are killed, %d are safe, %d hangs are found, %d pods live",
			killedBoots, boots, hangs, spared)
	}
}

func startedAt(life *timeline.Life) time.Duration {
	if started := life.Of("app", timeline.Started); len(started) > 0 {
		return started[0].At
	}
	return neverServes
}

// bounds are guaranteed, 1 s less with a delay, and worst.
func bounds(p pod.Probe) (guaranteed, worst time.Duration) {
	guaranteed, worst = time.Duration(p.Guaranteed())*time.Second, time.Duration(p.Worst())*time.Second
	if p.Delay() > 0 {
		guaranteed -= time.Second
	}
	return guaranteed, worst
}
