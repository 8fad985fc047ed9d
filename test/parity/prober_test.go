package parity

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

	"github.com/podvet/podvet/rules"
)

const probes = 6000

// scenario is one container with one probe that never succeeds.
type scenario struct {
	kind  rules.ProbeKind
	probe corev1.Probe
	// The kubelet's age when the pod comes, and how long after its probe's worker the container starts: any
	// phase of the ticker.
	kubeletAge, startsAfter time.Duration
	// lag is how long it takes until the kubelet's status cache knows the container.
	lag time.Duration
	// answer is how long an attempt takes to fail; vary draws each one anew, up to the timeout.
	answer time.Duration
	vary   bool
}

func (s scenario) String() string {
	return fmt.Sprintf("%s d%d P%d T%d F%d, answers in %v (vary %v), kubelet %v old, starts after %v, lag %v", s.kind,
		s.probe.InitialDelaySeconds, s.probe.PeriodSeconds, s.probe.TimeoutSeconds, s.probe.FailureThreshold, s.answer, s.vary, s.kubeletAge, s.startsAfter, s.lag)
}

func randomScenario(r *rand.Rand) scenario {
	among := func(n ...int32) int32 { return n[r.IntN(len(n))] }
	s := scenario{kind: rules.Liveness, probe: corev1.Probe{
		ProbeHandler:        corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"x"}}},
		InitialDelaySeconds: among(0, 0, 1, 2, 3, 7, 20, 60),
		PeriodSeconds:       among(1, 2, 3, 5, 7, 10, 10, 30),
		TimeoutSeconds:      among(1, 1, 2, 3, 5, 10, 30),
		FailureThreshold:    among(1, 2, 3, 3, 5, 10, 30),
		SuccessThreshold:    1,
	}}
	if r.IntN(2) == 0 {
		s.kind = rules.Startup
	}
	period := time.Duration(s.probe.PeriodSeconds) * time.Second
	timeout := time.Duration(s.probe.TimeoutSeconds) * time.Second
	s.kubeletAge = []time.Duration{0, time.Hour}[r.IntN(2)]
	s.startsAfter = time.Duration(r.Int64N(int64(3 * period)))
	s.lag = time.Duration(r.Int64N(int64(time.Second / 2)))
	s.answer = []time.Duration{0, time.Duration(r.Int64N(int64(timeout))), timeout}[r.IntN(3)]
	s.vary = r.IntN(4) == 0
	return s
}

// kubelet is what the prober asks of the rest of the kubelet: the status of the one container, and running its command.
type kubelet struct {
	status.Manager // only the two methods below are ever called
	scenario       scenario
	started        atomic.Pointer[time.Time]
	random         *rand.Rand
}

var containerID = kubecontainer.ContainerID{Type: "test", ID: "app"}

func (k *kubelet) GetPodStatus(types.UID) (corev1.PodStatus, bool) {
	started := k.started.Load()
	if started == nil || time.Since(*started) < k.scenario.lag {
		return corev1.PodStatus{Phase: corev1.PodPending}, true
	}
	ready := k.scenario.kind != rules.Startup
	return corev1.PodStatus{Phase: corev1.PodRunning, ContainerStatuses: []corev1.ContainerStatus{{
		Name: "app", ContainerID: containerID.String(), Started: &ready,
		// The status cache keeps whole seconds (pkg/kubelet/status/status_manager.go normalizeStatus).
		State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(started.Truncate(time.Second))}},
	}}}, true
}

func (k *kubelet) SetContainerReadiness(klog.Logger, types.UID, kubecontainer.ContainerID, bool) {}

func (k *kubelet) RunInContainer(_ context.Context, _ kubecontainer.ContainerID, _ []string, timeout time.Duration) ([]byte, error) {
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
	k := &kubelet{scenario: s, random: rand.New(rand.NewPCG(seed, 2))}
	liveness, readiness, startup := results.NewManager(), results.NewManager(), results.NewManager()
	manager := prober.NewManager(k, liveness, readiness, startup, k, &record.FakeRecorder{})
	time.Sleep(s.kubeletAge)
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p", UID: "p"}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "app"}}}}
	updates := liveness.Updates()
	if s.kind == rules.Startup {
		pod.Spec.Containers[0].StartupProbe = &s.probe
		updates = startup.Updates()
	} else {
		pod.Spec.Containers[0].LivenessProbe = &s.probe
	}
	manager.AddPod(context.Background(), pod)
	time.Sleep(s.startsAfter)
	start := time.Now()
	k.started.Store(&start)
	for update := range updates {
		if update.Result == results.Failure {
			break
		}
	}
	decided := time.Since(start)
	manager.RemovePod(pod)
	return decided
}

// TestGuaranteedAndWorst drives the real prober in virtual time: no kill before what podvet calls guaranteed
// (1 s less with an initial delay), none after what it calls worst, and both are reached.
func TestGuaranteedAndWorst(t *testing.T) {
	klog.LogToStderr(false)
	klog.SetOutput(io.Discard)
	r := rand.New(rand.NewPCG(37, 2))
	early, late := time.Hour, time.Hour
	for i := range probes {
		s := randomScenario(r)
		probe := rules.Probe{Probe: &s.probe, Kind: s.kind}
		guaranteed, worst := time.Duration(probe.Guaranteed())*time.Second, time.Duration(probe.Worst())*time.Second
		if probe.Delay() > 0 {
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
		interval := max(time.Duration(probe.Period())*time.Second, s.answer)
		failing := time.Duration(probe.Failures()-1)*interval + s.answer
		delay := time.Duration(probe.Delay()) * time.Second
		earliest := delay + failing
		if delay > 0 {
			earliest -= time.Second
		}
		if latest := delay + time.Duration(probe.Period())*time.Second + failing + s.lag; decided < earliest || decided > latest {
			t.Errorf("%s: decided at %v, not within %v and %v", s, decided, earliest, latest)
		}
		switch s.answer {
		case 0:
			early = min(early, decided-guaranteed)
		case time.Duration(probe.Timeout()) * time.Second:
			late = min(late, worst-decided)
		}
	}
	if early > time.Second/2 || late > time.Second/2 {
		t.Errorf("no decision comes closer than %v to guaranteed and %v to worst: the bounds say little", early, late)
	}
}
