package picture

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/podvet/podvet/rules/pod"
	"github.com/podvet/podvet/rules/timeline"
)

// neverKilled ends the verdict about a scenario in which nothing is killed before its time.
const neverKilled = "never killed"

// NewLife simulates a pod, and says in words what it comes to.
func NewLife(as string, s *pod.Subject, scenario timeline.Scenario, timing timeline.Timing) Life {
	l := Life{As: as, Subject: s, Possible: timeline.Around(s, scenario, timing)}
	l.Verdict = l.verdict()
	return l
}

// verdict says in words what a scenario comes to, one sentence after the other.
func (l Life) verdict() string {
	var said []string
	say := func(sentence string) {
		if sentence != "" {
			said = append(said, strings.TrimSuffix(sentence, ".")+".")
		}
	}
	for _, c := range l.Containers {
		say(l.ofProbes(c.Name))
		say(l.ofItself(c.Name))
		say(l.ofStop(c.Name))
	}
	say(l.ofDeadline())
	if !l.anyKilled() {
		say(l.ofReadiness())
	}
	return strings.Join(said, " ")
}

// anyKilled tells whether something is killed before its time.
func (l Life) anyKilled() bool {
	return l.Killed > 0 || slices.ContainsFunc(l.Events, func(e timeline.Event) bool {
		return e.Kind == timeline.SigKill || e.Kind == timeline.Killing && (e.Text == timeline.Deadline ||
			e.Text == pod.PostStart.String() || l.forGood(e))
	})
}

// forGood tells whether a kill is one after which an app container is not restarted. It had failed a probe.
func (l Life) forGood(e timeline.Event) bool {
	c := containerOf(l.Subject, e.Container)
	return e.Kind == timeline.Killing && e.Text == timeline.NothingElse && c != nil && c.Class == pod.App
}

// ofProbes is about the kills of a container by its probes.
func (l Life) ofProbes(name string) string {
	var kills []timeline.Event
	for _, kill := range l.Of(name, timeline.Killing) {
		if kill.ByProbe() {
			kills = append(kills, kill)
		}
	}
	lived, inOthers := l.Lived[name]
	if len(kills) == 0 {
		if !inOthers {
			return cmp.Or(l.ofLast(name), l.ofHang(name))
		}
		return fmt.Sprintf("%s is not killed here, but in %d of %d runs with other probe times: after %s at the "+
			"earliest", name, lived.Lives, l.Draws, Seconds(lived.From))
	}
	does, probe, length := l.Scenario.Containers[name], kills[0].Text, long(l.Scenario.Length)
	if !l.servedBefore(name) {
		guard, ok := guardOf(l.Subject, name)
		verb := "starts"
		if ok && guard.Kind != pod.Startup { // the kubelet takes it for started as soon as it runs
			verb = "serves"
		}
		said := fmt.Sprintf("%s never %s: it is killed %s in %s.", name, verb, times(len(kills)), length)
		if len(l.Of(name, timeline.Serves)) > 0 { // while it stopped
			said = fmt.Sprintf("%s is killed %s in %s, always before its boot is over.", name, times(len(kills)),
				length)
		}
		if ok && does.Boot < never && int64(does.Boot/time.Second) > guard.Guaranteed() {
			said += " " + boots(guard, does.Boot)
		}
		return said
	}
	if later, ok := l.afterHang(name); ok {
		said := fmt.Sprintf("%s hangs at %s and is killed by %s %s later", name, Seconds(does.HangAt), probe,
			fromTo(later))
		if more := len(kills) - 1; more > 0 {
			said += fmt.Sprintf(". Then it is killed %s more while it boots", times(more))
		} else if lived.From < does.Boot {
			said += fmt.Sprintf(". In other runs it is killed again while it boots, after %s at the earliest",
				Seconds(lived.From))
		}
		return said
	}
	return fmt.Sprintf("%s is killed %s in %s because %s fails, %s after its start", name, times(len(kills)), length,
		probe, fromTo(lived.Range))
}

// servedBefore tells whether a container has booted before a kill in the same run.
func (l Life) servedBefore(name string) bool {
	kills := l.Of(name, timeline.Killing)
	return l.Scenario.Containers[name].Boot == 0 ||
		slices.ContainsFunc(l.Of(name, timeline.Serves), func(serves timeline.Event) bool {
			return !slices.ContainsFunc(kills, func(kill timeline.Event) bool {
				return kill.Restart == serves.Restart && kill.At <= serves.At
			})
		})
}

