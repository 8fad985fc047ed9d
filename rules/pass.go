package rules

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/podvet/podvet/rules/pod"
)

// ParamsOf returns another rule's parameters as the policy in force has them.
func ParamsOf[P any](p *Pass, rule *Rule) P { return p.plan.params[rule.index].(P) }

// Kubelets are the versions that the nodes run.
func (p *Pass) Kubelets() pod.Kubelets { return p.plan.options.Kubelets }

// Other is another probe of the container, and false where there is none or one that can never run: nothing can be
// compared with that.
func (p *Pass) Other(kind pod.ProbeKind) (pod.Probe, bool) {
	probe, ok := p.Container.ProbeOf(kind)
	return probe, ok && !probe.NeverRuns(p.Subject)
}

// DeclaredElsewhere finds the first container of the pod that declares a TCP port of a name, where this one declares
// none.
func (p *Pass) DeclaredElsewhere(name string) (pod.NamedPort, bool) {
	if p.named == nil {
		p.named = p.NamedPorts()
	}
	port, found := p.named[name]
	return port, found
}

// Fixing tells whether a fix is being worked out.
func (p *Pass) Fixing() bool { return p.quiet }

// FixedAnother tells a fix whether its rule has just been applied to another container of the pod: what it does to the
// pod as a whole is done.
func (p *Pass) FixedAnother() bool { return p.repeated }

// Report records a finding about the container, or in a rule about the pod the pod. field is the path of the offending
// field within it, "" where it is absent. The text says what will happen, when, and what to write instead.
func (p *Pass) Report(field, format string, args ...any) {
	f := p.plan.finding(p.step.rule, p.Container)
	f.field = field
	// One of thousands like it is counted and not kept, so it needs no words.
	if !p.quiet && (p.plan.ended == nil || *p.keptLike(f) < maxKept) {
		f.Text = fmt.Sprintf(format, args...)
		f.where.spec = p.Path()
		if p.Container != nil {
			f.where.list, f.where.index = p.Container.List(), p.Container.Index
		}
	}
	if p.findings == nil {
		p.findings = make([]Finding, 0, 4) // few pods have more
	}
	p.findings = append(p.findings, f)
}

// SetProbe gives the container a probe of a kind that it does not have: of one that it has, a patch holds only what the
// setters below change. The handler may be shared with another probe: it is never changed.
func (p *Pass) SetProbe(kind pod.ProbeKind, probe corev1.Probe) {
	*kind.Field(p.editContainer()) = &probe
}

// SetTimeout sets the timeoutSeconds of the probe the rule is called for.
func (p *Pass) SetTimeout(seconds int64) {
	p.setNumber(seconds, func(probe *corev1.Probe, n int32) { probe.TimeoutSeconds = n })
}

// SetPeriod sets the periodSeconds of the probe the rule is called for.
func (p *Pass) SetPeriod(seconds int64) {
	p.setNumber(seconds, func(probe *corev1.Probe, n int32) { probe.PeriodSeconds = n })
}

// SetFailures sets the failureThreshold of the probe the rule is called for.
func (p *Pass) SetFailures(failures int64) {
	p.setNumber(failures, func(probe *corev1.Probe, n int32) { probe.FailureThreshold = n })
}

// setNumber does nothing where the number leaves its field's range.
func (p *Pass) setNumber(n int64, set func(*corev1.Probe, int32)) {
	narrow, ok := pod.Int32(n)
	if !ok {
		return
	}
	field := p.Probe.Kind.Field(p.editContainer())
	probe := **field
	set(&probe, narrow)
	*field = &probe
}

// SetPreStop gives the container a preStop hook.
func (p *Pass) SetPreStop(hook corev1.LifecycleHandler) {
	c := p.editContainer()
	lifecycle := corev1.Lifecycle{}
	if c.Lifecycle != nil {
		lifecycle = *c.Lifecycle
	}
	lifecycle.PreStop = &hook
	c.Lifecycle = &lifecycle
}

// SetGrace sets the pod's terminationGracePeriodSeconds.
func (p *Pass) SetGrace(seconds int64) { p.edit.grace, p.edit.setsGrace = &seconds, true }

// editContainer is the copy of the container that a fix may write to, as deep as fixes reach.
func (p *Pass) editContainer() *corev1.Container {
	if p.edit.container == nil {
		c := *p.Container.Container
		p.edit.container = &c
	}
	return p.edit.container
}
