package recommend

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/podvet/podvet/rules/catalogue"
	"github.com/podvet/podvet/rules/pod"
)

// Advice is one field and the value that fits what was seen.
type Advice struct {
	Field  string        `json:"field"` // of the container, or of the pod
	Value  any           `json:"value"` // a number, or a whole startupProbe
	Text   string        `json:"text"`
	Policy *PolicyAdvice `json:"policy,omitempty"`
}

// PolicyAdvice are the parameters with which a rule of podvet asks for the same.
type PolicyAdvice struct {
	Rule   string           `json:"rule"`
	Params map[string]int64 `json:"params"`
}

const graceField = "terminationGracePeriodSeconds"

// The least that an advised startupProbe gives a boot: podvet's own rules ask for 25 s (startup-budget-too-short).
const leastBudget = 30

// farTooLong: a startupProbe that gives a boot more than this many times what it needs, and more than podvet's own
// would give it, hides an app that hangs.
const (
	farTooLong = 4
	ownBudget  = 300
)

// adviser advises on one container.
type adviser struct {
	subject *pod.Subject
	*pod.Container
	times
	budget int64 // that a boot needs
	all    []Advice
}

func (a *adviser) add(kind pod.ProbeKind, field string, value int64, format string, args ...any) {
	a.all = append(a.all, Advice{Field: kind.String() + "." + field, Value: value, Text: fmt.Sprintf(format, args...)})
}

// probe is one that the kubelet can run.
func (a *adviser) probe(kind pod.ProbeKind) (pod.Probe, bool) {
	p, ok := a.ProbeOf(kind)
	return p, ok && !p.NeverRuns(a.subject)
}

// probes advises on all probes.
func (a *adviser) probes() {
	startup, hasStartup := a.probe(pod.Startup)
	live, hasLive := a.probe(pod.Liveness)
	switch {
	case hasStartup:
		a.startup(startup)
	case hasLive && a.StartupProbe == nil:
		a.liveness(live)
	}
	if ready, ok := a.probe(pod.Readiness); ok && a.deadWeight(ready) {
		a.removeDelay(ready)
	}
}

// removeDelay advises to do without a delay that is dead weight.
func (a *adviser) removeDelay(p pod.Probe) {
	a.add(p.Kind, "initialDelaySeconds", 0, "%s waits %d s, and at least half of the starts were Ready as soon as it "+
		"asked. Remove its initialDelaySeconds.", p.Kind, p.Delay())
}

// deadWeight tells whether a probe waits where the app does not need it: at least half of the boots had ended by the
// time of its first attempt.
func (a *adviser) deadWeight(p pod.Probe) bool {
	return p.Delay() > 0 && a.median <= p.Delay()+p.Period()+1
}

// startup advises on a startupProbe.
func (a *adviser) startup(p pod.Probe) {
	least := max(a.budget, leastBudget)
	if live, ok := a.ProbeOf(pod.Liveness); ok {
		least = max(least, live.Guaranteed()+1) // or it would be of no use
	}
	fitting, given := *p.Probe, p.Guaranteed()
	if a.deadWeight(p) {
		a.removeDelay(p)
		fitting.InitialDelaySeconds = 0
	}
	const field = "failureThreshold"
	need := a.budget + truncation(&fitting)
	now := a.NewProbe(pod.Startup, &fitting)
	switch failures := now.FailuresFor(need); {
	case now.Guaranteed() < need && given < a.budget:
		a.add(pod.Startup, field, failures, "startupProbe can kill a boot longer than %d s, and boots need %d s. "+
			"Raise failureThreshold to %d.", given, a.budget, failures)
		a.all[len(a.all)-1].Policy = a.policy("startup-budget-too-short", "minSeconds", "acceleratedMinSeconds")
	case now.Guaranteed() < need:
		a.add(pod.Startup, field, failures, "Without the delay startupProbe can kill a boot longer than %d s, and "+
			"boots need %d s. Raise failureThreshold to %d.", now.Guaranteed(), a.budget, failures)
	case given > max(farTooLong*least, ownBudget) && least <= longestBoot && !a.Accelerated():
		failures = now.FailuresFor(least + truncation(&fitting))
		a.add(pod.Startup, field, failures, "startupProbe lets an app that hangs while it boots hang for %d s, and "+
			"boots need %d s. Lower failureThreshold to %d.", given, a.budget, failures)
	}
}

// truncation is what a delay can cost: the kubelet counts it from a start that it truncates to whole seconds.
func truncation(p *corev1.Probe) int64 { return int64(min(p.InitialDelaySeconds, 1)) }

// liveness advises on a livenessProbe without a startupProbe.
func (a *adviser) liveness(p pod.Probe) {
	need := a.budget + truncation(p.Probe)
	atOnce := *p.Probe
	atOnce.InitialDelaySeconds = 0
	without := a.NewProbe(pod.Liveness, &atOnce).Guaranteed()
	const field = "initialDelaySeconds"
	switch startup, ok := catalogue.StartupProbe(a.Container, p, max(a.budget, p.Worst())); {
	case p.Guaranteed() < need && ok:
		a.all = append(a.all, Advice{Field: pod.Startup.String(), Value: startup.Probe,
			Text: fmt.Sprintf("livenessProbe can kill a boot longer than %d s, and boots need %d s. Copy it to a "+
				"startupProbe with no delay, periodSeconds %d, failureThreshold %d.",
				p.Guaranteed(), a.budget, startup.PeriodSeconds, startup.FailureThreshold),
			Policy: a.policy("no-startup-probe", "minBootSeconds", "acceleratedMinBootSeconds",
				"budgetSeconds", "acceleratedBudgetSeconds")})
	case p.Guaranteed() < need:
		delay := a.budget + 1 - without
		a.add(pod.Liveness, field, delay, "livenessProbe can kill a boot longer than %d s, and boots need %d s. "+
			"Raise initialDelaySeconds to %d.", p.Guaranteed(), a.budget, delay)
	case p.Delay() > 0 && without >= a.budget:
		a.add(pod.Liveness, field, 0, "livenessProbe waits %d s, and without that it still gives a boot the %d s that "+
			"it needs. Remove its initialDelaySeconds.", p.Delay(), a.budget)
	}
}

// policy has the rule's parameters at what boots need: of two names each the one for containers like this.
func (a *adviser) policy(rule string, names ...string) *PolicyAdvice {
	params := map[string]int64{}
	for i := 0; i < len(names); i += 2 {
		name := names[i]
		if a.Accelerated() {
			name = names[i+1]
		}
		params[name] = a.budget
	}
	return &PolicyAdvice{rule, params}
}

// graceFor advises on the grace period.
func graceFor(s *pod.Subject, c *pod.Container, stops []stop) (Advice, bool) {
	forced := 0
	for _, one := range stops {
		if one.forced && one.seconds >= s.Grace() {
			forced++
		}
	}
	if forced == 0 {
		return Advice{}, false
	}
	more, part := 2*s.Grace(), ""
	if c.Lifecycle != nil && c.Lifecycle.PreStop != nil {
		part = " The time of its preStop hook is part of that."
	}
	text := fmt.Sprintf("%d of %d stops took the whole grace period of %d s and ended in SIGKILL.%s Raise %s to %d, "+
		"or end sooner.", forced, len(stops), s.Grace(), part, graceField, more)
	return Advice{Field: graceField, Value: more, Text: text}, true
}
