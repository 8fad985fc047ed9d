// Package kubelet runs parts of a kubelet, unmodified, in virtual time, and holds what podvet says of probes against
// what they do. It is compiled with each version of Kubernetes that a module below test/parity has.
package kubelet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/record"
	"k8s.io/klog/v2"
	kubecontainer "k8s.io/kubernetes/pkg/kubelet/container"
	"k8s.io/kubernetes/pkg/kubelet/prober"
	"k8s.io/kubernetes/pkg/kubelet/prober/results"
	"k8s.io/kubernetes/pkg/kubelet/status"
	"k8s.io/utils/exec"
)

const probes = 6000

// silence ends what the kubelet logs.
func silence() {
	klog.LogToStderr(false)
	klog.SetOutput(io.Discard)
}

// scenario is one container with one probe that never succeeds.
type scenario struct {
	probe
	// The kubelet's age when the pod comes, and how long after its probe's worker the container starts: any
	// phase of the ticker.
	kubeletAge, startsAfter time.Duration
	// lag is how long it takes until the kubelet's status cache knows the container.
	lag time.Duration
	// answer is how long an attempt takes to fail; vary draws each one again, up to the timeout.
	answer time.Duration
	vary   bool
}

func (s scenario) String() string {
	return fmt.Sprintf("startup %v d%d P%d T%d F%d, answers in %v (vary %v), kubelet %v old, starts after %v, lag %v",
		s.Startup, s.Probe.InitialDelaySeconds, s.Probe.PeriodSeconds, s.Probe.TimeoutSeconds,
		s.Probe.FailureThreshold, s.answer, s.vary, s.kubeletAge, s.startsAfter, s.lag)
}

func randomScenario(r *rand.Rand) scenario {
	among := func(n ...int32) int32 { return n[r.IntN(len(n))] }
	s := scenario{probe: probe{Startup: r.IntN(2) == 0, Probe: corev1.Probe{
		ProbeHandler:        corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"x"}}},
		InitialDelaySeconds: among(0, 0, 1, 2, 3, 7, 20, 60),
		PeriodSeconds:       among(1, 2, 3, 5, 7, 10, 10, 30),
		TimeoutSeconds:      among(1, 1, 2, 3, 5, 10, 30),
		FailureThreshold:    among(1, 2, 3, 3, 5, 10, 30),
		SuccessThreshold:    1,
	}}}
	period, timeout := seconds(s.Probe.PeriodSeconds), seconds(s.Probe.TimeoutSeconds)
	s.kubeletAge = []time.Duration{0, time.Hour}[r.IntN(2)]
	s.startsAfter = time.Duration(r.Int64N(int64(3 * period)))
	s.lag = time.Duration(r.Int64N(int64(time.Second / 2)))
	s.answer = []time.Duration{0, time.Duration(r.Int64N(int64(timeout))), timeout}[r.IntN(3)]
	s.vary = r.IntN(4) == 0
	return s
}

// stub is what the prober asks of the rest of the kubelet: the status of the one container, and running its command.
type stub struct {
	status.Manager // only the two methods below are ever called
	scenario       scenario
	started        atomic.Pointer[time.Time]
	random         *rand.Rand
}

var containerID = kubecontainer.ContainerID{Type: "test", ID: "app"}

func (k *stub) GetPodStatus(types.UID) (corev1.PodStatus, bool) {
	started := k.started.Load()
	if started == nil || time.Since(*started) < k.scenario.lag {
		return corev1.PodStatus{Phase: corev1.PodPending}, true
	}
	ready := !k.scenario.Startup
	return corev1.PodStatus{Phase: corev1.PodRunning, ContainerStatuses: []corev1.ContainerStatus{{
		Name: "app", ContainerID: containerID.String(), Started: &ready,
		// The status cache keeps whole seconds (pkg/kubelet/status/status_manager.go normalizeStatus).
		State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{
			StartedAt: metav1.NewTime(started.Truncate(time.Second)),
		}},
	}}}, true
}

