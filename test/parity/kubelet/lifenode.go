package kubelet

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing/synctest"
	"time"
	"unsafe"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/record"
	"k8s.io/client-go/util/flowcontrol"
	"k8s.io/klog/v2"
	kubernetes "k8s.io/kubernetes/pkg/kubelet"
	kubecontainer "k8s.io/kubernetes/pkg/kubelet/container"
	kubepod "k8s.io/kubernetes/pkg/kubelet/pod"
	"k8s.io/kubernetes/pkg/kubelet/prober"
	"k8s.io/kubernetes/pkg/kubelet/prober/results"
	"k8s.io/kubernetes/pkg/kubelet/status"
	"k8s.io/utils/exec"
)

// Version is a version of Kubernetes, with what nothing outside its packages can name.
type Version struct {
	Minor int
	// Statuses is how its kubelet makes the API's container statuses.
	Statuses func(kl *kubernetes.Kubelet, pod *corev1.Pod, status *kubecontainer.PodStatus,
		old []corev1.ContainerStatus, containers []corev1.Container, hasInit, isInit bool) []corev1.ContainerStatus
	// Phase is how it makes the pod's phase.
	Phase func(pod *corev1.Pod, info []corev1.ContainerStatus, terminal, initialized bool) corev1.PodPhase
}

// kubeletWith is a kubelet that has a cache of the reasons why containers were not started, and nothing else.
func kubeletWith(reasons *kubernetes.ReasonCache) *kubernetes.Kubelet {
	kl := &kubernetes.Kubelet{}
	field := reflect.ValueOf(kl).Elem().FieldByName("reasonCache")
	reflect.NewAt(field.Type(), unsafe.Pointer(field.UnsafeAddr())).Elem().Set(reflect.ValueOf(reasons))
	return kl
}

// lifeNode is a kubelet with one pod. Kubernetes' own are its prober, its status manager, its conversion of statuses,
// its phases, its back-off, its cache of reasons and its decision who is restarted. Ours are the container runtime and,
// of the loops, who is called when.
type lifeNode struct {
	lifeCase
	version                      Version
	kl                           *kubernetes.Kubelet
	reasons                      *kubernetes.ReasonCache
	pods                         kubepod.Manager
	status                       status.Manager
	prober                       prober.Manager
	liveness, readiness, startup results.Manager
	backOff                      *flowcontrol.Backoff
	cancel                       context.CancelFunc
	began                        time.Time

	mu      sync.Mutex
	pod     *corev1.Pod
	runs    map[string][]*lifeRun // of the runtime, the newest first
	seen    map[string][]lifeRun  // as it was when it was last asked
	events  []lifeEvent
	shown   map[string]shown
	phase   corev1.PodPhase
	retries map[string]int // attempts of a probe that have failed with an error
	waited  map[string]int
	appsRan bool

	// Of the pod's worker.
	state             string // idle, waiting or syncing
	pending           bool
	terminating, done bool
	pulled            bool
	acted             bool // a sync has killed or started something, or has tried to
	lastEnd, relisted time.Duration
	requeueAt         time.Duration
	requeued          int
	asked             <-chan time.Time // when the runtime is asked out of turn
	synced            chan time.Duration
	finished          chan bool
}

type shown struct {
	started string // the ID of the container
	ready   bool
}

type lifeRun struct {
	id      int
	started time.Time
	exited  bool
	ended   time.Time
	code    int32
	selfEnd time.Time
}

// slowStatus is the status manager as the prober's workers see it: it takes a moment until they look.
type slowStatus struct {
	status.Manager
	takes time.Duration
}

func (s slowStatus) GetPodStatus(uid types.UID) (corev1.PodStatus, bool) {
	time.Sleep(s.takes)
	return s.Manager.GetPodStatus(uid)
}

