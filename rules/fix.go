package rules

import (
	"slices"

	"github.com/podvet/podvet/rules/pod"
)

// Repair is what the fixes of a plan make of a subject.
type Repair struct {
	Fixed   []Fixed      // in the order of the fixes
	Applied bool         // false in mode audit: the fixes are only worked out, to be recorded
	Subject *pod.Subject // with the fixes applied; the one given where none is
}

// maxRepaired is how many containers a pod that is repaired may have: nobody writes so many but to keep podvet busy.
const maxRepaired = 100

// Fix works out the plan's fixes, one rule after the other, on a copy. A fix that is on by default and would bring a
// finding that the pod did not have is not applied.
func Fix(s *pod.Subject, plan *Plan) Repair {
	repair := Repair{Applied: !plan.dry(), Subject: s}
	if len(plan.fixes) == 0 || s.Mirror() || len(s.Containers) > maxRepaired {
		return repair
	}
	w := work{Pass: Pass{Subject: s, plan: plan, quiet: true}}
	// One fix may make room for an earlier one: look again until nothing is applied, so that a second run of Fix finds
	// nothing to do. Each round applies something, and what is fixed stays fixed.
	for again := true; again; {
		again = false
		for i := range plan.fixes {
			for at := range len(w.Containers) {
				again = w.fix(&plan.fixes[i], at) || again
			}
		}
	}
	place := func(f Fixed) int {
		return slices.IndexFunc(plan.fixes, func(s step) bool { return s.rule == f.Rule })
	}
	slices.SortStableFunc(w.fixed, func(a, b Fixed) int { return place(a) - place(b) })
	repair.Fixed = w.fixed
	if repair.Applied && len(w.fixed) > 0 {
		repair.Subject = w.Subject
	}
	return repair
}

// work is a subject while it is repaired.
type work struct {
	Pass
	owned    pod.Class // whose containers are our own copies, as deep as fixes reach
	fixed    []Fixed
	recorded int // bytes of the annotation about what is fixed
}

// maxAnnotations is how many bytes a pod's annotations may have (apimachinery pkg/api/validation/objectmeta.go).
const maxAnnotations = 256 << 10

// fits tells whether the annotation still has room for a fix. Templates are not annotated.
func (w *work) fits(f Fixed) bool {
	if w.Template {
		return true
	}
	if w.recorded == 0 {
		w.recorded = len(FixedAnnotation)
		for key, value := range w.Meta.Annotations {
			w.recorded += len(key) + len(value)
		}
	}
	return w.recorded+len(f.String())+len(",") <= maxAnnotations
}

// fix runs one rule's fix on a container, and tells whether that changed something.
func (w *work) fix(fix *step, container int) bool {
	rule := fix.rule
	w.Container = &w.Containers[container]
	if !rule.Who.Includes(w.Subject, w.Container) || w.plan.exemption(rule, w.Container) != nil ||
		!fix.asked && w.leftAlone(w.Container) {
		return false
	}
	changed := false
	switch rule.unit {
	case perProbe:
		for _, kind := range pod.ProbeKinds {
			var ok bool
			if w.Probe, ok = w.Container.ProbeOf(kind); ok && rule.Who.looksAt(kind) && w.runs(rule) {
				changed = w.try(fix) || changed
			}
		}
	case perHook:
		for _, kind := range pod.HookKinds {
			var ok bool
			if w.Hook, ok = w.Container.Hook(kind); ok && rule.Who.looksAtHook(kind) {
				changed = w.try(fix) || changed
			}
		}
	default:
		changed = w.try(fix)
	}
	return changed
}

// leftAlone tells whether fixes that are on by default leave a container alone: an operator compares its pods with
// what it created, and an injected container belongs to its injector.
func (w *work) leftAlone(c *pod.Container) bool {
	return w.Compared() || w.plan.isInjected(c)
}

// runs tells whether a rule looks at the probe: one that can never run is left to those about just that.
func (w *work) runs(r *Rule) bool { return r.Who.NeverRuns || !w.Probe.NeverRuns(w.Subject) }

// try runs a fix where its rule finds something, and keeps it if it may be kept.
func (w *work) try(fix *step) bool {
	w.step, w.edit = fix, edit{}
	w.repeated = slices.ContainsFunc(w.fixed, func(f Fixed) bool {
		return f.Rule == fix.rule && f.Container != w.Container.Name
	})
	if fix.check != nil {
		w.findings = w.findings[:0]
		if fix.check(&w.Pass); len(w.findings) == 0 {
			return false
		}
	}
	fix.run(&w.Pass)
	// What the API server will refuse is its own to say: no fix may make it acceptable, or touch it.
	f := Fixed{Rule: fix.rule, Container: w.Container.Name}
	if w.edit.empty() || w.touchesRefused() || !w.fits(f) {
		return false
	}
	if fix.asked {
		w.apply(w.edit)
	} else if !w.applyUnlessItBringsFinding() {
		return false
	}
	// Two probes of one container may each be fixed by one rule.
	if !slices.Contains(w.fixed, f) {
		w.fixed = append(w.fixed, f)
		w.recorded += len(f.String()) + len(",")
	}
	return true
}

// touchesRefused tells whether the API server will refuse a container that the edit is about. A longer grace period is
// about all: another container's sleep may have been too long for the old one.
func (w *work) touchesRefused() bool {
	if !w.edit.setsGrace {
		return w.Refuses(w.Container)
	}
	for i := range w.Containers {
		if w.Refuses(&w.Containers[i]) {
			return true
		}
	}
	return false
}

func (w *work) applyUnlessItBringsFinding() bool {
	before := w.apply(w.edit)
	left := w.inReach()
	if len(left) == 0 {
		return true
	}
	after := w.apply(before)
	had := w.inReach()
	brings := slices.ContainsFunc(left, func(f Finding) bool {
		return !slices.ContainsFunc(had, func(g Finding) bool { return f.Rule == g.Rule && f.Container == g.Container })
	})
	if !brings {
		w.apply(after)
	}
	return !brings
}

// inReach judges what the edit can change: its container and the pod, and with the grace period all containers.
func (w *work) inReach() []Finding {
	p := Pass{Subject: w.Subject, plan: w.plan, quiet: true}
	p.judgePod()
	for i := range p.Containers {
		if c := &p.Containers[i]; w.edit.setsGrace || c.Class == w.Container.Class && c.Index == w.Container.Index {
			p.judgeContainer(c)
		}
	}
	return p.findings
}

// apply exchanges an edit with what stands in the copy, and returns the edit that takes it back.
func (w *work) apply(e edit) (undo edit) {
	w.own()
	undo = e
	if e.container != nil {
		*w.Container.Container, *e.container = *e.container, *w.Container.Container
	}
	if e.setsGrace {
		undo.grace = w.Spec.TerminationGracePeriodSeconds
		w.Spec.TerminationGracePeriodSeconds = e.grace
	}
	return undo
}

// own has the container, those beside it in its list, and the rest of the spec be our own copy.
func (w *work) own() {
	class, index := w.Container.Class, w.Container.Index
	if w.owned&class != 0 {
		return
	}
	spec := *w.Spec
	if class == pod.App {
		spec.Containers = slices.Clone(spec.Containers)
		w.owned |= pod.App
	} else {
		spec.InitContainers = slices.Clone(spec.InitContainers)
		w.owned |= ^pod.App
	}
	w.Subject = w.WithSpec(&spec)
	at := slices.IndexFunc(w.Containers, func(c pod.Container) bool { return c.Class == class && c.Index == index })
	w.Container = &w.Containers[at]
}
