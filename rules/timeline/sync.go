package timeline

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/podvet/podvet/rules/pod"
)

const (
	relistPeriod = time.Second      // K pkg/kubelet/kubelet.go, of the generic PLEG
	tickPeriod   = time.Second      // of the queue of pods that are due
	resync       = 60 * time.Second // K syncFrequency
	retry        = 10 * time.Second // K backOffPeriod
)

// wantSync asks for a sync: now if none is under way and the runtime was asked since the last one.
func (k *kubelet) wantSync() {
	w := &k.worker
	switch {
	case w.done:
	case w.state != idle:
		w.pending = true
	case w.relisted > w.lastEnd:
		k.sync()
	default:
		w.state = waiting
	}
}

// relist asks the runtime for its containers each second.
func (k *kubelet) relist() {
	k.askRuntime()
	k.at(k.now+relistPeriod, k.relist)
}

func (k *kubelet) askRuntime() {
	w := &k.worker
	w.relisted = k.now
	changed := false
	for _, c := range k.containers {
		changed = changed || !slices.EqualFunc(c.seen, c.runs, func(a, b instance) bool {
			return a.id == b.id && a.exited == b.exited
		})
		c.seen = slices.Clone(c.runs)
	}
	if w.state == waiting {
		k.sync()
	}
	if changed {
		k.wantSync()
	}
}

// tick syncs the pod if it is due.
func (k *kubelet) tick() {
	if k.worker.requeueAt <= k.now || k.overdue() && !k.worker.terminating {
		k.worker.requeueAt = never
		k.wantSync()
	}
	k.at(k.now+tickPeriod, k.tick)
}

// sync is one sync of the pod (K pkg/kubelet/kubelet.go SyncPod).
func (k *kubelet) sync() {
	w := &k.worker
	w.state, w.acted = syncing, false
	if w.terminating || k.deleted {
		k.terminate()
		return
	}
	k.makeStatus(func() {
		if k.phase == corev1.PodSucceeded || k.phase == corev1.PodFailed {
			w.terminating = true
			w.pending = true
			k.endSync(never)
			return
		}
		k.addPod()
		end, expires := k.carryOut()
		k.at(end, func() { k.endSync(expires) })
	})
}

// endSync queues the next sync: when the back-off expires, which is stretched by up to a half, or in a minute or more.
func (k *kubelet) endSync(expires time.Duration) {
	w := &k.worker
	w.state, w.lastEnd = idle, k.now
	after := resync
	if expires < never {
		after = min(max(expires-k.now, 0), resync)
	}
	stretch := 0.0
	if n := len(k.timing.Requeue); n > 0 {
		stretch = k.timing.Requeue[k.requeued%n]
		k.requeued++
	}
	w.requeueAt = k.now + after + time.Duration(stretch*0.5*float64(after))
	if w.acted && expires == never && k.scenario.Kubelet >= asksAtOnceFrom {
		k.at(k.now+moment, k.askRuntime)
	}
	if w.pending {
		w.pending = false
		k.wantSync()
	}
}

// carryOut kills and starts containers, one after the other: while a container stops, the pod has no other sync. It
// returns when it is done, and when the first back-off expires.
func (k *kubelet) carryOut() (end, expires time.Duration) {
	now, expires := k.now, never
	if over := k.resetAll(&now); over {
		k.worker.pending, k.worker.acted = true, true
		return now, expires
	}
	a := k.decide()
	k.worker.acted = a.killPod || len(a.kill)+len(a.start) > 0
	if a.killPod {
		return k.stopAll(seconds(k.subject.Grace()), NothingElse), never
	}
	for _, kill := range a.kill {
		c := kill.container
		c.startsAgain = slices.Contains(a.start, c)
		now = k.stopOne(c, now, k.graceOf(c, kill.probe), kill.probe.String())
	}
	if len(a.start) > 0 && k.firstStart {
		now += k.timing.Pull
		k.firstStart = false
	}
	for _, c := range a.start {
		started, until := k.restart(c, now)
		expires = min(expires, until)
		now = started
		if until < never && c.isInit() {
			break // nothing may start before it
		}
	}
	return now, expires
}

