package kubelet

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/record"
	"k8s.io/klog/v2"
	kubecontainer "k8s.io/kubernetes/pkg/kubelet/container"
	kubepod "k8s.io/kubernetes/pkg/kubelet/pod"
	"k8s.io/kubernetes/pkg/kubelet/prober"
	"k8s.io/kubernetes/pkg/kubelet/prober/results"
	"k8s.io/kubernetes/pkg/kubelet/status"
	"k8s.io/utils/exec"
)

// Convert is how a kubelet makes the API's container statuses of the runtime's and of those that it had before.
type Convert func(*corev1.Pod, *kubecontainer.PodStatus, []corev1.ContainerStatus) []corev1.ContainerStatus

const gates = 1500

// app is a container that boots and later hangs, and its probes.
type app struct {
	boot, hang        time.Duration
	startup, liveness corev1.Probe
}

func each(period, failures int32) corev1.Probe {
	return corev1.Probe{ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"x"}}},
		PeriodSeconds: period, TimeoutSeconds: 1, FailureThreshold: failures, SuccessThreshold: 1}
}

func (a app) String() string {
	return fmt.Sprintf("boots in %v, hangs at %v, startup P%d F%d, liveness P%d F%d", a.boot, a.hang,
		a.startup.PeriodSeconds, a.startup.FailureThreshold, a.liveness.PeriodSeconds, a.liveness.FailureThreshold)
}

// node is a kubelet with one pod: its prober, its status manager and its conversion of statuses are Kubernetes' own.
// Ours are the container runtime and, of the loops, when they call whom (pkg/kubelet/kubelet.go
// syncLoopIteration, SyncPod).
type node struct {
	app                          app
	convert                      Convert
	pod                          *corev1.Pod
	status                       status.Manager
	prober                       prober.Manager
	liveness, readiness, startup results.Manager

	mu         sync.Mutex
	containers []*kubecontainer.Status // the last one runs
	changed    bool                    // since the runtime was last looked at
}

func newNode(a app, convert Convert) *node {
	n := &node{app: a, convert: convert, liveness: results.NewManager(), readiness: results.NewManager(),
		startup: results.NewManager()}
	n.pod = &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p", Namespace: "default", UID: "p"},
		Spec: corev1.PodSpec{RestartPolicy: corev1.RestartPolicyAlways, Containers: []corev1.Container{{Name: "app",
			StartupProbe: &a.startup, LivenessProbe: &a.liveness}}}}
	pods := kubepod.NewBasicPodManager()
	pods.SetPods([]*corev1.Pod{n.pod})
	n.status = status.NewManager(nil, pods, nil, nil)
	n.prober = prober.NewManager(n.status, n.liveness, n.readiness, n.startup, n, &record.FakeRecorder{})
	return n
}

// run lives for a while and returns how long each container did that was killed.
func (n *node) run(r *rand.Rand, long time.Duration) []time.Duration {
	between := func(most time.Duration) { time.Sleep(time.Duration(r.Int64N(int64(most)))) }
	time.Sleep(time.Hour) // the kubelet is not young
	n.prober.AddPod(context.Background(), n.pod)
	between(20 * time.Second) // the image is pulled
	n.start()
	relist := time.NewTicker(time.Second) // of the runtime's containers (pkg/kubelet/pleg)
	defer relist.Stop()
	end := time.After(long)
	for {
		select {
		case <-end:
			n.prober.RemovePod(n.pod)
			time.Sleep(time.Minute) // a probe may be under way
			return n.lives()
		case update := <-n.liveness.Updates():
			if update.Result != results.Failure {
				continue
			}
		case update := <-n.readiness.Updates():
			n.status.SetContainerReadiness(klog.Background(), update.PodUID, update.ContainerID,
				update.Result == results.Success)
		case update := <-n.startup.Updates():
			n.status.SetContainerStartup(klog.Background(), update.PodUID, update.ContainerID,
				update.Result == results.Success)
		case <-relist.C:
			if !n.changed {
				continue
			}
		}
		n.sync()
	}
}

// sync is what a pod's worker does: it makes the status, and restarts a container of which a probe has failed.
func (n *node) sync() {
	n.changed = false
	old, _ := n.status.GetPodStatus(n.pod.UID)
	now := corev1.PodStatus{Phase: corev1.PodRunning,
		ContainerStatuses: n.convert(n.pod, n.runtimeStatus(), old.ContainerStatuses)}
	n.prober.UpdatePodStatus(context.Background(), n.pod, &now)
	n.status.SetPodStatus(klog.Background(), n.pod, now)
	for _, failed := range []results.Manager{n.liveness, n.startup} {
		running := n.containers[len(n.containers)-1]
		if result, ok := failed.Get(running.ID); ok && result == results.Failure {
			n.end(running)
			n.start()
			return
		}
	}
}

func (n *node) start() {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := time.Now()
	id := kubecontainer.ContainerID{Type: "test", ID: fmt.Sprint(len(n.containers))}
	n.containers = append(n.containers, &kubecontainer.Status{ID: id, Name: "app",
		State: kubecontainer.ContainerStateRunning, CreatedAt: now, StartedAt: now, RestartCount: len(n.containers)})
	n.changed = true
}

// end kills a container, whose app ends at once.
func (n *node) end(container *kubecontainer.Status) {
	n.mu.Lock()
	defer n.mu.Unlock()
	container.State, container.FinishedAt = kubecontainer.ContainerStateExited, time.Now()
}

