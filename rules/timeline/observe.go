package timeline

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/podvet/podvet/rules/pod"
)

// observe tells what has changed for someone who watches the pod.
func (k *kubelet) observe() {
	for i, c := range k.containers {
		lane := &k.life.Containers[i]
		state := k.laneState(c)
		k.tellChange(c)
		lane.Spans = extend(lane.Spans, k.now, state)
	}
	if phase := string(k.phase); k.shown.phase != phase {
		k.shown.phase = phase
		k.tell(Event{Kind: Phase, Text: phase})
		k.life.Phases = extend(k.life.Phases, k.now, phase)
	}
	if in := k.ready && !k.deleted; in != k.shown.endpoints {
		k.shown.endpoints = in
		kind := OutOfEndpoints
		if in {
			kind = InEndpoints
			k.life.Endpoints = append(k.life.Endpoints, Span{From: k.now, To: -1, State: "InEndpoints"})
		} else {
			k.life.Endpoints = closeSpans(k.life.Endpoints, k.now)
		}
		k.tell(Event{Kind: kind})
	}
	if row := k.kubectl(); row != k.shown.row {
		k.shown.row = row
		k.tell(Event{Kind: Printed, Text: row})
		k.life.Printed = extend(k.life.Printed, k.now, row)
	}
}

// tellChange tells when a container is started, ready and not ready.
func (k *kubelet) tellChange(c *container) {
	s := &c.status
	event := Event{Container: c.Name, Restart: s.id - 1}
	if s.running && s.started && c.shownStarted != s.id && !c.isInit() {
		c.shownStarted = s.id
		event.Kind = Started
		k.tell(event)
	}
	if c.isInit() || s.ready == c.shownReady {
		return
	}
	c.shownReady = s.ready
	event.Kind = NotReady
	if s.ready {
		event.Kind = Ready
	}
	k.tell(event)
}

func (k *kubelet) laneState(c *container) string {
	run := c.current()
	switch {
	case run == nil:
		return Waiting
	case run.exited && (k.comesBack(c, run.code) || c.startsAgain) && !k.worker.terminating && !c.stopped:
		return InBackOff
	case run.exited && run.code == 0:
		return Completed
	case run.exited:
		return Failed
	case run.stopping:
		return Stopping
	case c.isInit():
		return Running
	case c.status.id != run.id || !c.status.started:
		return Booting
	case c.status.ready:
		return Serving
	}
	return Running
}

// kubectl is what kubectl get pods prints in READY, STATUS and RESTARTS
// (K pkg/printers/internalversion/printers.go printPod).
func (k *kubelet) kubectl() string {
	if k.gone {
		return ""
	}
	reason := string(k.phase)
	if k.phase == corev1.PodFailed && k.overdue() {
		reason = "DeadlineExceeded"
	}
	ready, all, restarts, sidecarRestarts := 0, 0, 0, 0
	inits, initializing := 0, false
	for _, c := range k.containers {
		all += boolInt(!c.isInit())
		inits += boolInt(c.Class != pod.App)
	}
	for i, c := range k.containers {
		if c.Class == pod.App {
			break
		}
		s := &c.status
		restarts += s.restarts
		if c.Class == pod.Sidecar {
			sidecarRestarts += s.restarts
		}
		switch {
		case s.terminated && s.code == 0:
			continue
		case c.Class == pod.Sidecar && s.started:
			ready += boolInt(s.ready)
			continue
		case s.terminated:
			reason = "Init:" + endReason(s.code)
		case s.waiting != "" && s.waiting != podInitializing:
			reason = "Init:" + s.waiting
		default:
			reason = fmt.Sprintf("Init:%d/%d", i, inits)
		}
		initializing = true
		break
	}
	if !initializing || k.appsRan {
		restarts = sidecarRestarts
		var ofApps int
		reason, ofApps = k.appsPrinted(reason, &restarts)
		ready += ofApps
	}
	if k.deleted && k.phase != corev1.PodSucceeded && k.phase != corev1.PodFailed {
		reason = "Terminating"
	}
	return fmt.Sprintf("%d/%d %s %d", ready, all, reason, restarts)
}

// appsPrinted looks at the app containers, the last one first, so that the first one counts most.
func (k *kubelet) appsPrinted(reason string, restarts *int) (printed string, ready int) {
	running, failed := false, ""
	for _, c := range slices.Backward(k.containers) {
		if c.Class != pod.App {
			break
		}
		*restarts += c.status.restarts
		switch s := &c.status; {
		case s.waiting != "":
			reason = s.waiting
		case s.terminated:
			reason = endReason(s.code)
			if s.code != 0 {
				failed = reason
			}
		case s.running && s.ready:
			running = true
			ready++
		}
	}
	switch {
	case reason != "Completed":
	case running && k.ready:
		return string(corev1.PodRunning), ready
	case failed != "":
		return failed, ready
	case running:
		return "NotReady", ready
	}
	return reason, ready
}

// endReason is what a runtime says of a container that has ended.
func endReason(code int32) string {
	if code == 0 {
		return "Completed"
	}
	return "Error"
}