// restart starts a container, unless it is in back-off: that counts from the last end that the kubelet knew before this
// sync, so that a container that was killed in this sync is mostly started at once
// (K pkg/kubelet/kuberuntime/kuberuntime_manager.go doBackOff). It returns when it is done, and for a container that
// was not started when to try again.
func (k *kubelet) restart(c *container, now time.Duration) (end, expires time.Duration) {
	if i := slices.IndexFunc(c.seen, func(run instance) bool { return run.exited }); i >= 0 {
		ended := c.seen[i].ended
		c.backOff.clean(k.cleaned(now))
		if c.backOff.blocks(ended, now) {
			expires := ended + c.backOff.wait
			k.at(now, func() {
				c.reason, c.startsAgain = "CrashLoopBackOff", false
				if c.waitedAfter != c.made {
					c.waitedAfter = c.made
					k.tell(Event{Kind: BackOff, Container: c.Name, Restart: c.made - 1, Wait: c.backOff.wait})
				}
				k.observe()
			})
			return now, expires
		}
		c.backOff.restart(ended, now)
	}
	k.at(now, func() {
		c.reason = ""
		k.start(c)
	})
	hook := c.hooks[pod.PostStart]
	if hook == nil {
		return now, never
	}
	// The hook runs before anything else starts and before probes can see the container.
	end = now + hook.takes
	if !hook.fails {
		return end, never
	}
	k.at(end, func() {
		c.reason = "PostStartHookError"
		k.stopOne(c, k.now, seconds(k.subject.Grace()), "postStart")
	})
	end += min(k.stopsIn(c), seconds(k.subject.Grace())+minimumGrace)
	return end, end + retry
}

// stopsIn is how long a container takes to stop that has just been started.
func (k *kubelet) stopsIn(c *container) time.Duration {
	takes := c.does.StopTakes
	if hook := c.hooks[pod.PreStop]; hook != nil {
		takes += hook.takes
	}
	return takes
}

// cleaned is when housekeeping last dropped expired entries.
func (k *kubelet) cleaned(now time.Duration) time.Duration {
	return (now - k.timing.Housekeeping).Truncate(housekeeping) + k.timing.Housekeeping
}

// resetAll kills and removes all containers where one has ended with an exit code after which the pod starts over.
func (k *kubelet) resetAll(now *time.Duration) bool {
	over := slices.ContainsFunc(k.containers, func(c *container) bool {
		run := c.newest()
		return run != nil && run.exited && k.startsOver(c, run.code)
	})
	if !over {
		return false
	}
	for _, c := range slices.Backward(k.containers) {
		if c.newest() != nil && !c.newest().exited {
			*now = k.stopOne(c, *now, 0, "all containers start over")
		}
	}
	k.at(*now, func() {
		k.appsRan = false
		for _, c := range k.containers {
			c.runs = nil
		}
		k.observe()
	})
	return true
}

// terminate stops what still runs, and is the last sync but one (K pkg/kubelet/kubelet.go SyncTerminatingPod).
func (k *kubelet) terminate() {
	k.worker.terminating = true
	why := "the pod has finished"
	switch {
	case k.deleted:
		why = "the pod is deleted"
	case k.overdue():
		why = Deadline
	}
	k.makeStatus(func() {
		for _, c := range k.containers {
			for _, kind := range [...]pod.ProbeKind{pod.Liveness, pod.Startup} {
				if c.Class == pod.App && c.probed(kind) { // those of sidecars go on, and nothing comes of it
					c.probes[kind].end()
				}
			}
		}
		k.at(k.stopAll(max(seconds(k.subject.Grace()), time.Second), why), k.finish)
	})
}

// finish is when all containers have ended for good.
func (k *kubelet) finish() {
	w := &k.worker
	w.done = true
	for _, c := range k.containers {
		for _, kind := range pod.ProbeKinds {
			if c.probed(kind) {
				c.probes[kind].end()
			}
		}
		c.seen = slices.Clone(c.runs)
		c.reason = ""
	}
	k.makeStatus(func() {
		k.gone = k.deleted
		k.tell(Event{Kind: Finished, Text: string(k.phase)})
		k.observe()
	})
}
