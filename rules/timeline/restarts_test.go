package timeline_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/podvet/podvet/rules/timeline"
)

// waits are what passes between the end of a container and the next start.
func waits(life *timeline.Life) (list []time.Duration) {
	created, exited := life.Of("app", timeline.Created), life.Of("app", timeline.Exited)
	for i := 1; i < len(created); i++ {
		list = append(list, created[i].At-exited[i-1].At)
	}
	return list
}

// TestCrashLoop: the first restart is immediate, then 10, 20, 40 up to 300 s. The kubelet looks again when the wait is
// over, or after 60 s, which is stretched by up to a half.
func TestCrashLoop(t *testing.T) {
	want := []float64{0, 10, 20, 40, 80, 160, 300, 300}
	latest := []float64{0, 15, 30, 60, 90, 180, 330, 330}
	found := make([]*within, len(want))
	for i, at := range want {
		// An end is seen within 1 s, and the queue of pods that are due looks every second.
		found[i] = inRange(t, fmt.Sprint("wait ", i+1), at, latest[i]+2)
	}
	does := timeline.Behavior{Crash: time.Millisecond, ExitCode: 1}
	each(one(t, ""), with(25*time.Minute, does), func(seed uint64, life *timeline.Life) {
		for i, wait := range waits(life)[:len(want)] {
			found[i].see(seed, wait)
		}
		if got := lastPrinted(life); !strings.HasPrefix(got, "0/1 CrashLoopBackOff ") {
			t.Errorf("seed %d: %s", seed, got)
		}
	})
	for i := range want {
		found[i].reached(6)
	}
}

// TestProbeKillsSkipEarlyBackOff: the same sync restarts, and compares with the end of the container before.
func TestProbeKillsSkipEarlyBackOff(t *testing.T) {
	// Each container lives for about 51 s: a boot that is too long, and a second to stop.
	s := one(t, "startupProbe: {exec: {command: [x]}, periodSeconds: 10, failureThreshold: 6, initialDelaySeconds: 0}")
	want := []time.Duration{0, 0, 0, 0, 0, 80 * time.Second, 160 * time.Second, 300 * time.Second, 0, 300 * time.Second}
	life := timeline.Simulate(s, with(40*time.Minute, timeline.Behavior{Boot: neverServes}), timeline.Timing{})
	got := waits(life)
	if len(got) < len(want) {
		t.Fatalf("only %v", got)
	}
	for i, wait := range got[:len(want)] {
		if d := wait - want[i]; d < 0 || d > 3*time.Second {
			t.Errorf("wait %d: %v, want %v; all: %v", i+1, wait, want[i], got)
		}
	}
}

// TestBackOffIsForgotten after a run of more than 600 s, and not before.
func TestBackOffIsForgotten(t *testing.T) {
	for run, want := range map[time.Duration]time.Duration{590 * time.Second: 10 * time.Second, 610 * time.Second: 0} {
		does := timeline.Behavior{Crash: run, ExitCode: 1}
		each(one(t, ""), with(25*time.Minute, does), func(seed uint64, life *timeline.Life) {
			if got := waits(life); len(got) < 2 || got[1] < want || got[1] > want+8*time.Second {
				t.Errorf("runs of %v, seed %d: waits %v", run, seed, got)
			}
		})
	}
	// Housekeeping forgets it while the container waits: the wait would end 300 s after the end of the container.
	does := timeline.Behavior{Crash: 400 * time.Second, ExitCode: 1, Crashes: 9}
	shorter := 0
	each(one(t, ""), with(3*time.Hour, does), func(_ uint64, life *timeline.Life) {
		for _, wait := range waits(life) {
			if wait > 190*time.Second && wait < 295*time.Second {
				shorter++
			}
		}
	})
	if shorter == 0 {
		t.Error("no wait ends because the entry is dropped")
	}
}

