package timeline

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/podvet/podvet/rules/pod"
)

// actions are what a sync decides to do with the containers, as the runtime had them when it was last asked
// (K pkg/kubelet/kuberuntime/kuberuntime_manager.go computePodActions).
type actions struct {
	killPod bool
	kill    []killing
	start   []*container // the init containers first, each as listed in the spec
}

type killing struct {
	*container
	probe pod.ProbeKind // that has failed
}

func (k *kubelet) decide() (a actions) {
	if k.decideInit(&a); a.killPod || !k.initialized() {
		return a
	}
	keep, starts := 0, 0
	for _, c := range k.containers {
		if c.Class != pod.App {
			continue
		}
		run := c.newest()
		if run == nil || run.exited {
			if run == nil || k.comesBack(c, run.code) {
				a.start = append(a.start, c)
				starts++
			}
			continue
		}
		probe, failed := c.failed(run.id)
		if !failed {
			keep++
			continue
		}
		a.kill = append(a.kill, killing{c, probe})
		if k.restartsAfterProbe(c) {
			a.start = append(a.start, c)
			starts++
		}
	}
	if keep == 0 && starts == 0 {
		return actions{killPod: true} // sidecars do not keep a pod alive
	}
	return a
}

// failed tells whether the livenessProbe or the startupProbe of an instance has.
func (c *container) failed(id int) (pod.ProbeKind, bool) {
	for _, kind := range [...]pod.ProbeKind{pod.Liveness, pod.Startup} {
		if r, ok := c.resultOf(kind, id); ok && r == failure {
			return kind, true
		}
	}
	return 0, false
}

// restartsAfterProbe tells whether the sync that kills a container for a probe starts it again: its policy decides, its
// rules do not, because there is no exit code yet.
func (k *kubelet) restartsAfterProbe(c *container) bool {
	return pod.EffectiveRestartPolicy(k.subject.Spec, c.Container.Container) != corev1.RestartPolicyNever
}

// initialized tells whether the app containers may run: one has, or the last init container has ended or is a sidecar
// that is started.
func (k *kubelet) initialized() bool {
	if k.appStarted() {
		return true
	}
	var last *container
	for _, c := range k.containers {
		if c.Class != pod.App {
			last = c
		}
	}
	return last == nil || last.initDone()
}

// appStarted tells whether the runtime knew of an app container that shows that the pod is initialized.
func (k *kubelet) appStarted() bool {
	for _, c := range k.containers {
		run := c.newest()
		if c.Class == pod.App && run != nil && (!run.exited || k.scenario.Kubelet >= endedCountsFrom) {
			return true
		}
	}
	return false
}

// initDone tells whether the next init container may start: this one has ended well, or is a sidecar that runs and
// whose startupProbe, if it has one, has succeeded. No other probe counts.
func (c *container) initDone() bool {
	run := c.newest()
	switch {
	case run == nil:
		return false
	case c.Class == pod.Init:
		return run.exited && run.code == 0
	case run.exited:
		return false
	case c.StartupProbe == nil:
		return true
	}
	r, ok := c.resultOf(pod.Startup, run.id)
	return ok && r == success
}

// decideInit goes through the init containers from the last one that was started back to the first
// (K pkg/kubelet/kuberuntime/kuberuntime_container.go computeInitContainerActions).
func (k *kubelet) decideInit(a *actions) {
	previously := k.appStarted() // all before it have been initialized
	var start []*container       // the last one first
	inits := k.inits()
	for i, c := range slices.Backward(inits) {
		run := c.newest()
		switch {
		case run == nil:
			if previously && c.Class == pod.Sidecar {
				start = append(start, c)
			}
			continue
		case previously && c.Class == pod.Init:
			continue
		case c.Class == pod.Init && run.exited && run.code != 0:
			if !k.comesBack(c, run.code) {
				*a = actions{killPod: true}
				return
			}
			start = append(start, c)
		case c.Class == pod.Sidecar && run.exited:
			start = append(start, c)
		case c.initDone() && i < len(inits)-1 && !previously:
			start = append(start, inits[i+1])
		}
		if probe, failed := c.failedSidecar(run); failed {
			a.kill = append(a.kill, killing{c, probe})
			start = append(start, c)
		}
		previously = true
	}
	if !previously && len(inits) > 0 {
		start = append(start, inits[0])
	}
	for _, c := range slices.Backward(start) {
		a.start = append(a.start, c)
	}
}

// failedSidecar is failed for a sidecar that runs: its liveness does not count before its startupProbe has succeeded,
// and a failure of before then counts later.
func (c *container) failedSidecar(run *instance) (pod.ProbeKind, bool) {
	if c.Class != pod.Sidecar || run.exited {
		return 0, false
	}
	kind, failed := c.failed(run.id)
	if kind == pod.Liveness && !c.initDone() {
		r, _ := c.resultOf(pod.Startup, run.id)
		return pod.Startup, r == failure
	}
	return kind, failed
}

func (k *kubelet) inits() []*container { return k.containers[:len(k.subject.Spec.InitContainers)] }

// graceOf is how long a container has to stop after a probe has failed: what the probe says, else the pod.
func (k *kubelet) graceOf(c *container, kind pod.ProbeKind) time.Duration {
	if p := *kind.Field(c.Container.Container); p != nil && p.TerminationGracePeriodSeconds != nil {
		return seconds(*p.TerminationGracePeriodSeconds)
	}
	return seconds(k.subject.Grace())
}

// comesBack tells whether the kubelet restarts a container that has ended with an exit code.
func (k *kubelet) comesBack(c *container, code int32) bool {
	switch {
	case c.Class == pod.Sidecar:
		return true
	case c.isInit() && code == 0:
		return k.startsOver(c, code)
	}
	return pod.Restarts(k.subject.Spec, c.Container.Container, code)
}

func (k *kubelet) startsOver(c *container, code int32) bool {
	return k.scenario.Kubelet >= restartAllFrom && pod.StartsPodOver(c.Container.Container, code)
}
