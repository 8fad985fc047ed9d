package timeline_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/podvet/podvet/rules/timeline"
)

const (
	neverServes = 24 * time.Hour
	liveness    = "livenessProbe: {httpGet: {port: 80}}"
	readiness   = "readinessProbe: {httpGet: {port: 80}}"
)

// TestKillOfABoot: guaranteed and worst, to which in 1.35 the kubelet's lag comes: up to 1 s for news of a start.
func TestKillOfABoot(t *testing.T) {
	for _, c := range []struct {
		what, probes string
		does         timeline.Behavior
		from, to     float64
		lag          float64
	}{
		{"30 times 10 s, refused", "startupProbe: {httpGet: {port: 80}, failureThreshold: 30}",
			timeline.Behavior{Boot: neverServes}, 290, 300, 1},
		{"30 times 10 s, hangs", "startupProbe: {httpGet: {port: 80}, failureThreshold: 30}",
			timeline.Behavior{HangAfter: 1}, 291, 301, 1},
		{"3 times 2 s", "startupProbe: {exec: {command: [x]}, periodSeconds: 2}",
			timeline.Behavior{Boot: neverServes}, 4, 6, 1},
		{"liveness alone", liveness, timeline.Behavior{Boot: neverServes}, 20, 30, 1},
		{"liveness with a delay", "livenessProbe: {httpGet: {port: 80}, initialDelaySeconds: 30}",
			timeline.Behavior{Boot: neverServes}, 49, 60, 0},
		{"a timeout above the period", "livenessProbe: {httpGet: {port: 80}, periodSeconds: 5, timeoutSeconds: 30}",
			timeline.Behavior{HangAfter: 1}, 90, 95, 1},
		{"refused by grpc waits", "livenessProbe: {grpc: {port: 80}, timeoutSeconds: 5}",
			timeline.Behavior{Boot: neverServes}, 25, 35, 1},
	} {
		for kubelet, lag := range map[int]float64{35: c.lag, 36: 0, 37: 0} {
			found := inRange(t, fmt.Sprintf("%s, 1.%d", c.what, kubelet), c.from, c.to+lag+0.01)
			scenario := with(6*time.Minute, c.does)
			scenario.Kubelet = kubelet
			each(one(t, c.probes), scenario, func(seed uint64, life *timeline.Life) {
				found.see(seed, kills(life, "app")[0])
			})
			found.reached(0.8)
		}
	}
}

// TestHang: it is found within (T+(F-1)P, P+(F-1)P+T]. The sync that kills may wait 1 s for news of the runtime.
func TestHang(t *testing.T) {
	const hang = 200 * time.Second
	kill, out := inRange(t, "liveness", 21, 32), inRange(t, "readiness", 21, 31)
	each(one(t, liveness+", "+readiness), with(4*time.Minute, timeline.Behavior{HangAt: hang}),
		func(seed uint64, life *timeline.Life) {
			kill.see(seed, life.Of("app", timeline.Killing)[0].At-hang)
			for _, e := range life.Of("", timeline.OutOfEndpoints) {
				if e.At <= hang+31*time.Second { // a kill that comes first does not take the pod out
					out.see(seed, e.At-hang)
				}
			}
		})
	kill.reached(1.2)
	out.reached(1)
}

// TestErrorsAreThrownAway: a port that is not declared neither fails nor succeeds.
func TestErrorsAreThrownAway(t *testing.T) {
	for probe, want := range map[string]string{
		"startupProbe":   "0/1 ContainerCreating 0, 0/1 Running 0",
		"readinessProbe": "0/1 ContainerCreating 0, 0/1 Running 0",
		"livenessProbe":  "0/1 ContainerCreating 0, 1/1 Running 0",
	} {
		s := one(t, probe+": {httpGet: {port: web}}")
		each(s, with(10*time.Minute, timeline.Behavior{HangAt: time.Minute}), func(seed uint64, life *timeline.Life) {
			if got := printed(life); got != want {
				t.Errorf("%s, seed %d: %s", probe, seed, got)
			}
		})
	}
}

// TestThresholdsAreCarriedOver to the next container.
func TestThresholdsAreCarriedOver(t *testing.T) {
	// Two failures, a crash, and the first failure of the new container kills it. Back-off does not matter yet.
	s := one(t, "livenessProbe: {exec: {command: [x]}, periodSeconds: 5}")
	does := timeline.Behavior{Boot: neverServes, Crash: 13 * time.Second, Crashes: 1, ExitCode: 1}
	carried := 0
	each(s, with(time.Minute, does), func(seed uint64, life *timeline.Life) {
		failed := 0
		for _, e := range life.Of("app", timeline.Probed) {
			failed += min(1, max(0, 1-e.Restart))
		}
		second := kills(life, "app")[0]
		if failed == 2 {
			carried++
			if second > 6100*time.Millisecond {
				t.Errorf("seed %d: the second container lives for %v", seed, second)
			}
		}
	})
	if carried < 20 {
		t.Errorf("only %d lives with two failures", carried)
	}
	// Three successes are needed, and after a restart one is enough.
	s = one(t, "readinessProbe: {exec: {command: [x]}, successThreshold: 3}")
	does = timeline.Behavior{Crash: 2 * time.Minute, Crashes: 1, ExitCode: 1}
	each(s, with(4*time.Minute, does), func(seed uint64, life *timeline.Life) {
		ready, created := life.Of("app", timeline.Ready), life.Of("app", timeline.Created)
		if len(ready) != 2 || ready[1].At-created[1].At > 11500*time.Millisecond {
			t.Errorf("seed %d: ready at %v", seed, ready)
		}
	})
}

