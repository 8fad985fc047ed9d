package rules

import (
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/podvet/podvet/rules/pod"
)

// Group is a section of the catalogue.
type Group uint8

// The groups, in the order of the catalogue.
const (
	Presence Group = iota
	StartupBudget
	ProbeSanity
	Ports
	RestartPolicy
	Termination
	Files
)

var groupNames = [...]string{"Presence", "Startup budget", "Probe sanity", "Ports", "Restart policy", "Termination",
	"Files only"}

func (g Group) String() string { return groupNames[g] }

// Who says what a rule looks at. The engine does the looping; an empty field means all.
type Who struct {
	Containers    pod.Class       // app containers, sidecars, plain init containers
	LongRunning   bool            // only containers that are meant to run until they are stopped
	Probes        []pod.ProbeKind // of a rule about probes
	Hooks         []pod.HookKind  // of a rule about hooks
	Owners        pod.Owners      // whose pods
	PodsOnly      bool            // not templates
	TemplatesOnly bool            // only templates
	Kubelets      pod.Kubelets    // the versions on which the defect exists
	NeverRuns     bool            // also probes that can never run; no other rule judges these
}

// Includes tells whether a rule applies to a pod and, where it is not nil, to a container.
func (w *Who) Includes(s *pod.Subject, c *pod.Container) bool {
	if w.Owners != 0 && w.Owners&s.Owner == 0 || w.PodsOnly && s.Template || w.TemplatesOnly && !s.Template {
		return false
	}
	return c == nil || w.Containers&c.Class != 0 && (!w.LongRunning || c.LongRunning)
}

// holdsOn tells whether any of the nodes has the defect. What objects may hold depends on the newest of them: a rule
// about objects knows it only up to its own last version.
func (r *Rule) holdsOn(nodes pod.Kubelets) bool {
	known := r.Who.Kubelets
	if r.unit == perObject && known.To > 0 && nodes.To > known.To {
		return false
	}
	return known.Overlap(nodes)
}

func (w *Who) looksAt(kind pod.ProbeKind) bool {
	return len(w.Probes) == 0 || slices.Contains(w.Probes, kind)
}

func (w *Who) looksAtHook(kind pod.HookKind) bool {
	return len(w.Hooks) == 0 || slices.Contains(w.Hooks, kind)
}

// Rule finds one defect and may offer a fix.
type Rule struct {
	ID     string
	Group  Group
	Title  string // the defect in a few words, lower case
	Levels Levels
	Who    Who

	// FixByDefault turns the fix on unless a policy turns it off.
	FixByDefault bool
	// NeedsTemplate: the fix does nothing until a policy declares a handler in the parameter template.
	NeedsTemplate bool
	// YieldsTo are rules whose finding about the same container silences this one's, unless it is exempted.
	YieldsTo []*Rule
	// AboutInjected: findings about injected containers are as loud as others, because the pod hangs on them.
	AboutInjected bool

	defaults any
	unit     unit
	hasFix   bool
	bind     func(params any) bound
	ready    bound // to the defaults: most plans change few rules, and share what they do not change
	index    int   // in the catalogue
}

// bound is a rule's check and its fix with their parameters; nil for none.
type bound struct{ check, fix func(*Pass) }

// with binds the rule to parameters, nil for the defaults.
func (r *Rule) with(params any) bound {
	if params == nil {
		return r.ready
	}
	return r.bind(params)
}

// None is the parameter type of a rule without parameters.
type None struct{}

// unit is what one call of a check or fix is about.
type unit uint8

const (
	perPod unit = iota
	perContainer
	perProbe
	perHook
	perObject
)

// ForPod declares a rule that judges the pod as a whole.
func ForPod(r Rule, check func(*Pass)) *Rule { return plain(r, perPod, check) }

// ForContainer declares a rule that is called for each container it applies to.
func ForContainer(r Rule, check func(*Pass)) *Rule { return plain(r, perContainer, check) }

// ForProbe declares a rule that is called for each probe it applies to.
func ForProbe(r Rule, check func(*Pass)) *Rule { return plain(r, perProbe, check) }

// ForHook declares a rule that is called for each lifecycle hook it applies to.
func ForHook(r Rule, check func(*Pass)) *Rule { return plain(r, perHook, check) }

// ForPodWith is ForPod with parameters and a fix. fix may be nil, as in the others.
func ForPodWith[P any](r Rule, defaults P, check, fix func(*Pass, P)) *Rule {
	return declare(r, perPod, defaults, check, fix)
}

// ForContainerWith is ForContainer with parameters and a fix.
func ForContainerWith[P any](r Rule, defaults P, check, fix func(*Pass, P)) *Rule {
	return declare(r, perContainer, defaults, check, fix)
}

