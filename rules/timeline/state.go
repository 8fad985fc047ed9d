package timeline

import (
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/podvet/podvet/rules/pod"
)

const podInitializing = "PodInitializing"

const never = time.Duration(1<<62 - 1)

// kubelet is one with one pod: what it knows, and the containers that it runs.
type kubelet struct {
	queue
	subject  *pod.Subject
	scenario Scenario
	timing   Timing
	life     Life

	containers []*container // the init containers and sidecars, then the app containers, each as listed in the spec
	requeued   int          // how many entries of timing.Requeue are used

	// Of the pod's status.
	phase   corev1.PodPhase
	ready   bool // the condition Ready
	deleted bool
	gone    bool // from the API server
	appsRan bool // an app container has been started, so that all init containers are done
	shown   shown

	worker     podWorker
	firstStart bool // no container has been started
	// wake asks for a sync of the pod.
	wake func()
}

// shown is what someone who watches the pod has seen last.
type shown struct {
	phase, row string
	endpoints  bool
}

// podWorker is the one that syncs the pod, one sync after the other (K pkg/kubelet/pod_workers.go).
type podWorker struct {
	state     workerState
	pending   bool          // a sync was asked for while another one was under way
	acted     bool          // the last sync has killed or started something, or has tried to
	lastEnd   time.Duration // of a sync: the next one waits for newer news of the runtime
	relisted  time.Duration // when the runtime was last asked
	requeueAt time.Duration
	// terminating: the pod is being deleted, or all of its containers that count have ended for good.
	terminating bool
	done        bool // and none runs any more
}

type workerState uint8

const (
	idle    workerState = iota
	waiting             // for the runtime to be asked again
	syncing
)

// container is an entry of the spec.
type container struct {
	*pod.Container
	does    Behavior
	probes  [len(pod.ProbeKinds)]*probeWorker
	hooks   [len(pod.HookKinds)]*hook
	backOff backOff

	made int        // how many instances there were
	runs []instance // as the runtime has them, the newest first
	seen []instance // as the runtime had them when it was last asked

	status      status
	reason      string // why the last sync did not start it, "" where it did
	startsAgain bool   // the sync under way starts it after a kill
	stopped     bool   // for good, with all others
	waitedAfter int    // the instance after which the last back-off was told

	shownStarted int // of which instance someone who watches knows
	shownReady   bool
}

// instance is one container of the runtime.
type instance struct {
	id       int
	started  time.Duration
	exited   bool
	ended    time.Duration
	code     int32
	selfEnd  time.Duration // when it would end by itself, or never
	stopping bool
}

// status is what the kubelet keeps of a container for the API server, and what its probe workers look at.
type status struct {
	id         int // of the instance, 0 for none
	running    bool
	since      time.Duration // of a running one, in whole seconds of the clock
	terminated bool
	waiting    string // a reason; "" where it runs or has ended
	code       int32  // of the last one that has ended
	ended      bool   // there is one
	started    bool
	ready      bool
	restarts   int
}

// result is what a probe has come to.
type result uint8

const (
	unknown result = iota
	success
	failure
	thrownAway // an error
)

// probeWorker probes a container (K pkg/kubelet/prober/worker.go).
type probeWorker struct {
	kubelet   *kubelet
	container *container
	probe     pod.Probe
	neverRuns bool

	ticker    int // how often it was set: ticks of an earlier setting do not count
	tickKept  bool
	triggered bool
	busy      bool // between a tick and the end of what it leads to
	stop      bool
	gone      bool
	attempts  int
	answer    func(result) // of the probe that is under way, nil for none

	id     int    // of the instance that it knows, 0 for none
	result result // of that instance: what the rest of the kubelet sees
	known  bool   // there is one
	last   result // of the last probes, also of earlier instances
	run    int    // how many of them in a row
	onHold bool
}

// hook is a lifecycle hook.
type hook struct {
	takes time.Duration
	fails bool
}

func (c *container) isInit() bool { return c.Class == pod.Init }

// newest is the runtime's newest instance as the kubelet saw it, nil for none.
func (c *container) newest() *instance {
	if len(c.seen) == 0 {
		return nil
	}
	return &c.seen[0]
}

// current is the runtime's newest instance, nil for none.
func (c *container) current() *instance {
	if len(c.runs) == 0 {
		return nil
	}
	return &c.runs[0]
}

// resultOf is what a probe says of an instance, and false where it has not yet said anything.
func (c *container) resultOf(kind pod.ProbeKind, id int) (result, bool) {
	w := c.probes[kind]
	if w == nil || !w.known || w.id != id {
		return unknown, false
	}
	return w.result, true
}

// probed tells whether a worker probes the container.
func (c *container) probed(kind pod.ProbeKind) bool {
	return c.probes[kind] != nil && !c.probes[kind].gone
}

// has tells whether the kubelet's version is in a range.
func (k *kubelet) has(versions pod.Kubelets) bool {
	return versions.Overlap(pod.Kubelets{From: k.scenario.Kubelet, To: k.scenario.Kubelet})
}

// tell adds an event.
func (k *kubelet) tell(e Event) {
	e.At = k.now
	k.life.Events = append(k.life.Events, e)
}

// tellOf adds an event of a container.
func (k *kubelet) tellOf(c *container, kind Kind) {
	k.tell(Event{Kind: kind, Container: c.Name, Restart: c.made - 1})
}
