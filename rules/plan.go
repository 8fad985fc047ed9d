package rules

import (
	"slices"

	"github.com/podvet/podvet/rules/pod"
)

// FixMode says whether a rule's fix is applied.
type FixMode uint8

// The fix modes.
const (
	NoFix      FixMode = iota
	DefaultFix         // on by default: applied only where it brings no finding
	AskedFix           // turned on by a policy: applied in any case
)

// Setting is what a policy says about one rule.
type Setting struct {
	Level  Level
	Fix    FixMode
	Params any // of the rule's parameter type; nil for the defaults
}

// DefaultInjected are the containers that meshes and agents add: the pod's author cannot edit them.
var DefaultInjected = []string{"istio-proxy", "istio-validation", "linkerd-proxy", "kuma-sidecar",
	"consul-dataplane", "daprd", "vault-agent", "datadog-agent-injected"}

func newFix(rule *Rule, asked bool, b bound) step {
	if rule.NeedsTemplate { // applies to every container that declares the port
		b.check = nil
	}
	return step{rule: rule, asked: asked, check: b.check, run: b.fix}
}

// NewPlan binds settings, one for each rule of the catalogue in its order.
func (c *Catalogue) NewPlan(settings []Setting, options Options) *Plan {
	plan := &Plan{options: options, params: make([]any, len(c.rules)), levels: make([]Level, len(c.rules))}
	fixes := make([]step, len(c.rules))
	for i, rule := range c.rules {
		s := settings[i]
		plan.params[i] = s.Params
		if s.Params == nil {
			plan.params[i] = rule.defaults
		}
		if !rule.holdsOn(options.Kubelets) {
			continue
		}
		b := rule.with(s.Params)
		plan.levels[i] = s.Level
		if s.Level != Off {
			plan.add(step{rule: rule, run: b.check})
		}
		if s.Fix != NoFix && b.fix != nil {
			fixes[i] = newFix(rule, s.Fix == AskedFix, b)
		}
	}
	for _, rule := range c.fixes {
		if s := fixes[rule.index]; s.run != nil {
			plan.fixes = append(plan.fixes, s)
		}
	}
	return plan
}

// add puts a check into the lists of what it is about.
func (p *Plan) add(s step) {
	switch s.rule.unit {
	case perPod:
		p.pod = append(p.pod, s)
	case perContainer:
		if s.rule.Who.Containers&pod.Init != 0 {
			p.init = append(p.init, s)
		}
		p.containers = append(p.containers, s)
	case perProbe:
		for _, kind := range pod.ProbeKinds {
			if s.rule.Who.looksAt(kind) {
				p.probes[kind] = append(p.probes[kind], s)
			}
		}
	case perHook:
		for _, kind := range pod.HookKinds {
			if s.rule.Who.looksAtHook(kind) {
				p.hooks[kind] = append(p.hooks[kind], s)
			}
		}
	}
}

// Exempting is the plan with exemptions: exempt is called for each rule and container, nil for the pod, and returns nil
// where the rule applies.
func (p *Plan) Exempting(exempt func(*Rule, *pod.Container) *Exemption) *Plan {
	other := *p
	other.exempt = exempt
	return &other
}

// Bounded is the plan for a pod of very many containers: judging ends when ended says so, with what is found until
// then, and of the findings of one rule at one level only the first thousand are kept.
func (p *Plan) Bounded(ended func() bool) *Plan {
	other := *p
	other.ended = ended
	if p.made != nil {
		other.made = &made{p.made.subject, p.made.plan.Bounded(ended)}
	}
	return &other
}

func (p *Plan) exemption(r *Rule, c *pod.Container) *Exemption {
	if p.exempt == nil {
		return nil
	}
	return p.exempt(r, c)
}

// dry tells whether fixes are only recorded, not applied.
func (p *Plan) dry() bool { return p.options.Most == Audit }

func (p *Plan) isInjected(c *pod.Container) bool {
	return c != nil && slices.Contains(p.options.Injected, c.Name)
}

// finding is one of a rule about a container, nil for the pod, as loud as the plan lets it be.
func (p *Plan) finding(r *Rule, c *pod.Container) Finding {
	f := Finding{Rule: r, Uncapped: p.levels[r.index]}
	if c != nil {
		f.Container = c.Name
	}
	if p.isInjected(c) && !r.AboutInjected {
		f.Uncapped = min(f.Uncapped, Audit)
	}
	if f.Exempt = p.exemption(r, c); f.Exempt != nil {
		f.Uncapped = min(f.Uncapped, f.Exempt.Level())
	}
	f.Level = min(f.Uncapped, p.options.Most)
	return f
}

// Report is the finding of a rule that the engine does not run, about a container or with nil the object as a whole,
// and false where the plan has the rule off. The path is that of the defect in the object.
func (p *Plan) Report(r *Rule, c *pod.Container, path, text string) (Finding, bool) {
	f := p.finding(r, c)
	f.Text, f.where.spec = text, path
	return f, f.Level != Off
}

// Reports tells whether the plan has a rule on that the engine does not run.
func (p *Plan) Reports(r *Rule) bool { return p.levels[r.index] != Off }
