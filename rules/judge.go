package rules

import (
	"slices"

	"github.com/podvet/podvet/rules/pod"
)

// Judge finds the defects of a pod as it is, in the order of the catalogue.
func Judge(s *pod.Subject, plan *Plan) []Finding {
	if s.Mirror() {
		return nil
	}
	p := Pass{Subject: s, plan: plan}
	p.judgePod()
	p.judgeInit()
	for i := range s.Containers {
		if plan.ended != nil && plan.ended() {
			break
		}
		start := len(p.findings)
		p.judgeContainer(&s.Containers[i])
		p.bound(start)
	}
	if s.Custom != nil {
		CapAtWarn(p.findings, false)
	}
	// Container by container is cheaper; rule by rule is what people read.
	return byRule(p.findings)
}

// maxKept is how many findings of one rule at one level a bounded plan keeps.
const maxKept = 1000

// bound takes away the findings from start on that a bounded plan has kept enough of.
func (p *Pass) bound(start int) {
	if p.plan.ended == nil {
		return
	}
	left := p.findings[:start]
	for _, f := range p.findings[start:] {
		if kept := p.keptLike(f); *kept < maxKept {
			*kept++
			left = append(left, f)
		}
	}
	p.findings = left
}

// keptLike is how many findings like one a bounded plan has kept.
func (p *Pass) keptLike(f Finding) *int {
	if p.kept == nil {
		p.kept = make([]int, len(p.plan.levels)*len(levelNames))
	}
	return &p.kept[f.Rule.index*len(levelNames)+int(f.Level)]
}

// byRule sorts findings by the catalogue and leaves those of one rule in their order. Many are put in their places at
// once: to exchange them, as a stable sort does, would take a fifth of the time of judging a huge pod.
func byRule(findings []Finding) []Finding {
	if len(findings) < 100 {
		slices.SortStableFunc(findings, func(a, b Finding) int { return a.Rule.index - b.Rule.index })
		return findings
	}
	var places []int // by rule index: where the next finding goes
	for _, f := range findings {
		for len(places) < f.Rule.index+2 {
			places = append(places, 0)
		}
		places[f.Rule.index+1]++
	}
	for i := 1; i < len(places); i++ {
		places[i] += places[i-1]
	}
	sorted := make([]Finding, len(findings))
	for _, f := range findings {
		sorted[places[f.Rule.index]] = f
		places[f.Rule.index]++
	}
	return sorted
}

// judgePod adds what rules about the pod as a whole find.
func (p *Pass) judgePod() {
	p.Container = nil
	start := len(p.findings)
	for i := range p.plan.pod {
		p.check(&p.plan.pod[i])
	}
	p.yield(start)
}

// judgeContainer adds what rules find about one container, its probes and its hooks. A check may look at the pod's own
// fields and at what other containers declare, never at another container's probes or hooks: a fix is judged by its
// container alone.
func (p *Pass) judgeContainer(c *pod.Container) {
	p.Container = c
	start := len(p.findings)
	for i := range p.plan.containers {
		p.check(&p.plan.containers[i])
	}
	for _, kind := range pod.ProbeKinds {
		if steps := p.plan.probes[kind]; len(steps) > 0 {
			var ok bool
			if p.Probe, ok = c.ProbeOf(kind); ok {
				p.judgeProbe(steps)
			}
		}
	}
	for _, kind := range pod.HookKinds {
		if steps := p.plan.hooks[kind]; len(steps) > 0 {
			var ok bool
			if p.Hook, ok = c.Hook(kind); ok {
				for i := range steps {
					p.check(&steps[i])
				}
			}
		}
	}
	p.yield(start)
}

// judgeProbe leaves a probe that can never run to the rules about just that, as long as one of these finds it.
func (p *Pass) judgeProbe(steps []step) {
	neverRuns := p.Probe.NeverRuns(p.Subject)
	if neverRuns {
		start := len(p.findings)
		for i := range steps {
			if steps[i].rule.Who.NeverRuns {
				p.check(&steps[i])
			}
		}
		if _, unresolved := p.Probe.Unresolved(); unresolved || len(p.findings) > start {
			return
		}
	}
	for i := range steps {
		if !neverRuns || !steps[i].rule.Who.NeverRuns {
			p.check(&steps[i])
		}
	}
}

// judgeInit adds what rules find about plain init containers.
func (p *Pass) judgeInit() {
	if len(p.plan.init) == 0 {
		return
	}
	for c := range p.InitContainers() {
		if p.plan.ended != nil && p.plan.ended() {
			return
		}
		p.Container = c
		start := len(p.findings)
		for i := range p.plan.init {
			p.check(&p.plan.init[i])
		}
		p.bound(start)
	}
}

// check runs one check, where its rule applies to the subject and the container.
func (p *Pass) check(s *step) {
	if !s.rule.Who.Includes(p.Subject, p.Container) {
		return
	}
	p.step = s
	s.run(p)
}

// yield takes away the findings from start on, all about one container, that another one of them makes pointless.
func (p *Pass) yield(start int) {
	found := p.findings[start:]
	silenced := func(f Finding) bool {
		return slices.ContainsFunc(f.Rule.YieldsTo, func(other *Rule) bool {
			return slices.ContainsFunc(found, func(g Finding) bool {
				return g.Rule == other && (g.Exempt == nil || f.Exempt != nil)
			})
		})
	}
	if !slices.ContainsFunc(found, silenced) {
		return
	}
	kept := make([]Finding, 0, len(found))
	for _, f := range found {
		if !silenced(f) {
			kept = append(kept, f)
		}
	}
	p.findings = append(p.findings[:start], kept...)
}
