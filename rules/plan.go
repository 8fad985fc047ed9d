package rules

import "slices"

// FixMode says whether a rule's fix is applied.
type FixMode uint8

// The fix modes.
const (
	NoFix      FixMode = iota
	DefaultFix         // on by default: applied only where it brings no finding
	AskedFix           // turned on by a policy: applied as asked
)

// Setting is what a policy says about one rule.
type Setting struct {
	Level  Level
	Fix    FixMode
	Params any // of the rule's parameter type; nil for the defaults
}

// DefaultSetting is the rule's setting in a profile.
func (r *Rule) DefaultSetting(profile Profile) Setting {
	s := Setting{Level: r.Levels[profile]}
	if r.FixByDefault && s.Level != Off {
		s.Fix = DefaultFix
	}
	return s
}

// DefaultInjected are the containers that meshes and agents add: the pod's author cannot edit them.
var DefaultInjected = []string{"istio-proxy", "istio-validation", "linkerd-proxy", "kuma-sidecar",
	"consul-dataplane", "daprd", "vault-agent", "datadog-agent-injected"}

// Plan is what to judge and what to repair, ready to run. It is immutable and safe for concurrent use.
type Plan struct {
	checks   []step // in catalogue order
	fixes    []step // in fix order
	params   []any  // by rule index, with defaults
	injected []string
	dry      bool
}

type step struct {
	rule  *Rule
	level Level
	run   func(*Pass)

	// Of a fix:
	asked bool        // a policy turned it on
	check func(*Pass) // it is applied where this finds something; nil for one that looks itself
}

func newFix(rule *Rule, asked bool, check, fix func(*Pass)) *step {
	if rule.NeedsTemplate { // applies to every container that declares the port
		check = nil
	}
	return &step{rule: rule, asked: asked, check: check, run: fix}
}

// NewPlan binds settings, one for each rule of the catalogue in its order. injected names the containers
// about which findings are capped at audit. With dry, fixes are worked out but not taken as applied.
func NewPlan(settings []Setting, injected []string, dry bool) *Plan {
	plan := &Plan{injected: injected, dry: dry, params: make([]any, len(catalogue))}
	fixes := make([]step, len(catalogue))
	for i, rule := range catalogue {
		s := settings[i]
		plan.params[i] = s.Params
		if s.Params == nil {
			plan.params[i] = rule.defaults
		}
		check, fix := rule.bind(plan.params[i])
		if s.Level != Off {
			plan.checks = append(plan.checks, step{rule: rule, level: s.Level, run: check})
		}
		if s.Fix != NoFix && fix != nil {
			fixes[i] = *newFix(rule, s.Fix == AskedFix, check, fix)
		}
	}
	for _, id := range fixOrder {
		if s := fixes[Lookup(id).index]; s.run != nil {
			plan.fixes = append(plan.fixes, s)
		}
	}
	return plan
}

// ProfilePlan is the plan of a profile without any policy.
func ProfilePlan(profile Profile) *Plan {
	settings := make([]Setting, len(catalogue))
	for i, rule := range catalogue {
		settings[i] = rule.DefaultSetting(profile)
	}
	return NewPlan(settings, DefaultInjected, false)
}

// Dry tells whether fixes are only recorded, not applied.
func (p *Plan) Dry() bool { return p.dry }

func (p *Plan) capped(c *Container) bool {
	return c != nil && slices.Contains(p.injected, c.Name)
}

// paramsOf returns another rule's parameters as the policy in force has them.
func paramsOf[P any](p *Pass, rule *Rule) P { return p.plan.params[rule.index].(P) }