// TestRestartPolicies: who is restarted, and what kubectl prints in the end.
func TestRestartPolicies(t *testing.T) {
	const rule = "restartPolicy: Never, restartPolicyRules: " +
		"[{action: Restart, exitCodes: {operator: In, values: [42]}}]"
	hang := timeline.Behavior{HangAt: 20 * time.Second, StopTakes: time.Second}
	crash := func(code int32) timeline.Behavior {
		return timeline.Behavior{Crash: 10 * time.Second, ExitCode: code}
	}
	for _, c := range []struct {
		pod, container string
		does           timeline.Behavior
		phase, status  string // in the end
		restarts       bool
	}{
		{"Always", "", crash(0), "Running", "CrashLoopBackOff", true},
		{"OnFailure", "", crash(0), "Succeeded", "Completed", false},
		{"OnFailure", "", crash(1), "Running", "CrashLoopBackOff", true},
		{"Never", "", crash(1), "Failed", "Error", false},
		{"Always", "restartPolicy: Never", crash(0), "Succeeded", "Completed", false},
		{"Always", rule, crash(42), "Running", "CrashLoopBackOff", true},
		{"Always", rule, crash(1), "Failed", "Error", false},
		{"Never", liveness, hang, "Succeeded", "Completed", false},
		{"Never", "restartPolicy: OnFailure, " + liveness, hang, "Running", "Running", true},
	} {
		s := podOf(t, "restartPolicy: "+c.pod+"\ncontainers: [{name: app, image: x, "+c.container+"}]")
		each(s, with(10*time.Minute, c.does), func(seed uint64, life *timeline.Life) {
			row := strings.Fields(lastPrinted(life))
			phase := life.Phases[len(life.Phases)-1].State
			said := row[1] == c.status ||
				c.restarts && slices.Contains([]string{"Running", "Error", "Completed"}, row[1])
			if phase != c.phase || !said || (row[2] != "0") != c.restarts {
				t.Errorf("%s {%s}, seed %d: phase %s, %s", c.pod, c.container, seed, phase, row)
			}
		})
	}
}

// TestOnFailureInBackOff: an app that ends with 0 on SIGTERM is Completed where the kill falls into back-off.
func TestOnFailureInBackOff(t *testing.T) {
	s := podOf(t, "restartPolicy: OnFailure\ncontainers: [{name: app, image: x, "+liveness+"}]")
	does := timeline.Behavior{Boot: neverServes, StopTakes: time.Second}
	each(s, with(30*time.Minute, does), func(seed uint64, life *timeline.Life) {
		if got := lastPrinted(life); !strings.HasPrefix(got, "0/1 Completed ") {
			t.Errorf("seed %d: %s", seed, printed(life))
		}
	})
}

// TestInitContainers run one after the other, and fail as the pod's policy says.
func TestInitContainers(t *testing.T) {
	const spec = "\ninitContainers: [{name: a, image: x}, {name: b, image: x}]\ncontainers: [{name: app, image: x}]"
	scenario := with(2*time.Minute, timeline.Behavior{})
	scenario.Containers["a"] = timeline.Behavior{Boot: 3 * time.Second, Crash: time.Second, Crashes: 2, ExitCode: 1}
	scenario.Containers["b"] = timeline.Behavior{Boot: 5 * time.Second}
	each(podOf(t, "restartPolicy: Always"+spec), scenario, func(seed uint64, life *timeline.Life) {
		got := printed(life)
		for _, row := range []string{"0/1 Init:0/2 0", "0/1 Init:Error 0", "0/1 Init:Error 1",
			"0/1 Init:CrashLoopBackOff 1", "0/1 Init:0/2 2", "0/1 Init:1/2 2", "0/1 PodInitializing 0",
			"1/1 Running 0"} {
			if !strings.Contains(got, row) {
				t.Errorf("seed %d: no %q in %s", seed, row, got)
			}
		}
		b := life.Of("b", timeline.Created)[0]
		if a := life.Of("a", timeline.Exited)[2]; b.At < a.At || b.At > a.At+2*time.Second {
			t.Errorf("seed %d: b starts at %v, a ended at %v", seed, b.At, a.At)
		}
	})
	each(podOf(t, "restartPolicy: Never"+spec), scenario, func(seed uint64, life *timeline.Life) {
		if got := lastPrinted(life); got != "0/1 Init:Error 0" || len(life.Of("app", timeline.Created)) > 0 ||
			phases(life) != "Pending Failed" {
			t.Errorf("seed %d: %s", seed, printed(life))
		}
	})
}

// TestStartsOver: an init container that restarts all containers on exit code 0 keeps the app from ever starting.
func TestStartsOver(t *testing.T) {
	const rule = "restartPolicy: Never, restartPolicyRules: [{action: RestartAllContainers, " +
		"exitCodes: {operator: In, values: [0]}}]"
	s := podOf(t, "initContainers: [{name: a, image: x, "+rule+"}]\ncontainers: [{name: app, image: x}]")
	scenario := with(110*time.Second, timeline.Behavior{})
	scenario.Containers["a"] = timeline.Behavior{Boot: time.Second}
	each(s, scenario, func(seed uint64, life *timeline.Life) {
		// A real node had 57 restarts in 110 s.
		if n := len(life.Of("a", timeline.Created)); n < 50 || n > 112 || len(life.Of("app", timeline.Created)) > 0 {
			t.Errorf("seed %d: %d init containers, %s", seed, n, lastPrinted(life))
		}
	})
	scenario.Kubelet = 35
	each(s, scenario, func(seed uint64, life *timeline.Life) {
		if got := lastPrinted(life); got != "1/1 Running 0" {
			t.Errorf("1.35, seed %d: %s", seed, got)
		}
	})
}