func (k *stub) SetContainerReadiness(klog.Logger, types.UID, kubecontainer.ContainerID, bool) {}

func (k *stub) RunInContainer(_ context.Context, _ kubecontainer.ContainerID, _ []string,
	timeout time.Duration) ([]byte, error) {
	answer := k.scenario.answer
	if k.scenario.vary {
		answer = time.Duration(k.random.Int64N(int64(timeout) + 1))
	}
	time.Sleep(answer)
	return nil, exec.CodeExitError{Err: errors.New("not healthy"), Code: 1}
}

// decision runs the unmodified prober of the kubelet and returns when it decides to kill, from the
// container's start.
func (s scenario) decision(seed uint64) time.Duration {
	k := &stub{scenario: s, random: rand.New(rand.NewPCG(seed, 2))}
	liveness, readiness, startup := results.NewManager(), results.NewManager(), results.NewManager()
	manager := prober.NewManager(k, liveness, readiness, startup, k, &record.FakeRecorder{})
	time.Sleep(s.kubeletAge)
	made := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p", UID: "p"},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "app"}}}}
	updates := liveness.Updates()
	if s.Startup {
		made.Spec.Containers[0].StartupProbe = &s.Probe
		updates = startup.Updates()
	} else {
		made.Spec.Containers[0].LivenessProbe = &s.Probe
	}
	manager.AddPod(context.Background(), made)
	time.Sleep(s.startsAfter)
	start := time.Now()
	k.started.Store(&start)
	for update := range updates {
		if update.Result == results.Failure {
			break
		}
	}
	decided := time.Since(start)
	manager.RemovePod(made)
	return decided
}

// GuaranteedAndWorst drives the real prober: no kill before what podvet calls guaranteed (1 s less with an initial
// delay), none after what it calls worst, and both are reached.
func GuaranteedAndWorst(t *testing.T, parity string) {
	silence()
	r := rand.New(rand.NewPCG(37, 2))
	scenarios, asked := make([]scenario, probes), make([]probe, probes)
	for i := range scenarios {
		scenarios[i] = randomScenario(r)
		asked[i] = scenarios[i].probe
	}
	early, late := time.Hour, time.Hour
	for i, says := range podvets(t, parity, asked) {
		s := scenarios[i]
		guaranteed, worst := time.Duration(says.Guaranteed)*time.Second, time.Duration(says.Worst)*time.Second
		delay, period := seconds(s.Probe.InitialDelaySeconds), seconds(s.Probe.PeriodSeconds)
		if delay > 0 {
			guaranteed -= time.Second
		}
		var decided time.Duration
		synctest.Test(t, func(*testing.T) { decided = s.decision(uint64(i)) })
		// The lag is the kubelet's own: the formulas count from when it can know the container.
		if decided < guaranteed || decided > worst+s.lag {
			t.Errorf("%s: decided at %v, guaranteed %v, worst %v", s, decided, guaranteed, worst)
		}
		if s.vary {
			continue
		}
		// With a constant answer the bounds are exact, and both ends are reached: by fast failures the one that
		// podvet calls guaranteed, by hangs the one that it calls worst.
		failing := time.Duration(s.Probe.FailureThreshold-1)*max(period, s.answer) + s.answer
		earliest := delay + failing
		if delay > 0 {
			earliest -= time.Second
		}
		if latest := delay + period + failing + s.lag; decided < earliest || decided > latest {
			t.Errorf("%s: decided at %v, not within %v and %v", s, decided, earliest, latest)
		}
		switch s.answer {
		case 0:
			early = min(early, decided-guaranteed)
		case seconds(s.Probe.TimeoutSeconds):
			late = min(late, worst-decided)
		}
	}
	if early > time.Second/2 || late > time.Second/2 {
		t.Errorf("no decision comes closer than %v to guaranteed and %v to worst: the bounds say little", early, late)
	}
}