// runtimeStatus is what the runtime says of the last container and the one before, the newest first.
func (n *node) runtimeStatus() *kubecontainer.PodStatus {
	n.mu.Lock()
	defer n.mu.Unlock()
	said := &kubecontainer.PodStatus{ID: n.pod.UID, Name: n.pod.Name, Namespace: n.pod.Namespace}
	for i := len(n.containers) - 1; i >= max(0, len(n.containers)-2); i-- {
		one := *n.containers[i]
		said.ContainerStatuses = append(said.ContainerStatuses, &one)
	}
	return said
}

func (n *node) lives() (lived []time.Duration) {
	for _, container := range n.containers[:max(0, len(n.containers)-1)] {
		lived = append(lived, container.FinishedAt.Sub(container.StartedAt))
	}
	return lived
}

// RunInContainer is a probe: it fails while the app boots and takes too long while it hangs.
func (n *node) RunInContainer(_ context.Context, id kubecontainer.ContainerID, _ []string, timeout time.Duration,
) ([]byte, error) {
	n.mu.Lock()
	var age time.Duration
	for _, container := range n.containers {
		if container.ID == id {
			age = time.Since(container.StartedAt)
		}
	}
	n.mu.Unlock()
	unhealthy := exec.CodeExitError{Err: errors.New("not healthy"), Code: 1}
	switch {
	case age < n.app.boot:
		return nil, unhealthy
	case age >= n.app.hang:
		time.Sleep(timeout)
		return nil, unhealthy
	}
	return nil, nil
}

// killedBeforeServing runs pods with an app and returns how many containers were restarted and have ended, and how many
// of them before they served.
func killedBeforeServing(t *testing.T, seed uint64, pods int, a app, convert Convert) (restarted, early int) {
	t.Helper()
	for i := range pods {
		var lived []time.Duration
		synctest.Test(t, func(*testing.T) {
			lived = newNode(a, convert).run(rand.New(rand.NewPCG(seed, uint64(i))), 3*time.Minute)
		})
		for _, life := range lived[min(1, len(lived)):] {
			restarted++
			if life < a.boot {
				early++
			}
		}
	}
	return restarted, early
}

// StartupGateLate: after a liveness kill liveness probes the new container before its startupProbe has run once,
// because the conversion takes over that the old one had started (kubernetes#141155). Only where podvet says so it
// kills a boot.
func StartupGateLate(t *testing.T, parity string, convert Convert) {
	silence()
	late := app{boot: 12 * time.Second, hang: 30 * time.Second, startup: each(10, 6), liveness: each(3, 3)}
	prompt := late
	prompt.startup = each(3, 21)
	restarted, early := killedBeforeServing(t, 1, 60, late, convert)
	t.Logf("%s: of %d restarted containers %d are killed before they serve", late, restarted, early)
	if early == 0 {
		t.Errorf("%s: none of %d restarted containers is killed before it serves", late, restarted)
	}
	if restarted, early := killedBeforeServing(t, 2, 60, prompt, convert); early > 0 || restarted < 60 {
		t.Errorf("%s: of %d restarted containers %d are killed before they serve", prompt, restarted, early)
	}
	// That it is the conversion's doing: without what it takes over nothing happens.
	forgetful := func(p *corev1.Pod, s *kubecontainer.PodStatus,
		old []corev1.ContainerStatus) []corev1.ContainerStatus {
		statuses := convert(p, s, old)
		for i := range statuses {
			if len(old) <= i || old[i].ContainerID != statuses[i].ContainerID {
				statuses[i].Started = nil
			}
		}
		return statuses
	}
	if restarted, early := killedBeforeServing(t, 1, 60, late, forgetful); early > 0 || restarted < 60 {
		t.Errorf("%s, new containers not started: of %d restarted %d are killed before they serve",
			late, restarted, early)
	}
	randomGates(t, parity, convert)
}

// randomGates: podvet's condition, with probes and boots of any kind.
func randomGates(t *testing.T, parity string, convert Convert) {
	t.Helper()
	r := rand.New(rand.NewPCG(35, 37))
	among := func(n ...int32) int32 { return n[r.IntN(len(n))] }
	apps, asked := make([]app, gates), make([]probe, gates)
	for i := range apps {
		boot := time.Duration(1+r.IntN(30)) * time.Second
		apps[i] = app{boot: boot, hang: boot + 20*time.Second, startup: each(among(1, 2, 3, 5, 10, 15, 20), 100),
			liveness: each(among(1, 2, 3, 5, 10), among(1, 2, 3, 4, 5))}
		asked[i] = probe{Probe: apps[i].liveness}
	}
	exposed, safe, killed := 0, 0, 0
	for i, liveness := range podvets(t, parity, asked) {
		_, early := killedBeforeServing(t, uint64(100+i), 1, apps[i], convert)
		if liveness.Guaranteed < int64(apps[i].startup.PeriodSeconds) {
			exposed++
			killed += early
		} else if safe++; early > 0 {
			t.Errorf("%s: %d restarted containers are killed before they serve", apps[i], early)
		}
	}
	if exposed < gates/5 || safe < gates/5 || killed < gates/15 {
		t.Errorf("only %d exposed, with %d kills, and %d safe", exposed, killed, safe)
	}
}
