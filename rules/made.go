package rules

import (
	"slices"

	"github.com/podvet/podvet/rules/pod"
)

// Making is the plan for a template whose pods belong to an owner of another kind, by which podvet judges and fixes
// them when they are created.
func (p *Plan) Making(pods *pod.Subject, plan *Plan) *Plan {
	other := *p
	other.made = &made{pods, plan}
	return &other
}

// fixing is the plan with those fixes alone that the pods will get, too.
func (p *Plan) fixing() *Plan {
	if p.made == nil {
		return p
	}
	reached := Fix(p.made.subject, p.made.plan)
	return p.Exempting(func(r *Rule, c *pod.Container) *Exemption {
		if c != nil && (!reached.Applied || !slices.Contains(reached.Fixed, Fixed{r, c.Name})) {
			return &Exemption{}
		}
		return p.exemption(r, c)
	})
}

// refusals finds what is said of a custom resource's template for which its pods will be refused. Nobody knows that of
// pods that the resource's controller makes itself.
func (p *Plan) refusals(s *pod.Subject, findings []Finding) {
	if p.made == nil || s.Custom == nil || s.Custom.Pods == "" {
		return
	}
	for i := range findings {
		findings[i].RefusesPods = true
	}
	KeepRefusals(findings, p.made.subject, p.made.plan)
}

// KeepRefusals leaves RefusesPods only where the pods, as they are when they are created, will be refused for the same.
func KeepRefusals(findings []Finding, pods *pod.Subject, plan *Plan) {
	if !slices.ContainsFunc(findings, func(f Finding) bool { return f.RefusesPods }) {
		return
	}
	type place struct {
		rule *Rule
		path string
	}
	denied := map[place]bool{}
	for _, f := range Judge(Fix(pods, plan).Subject, plan) {
		if f.Level == Deny {
			denied[place{f.Rule, f.Path()}] = true
		}
	}
	for i := range findings {
		f := &findings[i]
		f.RefusesPods = f.RefusesPods && denied[place{f.Rule, f.Path()}]
	}
}
