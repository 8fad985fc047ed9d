package timeline

import (
	"time"

	"github.com/podvet/podvet/rules/pod"
)

func (w *probeWorker) period() time.Duration { return seconds(w.probe.Period()) }

// begin is the first look. The ticker starts with it: its phase has nothing to do with when containers start.
func (w *probeWorker) begin() {
	w.setTicker()
	w.wake()
}

// wake lets the worker look in a moment.
func (w *probeWorker) wake() {
	w.busy = true
	w.kubelet.at(w.kubelet.now+w.kubelet.timing.Look, func() {
		if probes := w.look(); !probes {
			w.next()
		}
	})
}

func (w *probeWorker) setTicker() {
	w.ticker++
	w.tickKept = false // a ticker that is set again forgets
	w.nextTick(w.ticker)
}

func (w *probeWorker) nextTick(ticker int) {
	w.kubelet.at(w.kubelet.now+w.period(), func() {
		if w.gone || w.ticker != ticker {
			return
		}
		w.nextTick(ticker)
		if w.busy {
			w.tickKept = true // one: more are lost
			return
		}
		w.wake()
	})
}

// trigger wakes the worker of a readinessProbe, and its period begins again.
func (w *probeWorker) trigger() {
	if w.busy {
		w.triggered = true
		return
	}
	w.setTicker()
	w.wake()
}

// end stops the worker, after the probe that is under way.
func (w *probeWorker) end() {
	w.stop = true
	if !w.busy {
		w.gone, w.known = true, false
	}
}

// next is what a worker does when it has looked and probed.
func (w *probeWorker) next() {
	w.busy = false
	switch {
	case w.gone:
	case w.stop:
		w.gone, w.known = true, false
	case w.triggered && (!w.tickKept || w.kubelet.timing.TriggerFirst):
		w.triggered = false
		w.setTicker()
		w.wake()
	case w.tickKept:
		w.tickKept = false
		w.wake()
	}
}

// look is doProbe: it decides by the status whether to probe now.
func (w *probeWorker) look() (probes bool) {
	status := w.container.status // as it was: what set changes counts at the next look
	if status.id == 0 {
		return false // wait for a container
	}
	if w.id != status.id { // a new one: the result is reset, what was counted is not
		w.id, w.known, w.onHold = status.id, false, false
		if w.probe.Kind == pod.Startup && w.container.Class == pod.Sidecar && status.started {
			w.set(success) // meant for a kubelet that was restarted (kubernetes#136910)
		}
		w.set([...]result{pod.Liveness: success, pod.Readiness: failure, pod.Startup: unknown}[w.probe.Kind])
	}
	switch {
	case w.onHold:
	case !status.running:
		w.set(failure)
		if status.terminated && !w.kubelet.comesBack(w.container, status.code) {
			w.gone, w.known = true, false
		}
	case w.kubelet.now-status.since < seconds(w.probe.Delay()):
	case status.started == (w.probe.Kind == pod.Startup):
		// Only the startupProbe until it has succeeded, then only the others.
	default:
		w.attempt()
		return true
	}
	return false
}

// attempt is one probe.
func (w *probeWorker) attempt() {
	k := w.kubelet
	began := k.now
	outcome, takes := w.ask()
	w.attempts++
	number := w.attempts
	w.answer = func(outcome result) {
		if w.attempts != number || w.answer == nil { // it was cancelled
			return
		}
		w.answer = nil
		said := [...]string{success: "Success", failure: "Failure", thrownAway: "Error"}[outcome]
		k.tell(Event{Kind: Probed, Container: w.container.Name, Restart: w.id - 1, Probe: w.probe.Kind.String(),
			Result: said, Began: began})
		if outcome != thrownAway {
			w.count(outcome)
		}
		w.next()
	}
	answer := w.answer
	k.at(began+takes, func() { answer(outcome) })
}