// TestIntervals: a probe begins a period or its duration after the one before, and one missed tick is kept.
func TestIntervals(t *testing.T) {
	second := time.Second
	for _, c := range []struct {
		probe string
		does  timeline.Behavior
		want  []time.Duration // between probes, from the first one on
	}{
		{"periodSeconds: 1, timeoutSeconds: 9", timeline.Behavior{Answer: 2500 * time.Millisecond},
			[]time.Duration{2500 * time.Millisecond, 2500 * time.Millisecond, 2500 * time.Millisecond}},
		{"periodSeconds: 3, timeoutSeconds: 9", timeline.Behavior{Answer: second},
			[]time.Duration{3 * second, 3 * second, 3 * second}},
		{"periodSeconds: 10, timeoutSeconds: 15, failureThreshold: 9", timeline.Behavior{HangAt: 25 * second},
			[]time.Duration{10 * second, 10 * second, 10 * second, 15 * second, 15 * second}},
	} {
		s := one(t, "livenessProbe: {exec: {command: [x]}, "+c.probe+"}")
		timing := timeline.Timing{Workers: map[string]time.Duration{"app/livenessProbe": 900 * time.Millisecond}}
		life := timeline.Simulate(s, with(90*second, c.does), timing)
		var got []time.Duration
		probes := life.Of("app", timeline.Probed)
		for i := 1; i < len(probes) && len(got) < len(c.want); i++ {
			got = append(got, probes[i].Began-probes[i-1].Began)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.probe, got, c.want)
		}
	}
}

// TestReadinessIsWoken: once the container is started, most often the readinessProbe runs at once.
func TestReadinessIsWoken(t *testing.T) {
	s := one(t, "startupProbe: {exec: {command: [x]}, periodSeconds: 3, failureThreshold: 99}, "+readiness)
	each(s, with(time.Minute, timeline.Behavior{Boot: 20 * time.Second}), func(seed uint64, life *timeline.Life) {
		started, ready := life.Of("app", timeline.Started), life.Of("app", timeline.Ready)
		if len(started) != 1 || len(ready) != 1 || ready[0].At-started[0].At > time.Second {
			t.Errorf("seed %d: started %v, ready %v", seed, started, ready)
		}
	})
}

// TestLateGate: after a liveness kill kubelets 1.35 to 1.37 let liveness probe before the startupProbe has run.
func TestLateGate(t *testing.T) {
	does := timeline.Behavior{Boot: 12 * time.Second, HangAfter: 30 * time.Second}
	kill := func(kubelet int, startup string) (early int) {
		s := one(t, "livenessProbe: {exec: {command: [x]}, periodSeconds: 3}, "+
			"startupProbe: {exec: {command: [x]}, "+startup+"}")
		scenario := with(3*time.Minute, does)
		scenario.Kubelet = kubelet
		each(s, scenario, func(_ uint64, life *timeline.Life) {
			for _, lived := range kills(life, "app") {
				if lived < does.Boot {
					early++
				}
			}
		})
		return early
	}
	for kubelet, want := range map[int]bool{34: false, 35: true, 36: true, 37: true, 38: false} {
		if early := kill(kubelet, "periodSeconds: 10, failureThreshold: 6"); early > 20 != want {
			t.Errorf("1.%d: %d kills of a boot", kubelet, early)
		}
	}
	if early := kill(37, "periodSeconds: 3, failureThreshold: 21"); early > 0 {
		t.Errorf("with a short startup period: %d kills of a boot", early)
	}
}

// TestUnreadyAfterLivenessKill: only a readinessProbe takes the pod out of the endpoints when the app is killed: the
// next status is made when the new container runs.
func TestUnreadyAfterLivenessKill(t *testing.T) {
	does := timeline.Behavior{HangAt: time.Minute, StopTakes: time.Hour}
	each(one(t, liveness), with(3*time.Minute, does), func(seed uint64, life *timeline.Life) {
		out, kill := life.Of("", timeline.OutOfEndpoints), life.Of("app", timeline.SigKill)
		if len(kill) != 1 || len(out) > 0 {
			t.Errorf("seed %d: out of the endpoints %v, killed %v", seed, out, kill)
		}
	})
}