// ofLast is about a container that is killed once and for all.
func (l Life) ofLast(name string) string {
	for _, m := range l.Moments {
		if m.Container == name && l.forGood(m.Event) {
			return fmt.Sprintf("%s is killed after %s because a probe fails, and is not restarted", name,
				fromTo(timeline.Range{From: m.Earliest, To: m.Latest}))
		}
	}
	if n := len(l.byPostStart(name)); n > 0 {
		return fmt.Sprintf("%s is killed %s in %s because its postStart hook fails", name, times(n),
			long(l.Scenario.Length))
	}
	return ""
}

func (l Life) byPostStart(name string) []timeline.Event {
	return slices.DeleteFunc(l.Of(name, timeline.Killing), func(e timeline.Event) bool {
		return e.Text != pod.PostStart.String()
	})
}

// ofHang is about a container that hangs and that no probe ends.
func (l Life) ofHang(name string) string {
	hangs := l.Of(name, timeline.Hangs)
	if len(hangs) == 0 || l.Scenario.DeleteAt > 0 {
		return ""
	}
	said := fmt.Sprintf("%s hangs at %s, and nothing restarts it", name, Seconds(hangs[0].At))
	if c := containerOf(l.Subject, name); c != nil {
		if liveness, ok := c.ProbeOf(pod.Liveness); ok && !liveness.NeverRuns(l.Subject) {
			said = fmt.Sprintf("%s hangs at %s: livenessProbe takes up to %d s to see that", name, Seconds(hangs[0].At),
				liveness.Worst())
		}
	}
	if end := len(l.Endpoints) - 1; end >= 0 && l.Endpoints[end].To >= l.Scenario.Length {
		said += ". The pod stays in the endpoints"
	}
	return said
}

// afterHang is how long after a hang the first kill comes, if one that a probe demands does.
func (l Life) afterHang(name string) (timeline.Range, bool) {
	hang := l.Scenario.Containers[name].HangAt
	for _, m := range l.Moments {
		if m.Container == name && m.ByProbe() {
			return timeline.Range{From: m.Earliest - hang, To: m.Latest - hang}, hang > 0 && m.Earliest > hang
		}
	}
	return timeline.Range{}, false
}

// guardOf is the probe that ends a boot that takes too long.
func guardOf(s *pod.Subject, name string) (pod.Probe, bool) {
	c := containerOf(s, name)
	if c == nil {
		return pod.Probe{}, false
	}
	if guard, ok := c.ProbeOf(pod.Startup); ok {
		return guard, true
	}
	return c.ProbeOf(pod.Liveness)
}

// containerOf is an app container or a sidecar by its name, nil for none.
func containerOf(s *pod.Subject, name string) *pod.Container {
	for i := range s.Containers {
		if s.Containers[i].Name == name {
			return &s.Containers[i]
		}
	}
	return nil
}

// boots says what a probe guarantees a boot, and what would do.
func boots(guard pod.Probe, boot time.Duration) string {
	need := int64((boot + time.Second - 1) / time.Second)
	said := fmt.Sprintf("%s guarantees %d s, its boot takes %s.", guard.Kind, guard.Guaranteed(), Seconds(boot))
	if guard.Delay() > 0 {
		need++ // the kubelet counts from the whole second of the start
	}
	said += fmt.Sprintf(" failureThreshold %d would do", guard.FailuresFor(need))
	if guard.Kind == pod.Liveness {
		said += ", best in a startupProbe"
	}
	return said + "."
}

// ofItself is about a container that ends by itself.
func (l Life) ofItself(name string) string {
	does := l.Scenario.Containers[name]
	created, exited := l.Of(name, timeline.Created), l.Of(name, timeline.Exited)
	kills := l.Of(name, timeline.Killing)
	exited = slices.DeleteFunc(exited, func(end timeline.Event) bool { // by itself
		return slices.ContainsFunc(kills, func(kill timeline.Event) bool { return kill.Restart == end.Restart })
	})
	if does.Crash == 0 || len(exited) == 0 {
		return ""
	}
	said := fmt.Sprintf("%s ends by itself with exit code %d after %s, and is ", name, exited[0].ExitCode,
		Seconds(does.Crash))
	if len(created) == 1 {
		return said + "not restarted"
	}
	return said + fmt.Sprintf("restarted %s in %s", times(len(created)-1), long(l.Scenario.Length))
}