func newLifeNode(c lifeCase, version Version) *lifeNode {
	n := &lifeNode{lifeCase: c, version: version, reasons: kubernetes.NewReasonCache(),
		liveness: results.NewManager(), readiness: results.NewManager(), startup: results.NewManager(),
		runs: map[string][]*lifeRun{}, seen: map[string][]lifeRun{}, shown: map[string]shown{},
		retries: map[string]int{}, waited: map[string]int{}, state: "idle", lastEnd: -1, requeueAt: 1 << 62,
		synced: make(chan time.Duration), finished: make(chan bool)}
	n.kl = kubeletWith(n.reasons)
	n.pod = &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p", Namespace: "default", UID: "p"}, Spec: c.Spec}
	n.pods = kubepod.NewBasicPodManager()
	n.pods.SetPods([]*corev1.Pod{n.pod})
	n.status = status.NewManager(nil, n.pods, nil, nil)
	n.prober = prober.NewManager(slowStatus{n.status, c.Timing.Look}, n.liveness, n.readiness, n.startup, n,
		&record.FakeRecorder{})
	// As the kubelet makes it (pkg/kubelet/kubelet.go).
	n.backOff = flowcontrol.NewBackOff(10*time.Second, 300*time.Second)
	n.backOff.HasExpiredFunc = func(eventTime, lastUpdate time.Time, _ time.Duration) bool {
		return eventTime.Sub(lastUpdate) > 600*time.Second
	}
	return n
}

func (n *lifeNode) now() time.Duration { return time.Since(n.began) }

func (n *lifeNode) after(d time.Duration) <-chan time.Time { return time.After(d - n.now()) }

// run lives for a while and returns what happened.
func (n *lifeNode) run() []lifeEvent {
	time.Sleep(time.Hour + n.Timing.Second) // the kubelet is not young, and its clock is at no whole second
	n.began = time.Now()
	ctx, cancel := context.WithCancel(context.Background())
	n.cancel = cancel
	defer cancel()
	relist, tick, clean := n.after(n.Timing.Relist), n.after(n.Timing.Tick), n.after(n.Timing.Housekeeping)
	end := n.after(n.Scenario.Length + 1)
	var deleted <-chan time.Time
	if n.Scenario.DeleteAt > 0 {
		deleted = n.after(n.Scenario.DeleteAt)
	}
	n.wantSync(ctx)
	for {
		select {
		case <-end:
			n.mu.Lock()
			n.done = true
			events := n.events
			n.mu.Unlock()
			go func() { // a sync may be under way
				for range n.synced {
				}
			}()
			n.prober.RemovePod(n.pod)
			time.Sleep(10 * time.Minute)
			close(n.synced)
			return events
		case <-relist:
			relist = time.After(time.Second)
			n.askRuntime(ctx)
		case <-n.asked:
			n.askRuntime(ctx)
		case <-tick:
			tick = time.After(time.Second)
			if n.requeueAt <= n.now() {
				n.requeueAt = 1 << 62
				n.wantSync(ctx)
			}
		case <-clean:
			clean = time.After(2 * time.Second)
			n.backOff.GC()
		case <-deleted:
			n.remove()
			synctest.Wait() // a probe that this ends comes before the sync, which may wake its worker again
			n.wantSync(ctx)
		case update := <-n.liveness.Updates():
			if update.Result == results.Failure {
				n.wantSync(ctx)
			}
		case update := <-n.readiness.Updates():
			n.status.SetContainerReadiness(klog.Background(), update.PodUID, update.ContainerID,
				update.Result == results.Success)
			n.observe()
			n.wantSync(ctx)
		case update := <-n.startup.Updates():
			n.status.SetContainerStartup(klog.Background(), update.PodUID, update.ContainerID,
				update.Result == results.Success)
			n.observe()
			n.wantSync(ctx)
		case expires := <-n.synced:
			n.endSync(ctx, expires)
		}
	}
}

// wantSync is UpdatePod of a pod's worker, which waits for news of the runtime since its last sync.
func (n *lifeNode) wantSync(ctx context.Context) {
	switch {
	case n.done:
	case n.state != "idle":
		n.pending = true
	case n.relisted > n.lastEnd:
		n.beginSync(ctx)
	default:
		n.state = "waiting"
	}
}