// TestSidecarHoldsRestart: up to 1.36 an app container whose pod has no other one that runs is restarted only while the
// sidecar is started.
func TestSidecarHoldsRestart(t *testing.T) {
	s := podOf(t, "initContainers: [{name: proxy, image: x, restartPolicy: Always, "+
		"startupProbe: {exec: {command: [x]}, periodSeconds: 1, failureThreshold: 60}}]\n"+
		"containers: [{name: app, image: x}]")
	scenario := with(2*time.Minute, timeline.Behavior{Crash: 12 * time.Second, Crashes: 1, ExitCode: 1})
	scenario.Containers["proxy"] = timeline.Behavior{Boot: 20 * time.Second, Crash: 30 * time.Second, Crashes: 1}
	for kubelet, holds := range map[int]bool{35: true, 36: true, 37: false} {
		scenario.Kubelet = kubelet
		each(s, scenario, func(seed uint64, life *timeline.Life) {
			crash, again := life.Of("app", timeline.Exited)[0].At, life.Of("app", timeline.Created)[1].At
			if took := again - crash; took > 10*time.Second != holds {
				t.Errorf("1.%d, seed %d: the app ends at %v, and is restarted after %v", kubelet, seed, crash, took)
			}
		})
	}
}

// TestNewsAtOnce: from 1.36 on the kubelet knows of a container as soon as it has started it, before after up to 1 s.
func TestNewsAtOnce(t *testing.T) {
	s := one(t, "")
	for kubelet, want := range map[int]time.Duration{35: time.Second, 36: 0, 37: 0} {
		scenario := with(time.Minute, timeline.Behavior{})
		scenario.Kubelet = kubelet
		found := inRange(t, fmt.Sprintf("1.%d", kubelet), 0, want.Seconds()+0.01)
		each(s, scenario, func(seed uint64, life *timeline.Life) {
			found.see(seed, life.Of("app", timeline.Ready)[0].At-life.Of("app", timeline.Created)[0].At)
		})
		found.reached(0.1)
	}
}

// TestPostStartThatCannotRun: the container is killed and restarted. A real node had 3 restarts in 75 to 90 s.
func TestPostStartThatCannotRun(t *testing.T) {
	s := one(t, "lifecycle: {postStart: {tcpSocket: {port: 80}}}")
	each(s, with(80*time.Second, timeline.Behavior{}), func(seed uint64, life *timeline.Life) {
		if n := len(life.Of("app", timeline.Created)); n < 3 || n > 5 ||
			!strings.Contains(printed(life), "0/1 PostStartHookError ") {
			t.Errorf("seed %d: %d containers, %s", seed, n, printed(life))
		}
	})
}

// TestSidecars: the next container starts once a sidecar is started, and sidecars do not keep a Job's pod alive.
func TestSidecars(t *testing.T) {
	const sidecar = "initContainers: [{name: proxy, image: x, restartPolicy: Always, " +
		"startupProbe: {exec: {command: [x]}, periodSeconds: 1, failureThreshold: 60}, " + liveness + "}]\n"
	s := podOf(t, "restartPolicy: Never\n"+sidecar+"containers: [{name: app, image: x}]")
	scenario := with(3*time.Minute, timeline.Behavior{Crash: time.Minute})
	scenario.Containers["proxy"] = timeline.Behavior{Boot: 20 * time.Second, StopTakes: time.Second}
	each(s, scenario, func(seed uint64, life *timeline.Life) {
		app := life.Of("app", timeline.Created)
		if len(app) != 1 || app[0].At < 20*time.Second || app[0].At > 23*time.Second {
			t.Errorf("seed %d: the app starts at %v", seed, app)
		}
		if got := lastPrinted(life); got != "0/2 Completed 0" || phases(life) != "Pending Running Succeeded" {
			t.Errorf("seed %d: %s", seed, printed(life))
		}
	})
	// One that never starts blocks the pod, restarting.
	scenario.Containers["proxy"] = timeline.Behavior{Boot: neverServes}
	scenario.Length = 10 * time.Minute
	each(s, scenario, func(seed uint64, life *timeline.Life) {
		if n := len(life.Of("proxy", timeline.Created)); n < 3 || len(life.Of("app", timeline.Created)) > 0 ||
			phases(life) != "Pending" || !slices.ContainsFunc(life.Printed, func(s timeline.Span) bool {
			return strings.HasPrefix(s.State, "0/2 Init:0/1 ")
		}) {
			t.Errorf("seed %d: %d starts, %s", seed, n, printed(life))
		}
	})
}