// ofStop is about a container that is killed while it shuts down.
func (l Life) ofStop(name string) string {
	kills := l.Of(name, timeline.SigKill)
	if len(kills) == 0 {
		return l.ofEnd(name)
	}
	kill := kills[len(kills)-1]
	var term time.Duration
	for _, e := range l.Of(name, timeline.SigTerm) {
		if e.At <= kill.At {
			term = e.At
		}
	}
	takes := l.Scenario.Containers[name].StopTakes
	if takes >= never {
		return fmt.Sprintf("%s is killed %s after SIGTERM, because it does not end by itself", name,
			Seconds(kill.At-term))
	}
	said := fmt.Sprintf("%s is killed while it shuts down, %s after SIGTERM: it takes %s to stop.", name,
		Seconds(kill.At-term), Seconds(takes))
	c := containerOf(l.Subject, name)
	if c != nil && c.Class == pod.App && l.Scenario.DeleteAt > 0 && kill.At > l.Scenario.DeleteAt {
		takes += timeline.PreStopTakes(l.Subject, c)
		said += fmt.Sprintf(" terminationGracePeriodSeconds %d would do.", takes/time.Second+1)
	}
	return said
}

// ofEnd is about a container that is given the time that it needs to shut down.
func (l Life) ofEnd(name string) string {
	exited := l.Of(name, timeline.Exited)
	if l.Scenario.DeleteAt == 0 || l.Scenario.Containers[name].StopTakes <= time.Second || len(exited) == 0 {
		return ""
	}
	last := exited[len(exited)-1].At - l.Scenario.DeleteAt
	if last < 0 {
		return ""
	}
	return fmt.Sprintf("%s ends by itself %s after the pod is deleted", name, Seconds(last))
}

// ofDeadline is about a pod that has run for activeDeadlineSeconds.
func (l Life) ofDeadline() string {
	for _, m := range l.Moments {
		if m.Kind == timeline.Killing && m.Text == timeline.Deadline {
			after := fromTo(timeline.Range{From: m.Earliest, To: m.Latest})
			return "activeDeadlineSeconds ends the pod after " + after +
				": it has failed, and nothing in it starts again"
		}
	}
	return ""
}

// ofReadiness is about a pod in which nothing is killed before its time: it may not be ready either.
func (l Life) ofReadiness() string {
	for _, m := range l.Moments {
		if m.Kind == timeline.InEndpoints {
			ready := fromTo(timeline.Range{From: m.Earliest, To: m.Latest})
			return fmt.Sprintf("The pod is ready after %s%s, and %s", ready, l.early(m), neverKilled)
		}
	}
	because := ""
	for i := range l.Subject.Containers {
		c := &l.Subject.Containers[i]
		for _, kind := range [...]pod.ProbeKind{pod.Readiness, pod.Startup} {
			if probe, ok := c.ProbeOf(kind); ok && probe.NeverRuns(l.Subject) {
				because = fmt.Sprintf(" because %s of %s can never run: the kubelet throws the error away",
					kind, c.Name)
			}
		}
	}
	return "The pod is never ready" + because + ", but it is " + neverKilled
}

// early says that a pod is in the endpoints before a container of it has booted.
func (l Life) early(in timeline.Moment) string {
	for _, c := range l.Containers {
		for _, serves := range l.Of(c.Name, timeline.Serves) {
			if serves.At >= in.At+time.Second && serves.Restart == 0 {
				return fmt.Sprintf(" and gets traffic %s before %s has booted", Seconds(serves.At-in.At), c.Name)
			}
		}
	}
	return ""
}

func times(n int) string {
	switch n {
	case 1:
		return "once"
	case 2:
		return "twice"
	}
	return fmt.Sprintf("%d times", n)
}

func fromTo(r timeline.Range) string {
	if from, to := Seconds(r.From), Seconds(r.To); from != to {
		return strings.TrimSuffix(from, " s") + " to " + to
	}
	return Seconds(r.To)
}
