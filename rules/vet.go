package rules

import (
	"slices"

	"github.com/podvet/podvet/rules/pod"
)

// Result is what Vet finds and fixes.
type Result struct {
	Repair
	Findings []Finding // about what is left after the fixes, in catalogue order

	plan *Plan
}

// Vet applies the plan's fixes and judges what is left. It never changes the subject. Where fixes are only worked out
// it judges the pod as it is, because nothing will be applied. Of a template only those fixes count that its pods get.
func Vet(s *pod.Subject, plan *Plan) Result { return plan.result(Fix(s, plan.fixing())) }

// VetToWrite is Vet where the fixes are written into the object itself.
func VetToWrite(s *pod.Subject, plan *Plan) Result { return plan.result(Fix(s, plan)) }

// VetAsWritten judges the subject as it is, and takes no fix as applied.
func VetAsWritten(s *pod.Subject, plan *Plan) Result {
	return plan.result(Repair{Subject: s})
}

func (p *Plan) result(repair Repair) Result {
	findings := Judge(repair.Subject, p)
	p.refusals(repair.Subject, findings)
	return Result{Repair: repair, Findings: findings, plan: p}
}

// Fixable tells whether the finding's rule, its fix on or off, would end it.
func (r Result) Fixable(f Finding) bool {
	if !f.Rule.hasFix || len(r.Subject.Containers) > maxRepaired {
		return false
	}
	fix := newFix(f.Rule, true, f.Rule.bind(r.plan.params[f.Rule.index]))
	w := work{Pass: Pass{Subject: r.Subject, plan: r.plan, quiet: true}}
	for at := range len(w.Containers) {
		if w.Containers[at].Name == f.Container {
			w.fix(&fix, at)
		}
	}
	if w.fixed == nil {
		return false
	}
	return !slices.ContainsFunc(Judge(w.Subject, r.plan), func(g Finding) bool {
		return g.Rule == f.Rule && g.Path() == f.Path()
	})
}