// cancel ends a probe that is under way when the pod is deleted.
func (w *probeWorker) cancel() {
	if w.answer != nil && w.probe.Exec != nil && w.kubelet.scenario.Kubelet < fixedReadinessAtEnd {
		w.answer(thrownAway)
	}
}

// ask is what the app answers, and how long it takes.
func (w *probeWorker) ask() (outcome result, takes time.Duration) {
	k, c := w.kubelet, w.container
	timeout := seconds(w.probe.Timeout())
	cancelled := w.probe.Exec != nil && k.scenario.Kubelet < fixedReadinessAtEnd && k.deleted
	if w.neverRuns || cancelled {
		return thrownAway, 0 // three attempts at once, and the error is thrown away
	}
	run := c.current()
	answer := min(max(c.does.Answer, quickest), timeout)
	switch {
	case run == nil || run.exited || run.id != w.id: // the status does not know it yet
		if w.probe.Exec != nil {
			return thrownAway, 0
		}
		return failure, answer
	case k.hangs(c, run):
		return failure, timeout
	case k.now-run.started < c.does.Boot:
		if w.probe.GRPC != nil && k.has(pod.GRPCWaits) {
			return failure, timeout
		}
		return failure, answer
	}
	return success, answer
}

// hangs tells whether the process has stopped answering.
func (k *kubelet) hangs(c *container, run *instance) bool {
	d := c.does
	return d.HangAt > 0 && run.started < d.HangAt && k.now >= d.HangAt ||
		d.HangAfter > 0 && k.now-run.started >= d.HangAfter
}

// count compares equal results in a row with the threshold.
func (w *probeWorker) count(outcome result) {
	if outcome == w.last {
		w.run++
	} else {
		w.last, w.run = outcome, 1
	}
	threshold := w.probe.Failures()
	if outcome == success {
		threshold = int64(w.probe.SuccessThreshold)
	}
	if int64(w.run) < threshold {
		return
	}
	w.set(outcome)
	if w.probe.Kind == pod.Startup || w.probe.Kind == pod.Liveness && outcome == failure {
		w.onHold, w.run = true, 0 // until there is a new container
	}
}

// set tells the rest of the kubelet of a new result (K pkg/kubelet/kubelet.go syncLoopIteration).
func (w *probeWorker) set(r result) {
	if w.known && w.result == r {
		return
	}
	w.result, w.known = r, true
	k, status := w.kubelet, &w.container.status
	switch {
	case w.probe.Kind == pod.Liveness && r != failure:
		return
	case w.probe.Kind == pod.Liveness || status.id != w.id:
	case w.probe.Kind == pod.Readiness:
		status.ready = r == success
		k.ready = k.podReady()
	case w.probe.Kind == pod.Startup:
		status.started = r == success
	}
	k.observe()
	k.wake()
}

// addPod makes the workers that are missing: all of them in the first sync, later those of a container that has ended
// for good, which end again (K pkg/kubelet/prober/prober_manager.go AddPod).
func (k *kubelet) addPod() {
	first := k.firstStart
	apps := len(k.subject.Spec.InitContainers)
	for _, list := range [][]*container{k.containers[apps:], k.containers[:apps]} {
		for _, c := range list {
			if c.isInit() {
				continue
			}
			for _, kind := range [...]pod.ProbeKind{pod.Startup, pod.Readiness, pod.Liveness} {
				p, ok := c.ProbeOf(kind)
				if !ok {
					continue
				}
				if c.probed(kind) {
					if k.scenario.Kubelet <= returnsAtOther {
						return
					}
					break
				}
				k.addWorker(c, p, first)
			}
		}
	}
}

func (k *kubelet) addWorker(c *container, p pod.Probe, first bool) {
	w := &probeWorker{kubelet: k, container: c, probe: p, neverRuns: p.NeverRuns(k.subject)}
	c.probes[p.Kind] = w
	begins := k.now
	if first {
		begins += k.timing.Workers[workerName(c.Name, p.Kind)]
	}
	k.at(begins, func() {
		if !w.gone {
			w.begin()
		}
	})
}
