package timeline

import (
	"time"

	"github.com/podvet/podvet/rules/pod"
)

// makeStatus is what a sync begins with: the status of all containers, as the runtime had them when it was last asked,
// and whether they are started and ready. Workers whose probe could make a container ready are woken. Then, once the
// status is stored, the sync goes on (K pkg/kubelet/kubelet_pods.go convertToAPIContainerStatuses,
// pkg/kubelet/prober/prober_manager.go UpdatePodStatus).
func (k *kubelet) makeStatus(then func()) {
	made := make([]status, len(k.containers))
	var woken []*probeWorker
	for i, c := range k.containers {
		made[i] = k.convert(c, c.status)
		now := &made[i]
		now.started = now.running && k.isStarted(c, now)
		if c.isInit() {
			now.ready = now.terminated && now.code == 0
			continue
		}
		if !now.started {
			continue
		}
		if r, ok := c.resultOf(pod.Readiness, now.id); ok && r == success {
			now.ready = true
		} else if now.ready = !c.probed(pod.Readiness); !now.ready {
			woken = append(woken, c.probes[pod.Readiness])
		}
	}
	for _, w := range woken {
		w.trigger()
	}
	k.at(k.now+k.timing.Store, func() {
		for i, c := range k.containers {
			c.status = made[i]
		}
		k.phase = k.phaseNow()
		k.ready = k.podReady()
		k.observe()
		then()
	})
}

func (k *kubelet) convert(c *container, old status) status {
	run := c.newest()
	if run == nil {
		reason := "ContainerCreating"
		if len(k.subject.Spec.InitContainers) > 0 {
			reason = podInitializing
		}
		return status{waiting: reason, code: old.code, ended: old.ended, restarts: old.restarts}
	}
	now := status{id: run.id, restarts: run.id - 1}
	for i := range c.seen {
		if c.seen[i].exited { // the newest that has
			now.ended, now.code = true, c.seen[i].code
			break
		}
	}
	if !run.exited {
		now.running, now.since = true, k.wholeSecond(run.started)
		if k.has(pod.LateStartupGate) || old.id == run.id { // also of another one
			now.started = old.started
		}
		return now
	}
	now.terminated = true
	if c.reason != "" && k.comesBack(c, run.code) && !k.deleted {
		now.terminated, now.waiting = false, c.reason
	}
	return now
}

// wholeSecond cuts a time to the clock's second.
func (k *kubelet) wholeSecond(at time.Duration) time.Duration {
	return (at + k.timing.Second).Truncate(time.Second) - k.timing.Second
}

func (k *kubelet) isStarted(c *container, now *status) bool {
	if r, ok := c.resultOf(pod.Startup, now.id); ok {
		return r == success
	}
	return now.started || !c.probed(pod.Startup)
}
