package rules

import (
	"fmt"
	"math"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// Result is what Vet finds and repairs.
type Result struct {
	Findings []Finding       // about what is left after the fixes, in catalogue order
	Fixed    []Fixed         // in the order of the fixes
	Spec     *corev1.PodSpec // the repaired one; the input's own where nothing was fixed

	subject *Subject // that the findings are about
	plan    *Plan
}

// Fixable tells whether the finding's rule, its fix on or off, would end it.
func (r Result) Fixable(f Finding) bool {
	if !f.Rule.hasFix || len(r.subject.Containers) > maxRepaired {
		return false
	}
	check, fix := f.Rule.bind(r.plan.params[f.Rule.index])
	p := Pass{Subject: r.subject, plan: r.plan, quiet: true}
	p.each(f.Rule, func() {
		if p.containerName() == f.Container {
			p.try(newFix(f.Rule, true, check, fix))
		}
	})
	if p.Subject == r.subject {
		return false
	}
	return !slices.ContainsFunc(Judge(p.Subject, r.plan), func(g Finding) bool {
		return g.Rule == f.Rule && g.Path() == f.Path()
	})
}

// Vet applies the plan's fixes and judges what is left. It never changes the subject. With a dry plan it
// judges the pod as it is, for nothing will be applied.
func Vet(s *Subject, plan *Plan) Result {
	fixed, repaired := Fix(s, plan)
	if plan.Dry() {
		repaired = s
	}
	return Result{Findings: Judge(repaired, plan), Fixed: fixed, Spec: repaired.Spec, subject: repaired, plan: plan}
}

// Judge finds the defects of a pod as it is.
func Judge(s *Subject, plan *Plan) []Finding {
	if s.Mirror() {
		return nil
	}
	p := Pass{Subject: s, plan: plan}
	return p.judge()
}

// maxRepaired is how many containers a pod that is repaired may have: each attempt judges all of it, and nobody writes
// so many but to keep podvet busy.
const maxRepaired = 100

// Fix applies the plan's fixes, one rule after the other, to a copy. It returns what was fixed and the
// repaired subject, s itself where nothing was. A fix that is on by default and would bring a finding
// that the pod did not have is not applied.
func Fix(s *Subject, plan *Plan) ([]Fixed, *Subject) {
	if s.Mirror() || len(s.Containers) > maxRepaired {
		return nil, s
	}
	p := Pass{Subject: s, plan: plan, quiet: true}
	var fixed []Fixed
	// One fix may make room for an earlier one: look again until nothing is applied, so that a second run of
	// Fix finds nothing to do. Each round applies something, and what is fixed stays fixed.
	for again := true; again; {
		again = false
		for i := range plan.fixes {
			fix := &plan.fixes[i]
			p.each(fix.rule, func() {
				if !p.try(fix) {
					return
				}
				again = true
				// Two probes of one container may each be fixed by one rule.
				if f := (Fixed{Rule: fix.rule, Container: p.containerName()}); !slices.Contains(fixed, f) {
					fixed = append(fixed, f)
				}
			})
		}
	}
	slices.SortStableFunc(fixed, func(a, b Fixed) int {
		return slices.Index(fixOrder, a.Rule.ID) - slices.Index(fixOrder, b.Rule.ID)
	})
	return fixed, p.Subject
}

// Pass is what a check or a fix sees: the subject, the container and the probe it is asked about, and the
// means to report or to repair.
type Pass struct {
	*Subject
	Container *Container // nil in a rule about the pod
	Probe     Probe      // only in a rule about probes

	plan     *Plan
	step     *step
	quiet    bool      // only who is at fault is asked, not the words
	findings []Finding // of a check
	edited   *Subject  // of a fix: the copy that carries its changes
}

// Report records a finding about the container, or in a rule about the pod the pod. field is the path of
// the offending field within it, "" where it is absent. The text says what will happen, when, and what to
// write instead.
func (p *Pass) Report(field, format string, args ...any) {
	f := Finding{Rule: p.step.rule, Uncapped: p.step.level, Container: p.containerName(), field: field}
	if p.plan.isInjected(p.Container) {
		f.Uncapped = min(f.Uncapped, Audit)
	}
	if f.Exempt = p.plan.exemption(f.Rule, p.Container); f.Exempt != nil {
		f.Uncapped = min(f.Uncapped, f.Exempt.Level())
	}
	f.Level = min(f.Uncapped, p.plan.cap)
	if !p.quiet {
		f.Text = fmt.Sprintf(format, args...)
		f.where.spec = p.path
		if p.Container != nil {
			f.where.list, f.where.index = p.Container.list(), p.Container.index
		}
	}
	p.findings = append(p.findings, f)
}

func (p *Pass) containerName() string {
	if p.Container == nil {
		return ""
	}
	return p.Container.Name
}

func (p *Pass) judge() []Finding {
	p.findings = nil
	for i := range p.plan.checks {
		p.step = &p.plan.checks[i]
		p.each(p.step.rule, func() { p.step.run(p) })
	}
	if !slices.ContainsFunc(p.findings, func(f Finding) bool { return f.Rule.YieldsTo != "" }) {
		return p.findings
	}
	type place struct{ rule, container string }
	loudest := make(map[place]Level, len(p.findings))
	for _, f := range p.findings {
		at := place{f.Rule.ID, f.Container}
		loudest[at] = max(loudest[at], f.Uncapped)
	}
	return slices.DeleteFunc(p.findings, func(f Finding) bool {
		level, found := loudest[place{f.Rule.YieldsTo, f.Container}]
		return found && level >= f.Uncapped
	})
}

// each calls do for the pod, or for each container or probe that the rule applies to.
func (p *Pass) each(r *Rule, do func()) {
	p.Container = nil
	if r.Who.Owners != 0 && r.Who.Owners&p.Owner == 0 || r.Who.PodsOnly && p.Template {
		return
	}
	if r.unit == perPod {
		do()
		return
	}
	// By index and afresh each time: a fix puts a new subject in place.
	for i := range p.Containers {
		c := &p.Containers[i]
		if r.Who.Containers&c.Class == 0 || r.Who.LongRunning && !c.LongRunning {
			continue
		}
		p.Container = c
		if r.unit == perContainer {
			do()
			continue
		}
		for kind := Liveness; kind <= Startup; kind++ {
			p.Container = &p.Containers[i]
			if probe, ok := p.Container.Probe(kind); ok && r.Who.Probes.has(kind) {
				p.Probe = probe
				do()
			}
		}
	}
}

// try runs a fix on a copy, where its rule finds something, and keeps it if it may be kept.
func (p *Pass) try(fix *step) bool {
	p.step, p.edited = fix, nil
	if p.plan.exemption(fix.rule, p.Container) != nil {
		return false
	}
	if fix.check != nil {
		p.findings = nil
		if fix.check(p); len(p.findings) == 0 {
			return false
		}
	}
	fix.run(p)
	// What the API server will refuse is its own to say: no fix may make it acceptable, or touch it.
	if p.edited == nil || p.Container != nil && p.refuses(p.Container) || !fix.asked && p.bringsFinding() {
		return false
	}
	p.Subject = p.edited
	return true
}

func (p *Pass) bringsFinding() bool {
	before := Pass{Subject: p.Subject, plan: p.plan, quiet: true}
	after := Pass{Subject: p.edited, plan: p.plan, quiet: true}
	had := before.judge()
	return slices.ContainsFunc(after.judge(), func(f Finding) bool {
		return !slices.ContainsFunc(had, func(g Finding) bool { return f.Rule == g.Rule && f.Container == g.Container })
	})
}

// edit returns the spec that a fix may write to, a copy as deep as fixes reach.
func (p *Pass) edit() *corev1.PodSpec {
	if p.edited == nil {
		s, spec := *p.Subject, *p.Spec
		spec.Containers = slices.Clone(spec.Containers)
		spec.InitContainers = slices.Clone(spec.InitContainers)
		s.Spec = &spec
		s.Containers = containers(&s)
		p.edited = &s
	}
	return p.edited.Spec
}

func (p *Pass) editContainer() *corev1.Container {
	spec := p.edit()
	if p.Container.Class == Sidecar {
		return &spec.InitContainers[p.Container.index]
	}
	return &spec.Containers[p.Container.index]
}

// SetProbe gives the container a probe of a kind. The handler may be shared with another probe: it is never changed.
func (p *Pass) SetProbe(kind ProbeKind, probe corev1.Probe) {
	*probeField(p.editContainer(), kind) = &probe
}

// SetGrace sets the pod's terminationGracePeriodSeconds.
func (p *Pass) SetGrace(seconds int64) { p.edit().TerminationGracePeriodSeconds = &seconds }

// SetTimeout raises the timeoutSeconds of the probe the rule is asked about.
func (p *Pass) SetTimeout(seconds int64) {
	p.setNumber(seconds, func(probe *corev1.Probe, n int32) { probe.TimeoutSeconds = n })
}

// SetFailures sets the failureThreshold of the probe the rule is asked about.
func (p *Pass) SetFailures(failures int64) {
	p.setNumber(failures, func(probe *corev1.Probe, n int32) { probe.FailureThreshold = n })
}

// setNumber does nothing where the number leaves the field's range: such a fix is not applied.
func (p *Pass) setNumber(n int64, set func(*corev1.Probe, int32)) {
	if narrow, ok := int32Of(n); ok {
		probe := *p.Probe.Probe
		set(&probe, narrow)
		p.SetProbe(p.Probe.Kind, probe)
	}
}

// int32Of narrows a number, and says false when it leaves the range of a positive int32.
func int32Of(n int64) (int32, bool) { return int32(n), 0 < n && n <= math.MaxInt32 }