func (n *lifeNode) beginSync(ctx context.Context) {
	n.state = "syncing"
	go func() { n.synced <- n.sync(ctx) }()
}

const noBackOff = time.Duration(1 << 62)

func (n *lifeNode) endSync(ctx context.Context, expires time.Duration) {
	n.state, n.lastEnd = "idle", n.now()
	after := time.Minute
	if expires < noBackOff {
		after = min(max(expires-n.now(), 0), time.Minute)
	}
	stretch := n.Timing.Requeue[n.requeued%len(n.Timing.Requeue)]
	n.requeued++
	n.requeueAt = n.now() + after + time.Duration(stretch*0.5*float64(after))
	if n.acted && expires == noBackOff && n.version.Minor >= 36 {
		n.asked = time.After(100 * time.Microsecond)
	}
	if n.pending {
		n.pending = false
		n.wantSync(ctx)
	}
}

// askRuntime is one relist, with what follows of it.
func (n *lifeNode) askRuntime(ctx context.Context) {
	changed := n.relist()
	if n.state == "waiting" {
		n.beginSync(ctx)
	}
	if changed {
		n.wantSync(ctx)
	}
}

// relist is what the PLEG does.
func (n *lifeNode) relist() (changed bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.relisted = n.now()
	for name, runs := range n.runs {
		var seen []lifeRun
		for i, run := range runs {
			old := n.seen[name]
			changed = changed || i >= len(old) || old[i].id != run.id || old[i].exited != run.exited
			seen = append(seen, *run)
		}
		n.seen[name] = seen
	}
	return changed
}

func (n *lifeNode) remove() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.done {
		return
	}
	now := metav1.Now()
	n.pod = n.pod.DeepCopy()
	n.pod.DeletionTimestamp = &now
	n.pods.UpdatePod(n.pod)
	n.cancel()
}

// RunInContainer is a probe.
func (n *lifeNode) RunInContainer(ctx context.Context, id kubecontainer.ContainerID, cmd []string,
	timeout time.Duration) (_ []byte, err error) {
	name, number := parseID(id)
	kind, _, never := strings.Cut(cmd[0], " ")
	began := n.now()
	result := "Success"
	defer func() {
		var exit exec.CodeExitError
		if err != nil && !errors.As(err, &exit) {
			result = "Error"
			key := name + "/" + kind
			n.mu.Lock()
			n.retries[key]++
			times := n.retries[key]
			n.retries[key] %= 3
			n.mu.Unlock()
			if times > 1 {
				return // the kubelet tries three times
			}
		} else if err != nil {
			result = "Failure"
		}
		n.tell(lifeEvent{Kind: "Probed", Container: name, Restart: number - 1, Probe: kind, Result: result,
			Began: began})
	}()
	n.mu.Lock()
	run := *n.runs[name][0]
	n.mu.Unlock()
	does := n.Scenario.Containers[name]
	if never || run.exited || run.id != number || ctx.Err() != nil {
		return nil, errors.New("cannot run")
	}
	unhealthy := exec.CodeExitError{Err: errors.New("not healthy"), Code: 1}
	age, started := time.Since(run.started), run.started.Sub(n.began)
	takes, answer := min(does.Answer, timeout), error(nil)
	switch {
	case does.HangAt > 0 && started < does.HangAt && n.now() >= does.HangAt,
		does.HangAfter > 0 && age >= does.HangAfter:
		takes, answer = timeout, unhealthy
	case age < does.Boot:
		answer = unhealthy
	}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(takes):
	}
	return nil, answer
}

func (n *lifeNode) tell(e lifeEvent) {
	n.mu.Lock()
	defer n.mu.Unlock()
	e.At = n.now()
	n.events = append(n.events, e)
}

func idOf(name string, id int) kubecontainer.ContainerID {
	return kubecontainer.ContainerID{Type: "test", ID: fmt.Sprint(name, "-", id)}
}

func parseID(id kubecontainer.ContainerID) (name string, number int) {
	name, text, _ := strings.Cut(id.ID, "-")
	_, _ = fmt.Sscan(text, &number)
	return name, number
}
