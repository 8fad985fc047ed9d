package timeline

import (
	"slices"
	"time"

	"github.com/podvet/podvet/rules/pod"
)

// start lets the runtime run a container of the entry, from now on.
func (k *kubelet) start(c *container) {
	c.made++
	run := instance{id: c.made, started: k.now, selfEnd: k.selfEnd(c)}
	c.runs = append([]instance{run}, c.runs[:min(1, len(c.runs))]...)
	c.startsAgain = false
	k.appsRan = k.appsRan || c.Class == pod.App
	k.tellOf(c, Created)
	if run.selfEnd < never {
		k.at(run.selfEnd, func() { k.exit(c, run.id, k.selfCode(c, run.id)) })
	}
	if boots := c.does.Boot; !c.isInit() && boots > 0 {
		k.whileRunning(c, run.id, k.now+boots, Serves)
	}
	for _, hangs := range [...]time.Duration{c.does.HangAt, k.now + c.does.HangAfter} {
		if hangs > k.now {
			k.whileRunning(c, run.id, hangs, Hangs)
		}
	}
	k.observe()
}

func (k *kubelet) whileRunning(c *container, id int, at time.Duration, kind Kind) {
	k.at(at, func() {
		if run := c.current(); run != nil && run.id == id && !run.exited {
			k.tellOf(c, kind)
		}
	})
}

// selfEnd is when a container that is made now ends by itself: not before the kubelet can have seen it run.
func (k *kubelet) selfEnd(c *container) time.Duration {
	d := c.does
	switch {
	case k.crashes(c, c.made):
		return k.now + max(d.Crash, quickest)
	case c.isInit():
		return k.now + max(d.Boot, quickest)
	}
	return never
}

func (k *kubelet) crashes(c *container, id int) bool {
	return c.does.Crash > 0 && (c.does.Crashes == 0 || id <= c.does.Crashes)
}

func (k *kubelet) selfCode(c *container, id int) int32 {
	if k.crashes(c, id) {
		return c.does.ExitCode
	}
	return 0
}

// exit is the end of a process.
func (k *kubelet) exit(c *container, id int, code int32) {
	run := c.current()
	if run == nil || run.id != id || run.exited {
		return
	}
	run.exited, run.ended, run.code = true, k.now, code
	k.tell(Event{Kind: Exited, Container: c.Name, Restart: id - 1, ExitCode: code})
	k.observe()
}

// stopping is a container that is being killed.
type stopping struct {
	*container
	run  *instance
	from time.Duration
	why  string
	// grace is what is left of the grace period; hookEnds is when the preStop hook does, or its time is over.
	grace    time.Duration
	hookEnds time.Duration
}

// beginStop begins a kill at a time that is not past: preStop runs at once, within the grace period
// (K pkg/kubelet/kuberuntime/kuberuntime_container.go killContainer).
func (k *kubelet) beginStop(c *container, from, grace time.Duration, why string) *stopping {
	s := &stopping{container: c, run: c.current(), from: from, why: why, grace: grace, hookEnds: from}
	if s.run.exited || s.run.selfEnd <= from {
		return s
	}
	id := s.run.id
	k.at(from, func() {
		c.current().stopping = true
		k.tell(Event{Kind: Killing, Container: c.Name, Restart: id - 1, Grace: grace, Text: why})
		k.observe()
	})
	if hook := c.hooks[pod.PreStop]; hook != nil && grace > 0 {
		takes := min(hook.takes, grace)
		s.hookEnds += takes
		s.grace -= takes.Truncate(time.Second) // only whole seconds count
		k.whileRunning(c, id, s.hookEnds, PreStop)
	}
	return s
}

// finishStop sends SIGTERM once it is the container's turn, and SIGKILL after what is left of the grace period, at
// least 2 s. It returns when the container has ended for the kubelet.
func (k *kubelet) finishStop(s *stopping, turn time.Duration) (ended time.Duration) {
	term := s.hookEnds
	if waits := min(turn-term, s.grace); waits > 0 {
		term += waits
		s.grace -= waits.Truncate(time.Second)
	}
	if s.run.exited || s.run.selfEnd <= term {
		return term
	}
	c, id, grace := s.container, s.run.id, max(s.grace, minimumGrace)
	k.whileRunning(c, id, term, SigTerm)
	if c.does.StopTakes < grace {
		ended = min(term+c.does.StopTakes, s.run.selfEnd)
		k.at(ended, func() { k.exit(c, id, 0) })
		return ended
	}
	ended = min(term+grace, s.run.selfEnd)
	k.whileRunning(c, id, term+grace, SigKill)
	k.at(term+grace, func() { k.exit(c, id, 137) })
	return ended
}

// stopOne kills one container, and returns when it has ended.
func (k *kubelet) stopOne(c *container, from, grace time.Duration, why string) time.Duration {
	return k.finishStop(k.beginStop(c, from, grace, why), from)
}

// stopAll kills all containers side by side: the sidecars after all app containers, the last one first
// (K pkg/kubelet/kuberuntime/kuberuntime_termination_order.go). It returns when all have ended.
func (k *kubelet) stopAll(grace time.Duration, why string) (ended time.Duration) {
	turn := k.now // when all app containers and later sidecars have ended
	ended = k.now
	var sidecars []*stopping
	for _, c := range k.containers {
		if c.newest() == nil || c.newest().exited {
			continue
		}
		c.stopped = true
		s := k.beginStop(c, k.now, grace, why)
		if c.Class == pod.Sidecar {
			sidecars = append(sidecars, s)
			continue
		}
		end := k.finishStop(s, k.now)
		ended = max(ended, end)
		if c.Class == pod.App {
			turn = max(turn, end)
		}
	}
	for _, s := range slices.Backward(sidecars) {
		turn = max(turn, k.finishStop(s, turn))
	}
	return max(ended, turn)
}