// ForProbeWith is ForProbe with parameters and a fix.
func ForProbeWith[P any](r Rule, defaults P, check, fix func(*Pass, P)) *Rule {
	return declare(r, perProbe, defaults, check, fix)
}

// ForObject declares a rule that the engine does not run: whoever reads objects finds the defect, and asks the plan for
// the finding.
func ForObject(r Rule) *Rule { return declare[None](r, perObject, None{}, nil, nil) }

func plain(r Rule, u unit, check func(*Pass)) *Rule {
	return declare(r, u, None{}, func(p *Pass, _ None) { check(p) }, nil)
}

func declare[P any](r Rule, u unit, defaults P, check, fix func(*Pass, P)) *Rule {
	r.unit, r.defaults, r.hasFix = u, defaults, fix != nil
	r.bind = func(params any) bound {
		p := params.(P)
		bind := func(f func(*Pass, P)) func(*Pass) {
			if f == nil {
				return nil
			}
			return func(pass *Pass) { f(pass, p) }
		}
		return bound{bind(check), bind(fix)}
	}
	r.ready = r.bind(defaults)
	return &r
}

// Defaults returns the rule's parameters as they are without a policy: a struct, or nil for none.
func (r *Rule) Defaults() any {
	if r.defaults == (None{}) {
		return nil
	}
	return r.defaults
}

// HasFix tells whether the rule can fix what it finds.
func (r *Rule) HasFix() bool { return r.hasFix }

// PerPod tells whether the rule judges the pod as a whole: its findings name no container.
func (r *Rule) PerPod() bool { return r.unit == perPod }

// Pass is what a check or a fix sees: the subject, the container and the probe or hook it is called for, and the means
// to report or to fix.
type Pass struct {
	*pod.Subject
	Container *pod.Container // nil in a rule about the pod
	Probe     pod.Probe      // only in a rule about probes
	Hook      pod.Hook       // only in a rule about hooks

	plan     *Plan
	step     *step
	quiet    bool                     // only who is at fault is needed, not the words
	repeated bool                     // the fix was applied to another container already
	findings []Finding                // of a check
	kept     []int                    // findings of a rule at a level, of which a bounded plan keeps so many
	named    map[string]pod.NamedPort // once a check has asked for it
	edit     edit                     // of a fix
}

// Finding is one defect in one subject.
type Finding struct {
	Rule      *Rule
	Level     Level
	Uncapped  Level  // what Level would be in mode enforce
	Container string // "" for the pod
	Text      string // what will happen, when, and what to write instead
	// RefusesPods: about a workload that is let in with a warning, while the pods that it makes will be refused.
	RefusesPods bool
	Exempt      *Exemption

	where where
	field string
}

// where is a container's place, or with an empty list the pod spec's.
type where struct {
	spec, list string
	index      int
}

// Exemption is why a rule does not apply: its findings are recorded at audit, or warn once the exemption has expired,
// and its fix is not applied.
type Exemption struct {
	Reason  string
	Expired string // the day, 2027-03-01; "" while it holds
}

// Options are what a plan needs beside the settings of the rules.
type Options struct {
	Injected []string     // names of containers about which findings are capped at audit
	Most     Level        // no finding is louder; at Audit fixes are worked out but not applied
	Kubelets pod.Kubelets // the versions that the nodes run; zero for all
}

// Plan is what to judge and what to fix, ready to run. It is immutable and safe for concurrent use.
type Plan struct {
	// The checks by what one call is about, each list in catalogue order.
	pod, init, containers []step
	probes                [len(pod.ProbeKinds)][]step
	hooks                 [len(pod.HookKinds)][]step
	fixes                 []step  // in fix order
	params                []any   // by rule index, with defaults
	levels                []Level // by rule index
	options               Options
	exempt                func(*Rule, *pod.Container) *Exemption // nil for none
	ended                 func() bool                            // nil: judging ends when all is judged
	made                  *made                                  // of a template whose pods another plan judges
}

// made is what becomes of a template: the pods as they are when they are created, and the plan that is in force there.
type made struct {
	subject *pod.Subject
	plan    *Plan
}

// step is a rule's check or fix, bound to its parameters.
type step struct {
	rule *Rule
	run  func(*Pass)

	// Of a fix:
	asked bool        // a policy turned it on
	check func(*Pass) // it is applied where this finds something; nil for one that looks itself
}

// edit is what a fix changes.
type edit struct {
	container *corev1.Container // a copy of the container, changed; nil for none
	grace     *int64            // of the pod
	setsGrace bool
}

func (e edit) empty() bool { return e.container == nil && !e.setsGrace }
