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
	cap      Level
	exempt   func(*Rule, *Container) *Exemption // nil for none
}

// Exemption is why a rule does not bite: its findings are recorded at audit, or warn once the exemption has
// expired, and its fix is not applied.
type Exemption struct {
	Reason  string
	Expired string // the day, 2027-03-01; "" while it holds
}

// Level is the loudest that an exempted finding may be. The calendar never refuses a pod.
func (e *Exemption) Level() Level {
	if e.Expired != "" {
		return Warn
	}
	return Audit
}

func (e *Exemption) String() string {
	if e.Expired != "" {
		return "exemption expired on " + e.Expired
	}
	return "exempt: " + truncate(e.Reason, 60)
}

// Exempting is the plan with exemptions: exempt is asked about each rule and container, nil for the pod, and
// returns nil where the rule applies.
func (p *Plan) Exempting(exempt func(*Rule, *Container) *Exemption) *Plan {
	other := *p
	other.exempt = exempt
	return &other
}

func (p *Plan) exemption(r *Rule, c *Container) *Exemption {
	if p.exempt == nil {
		return nil
	}
	return p.exempt(r, c)
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
// about which findings are capped at audit. No finding is louder than most; where that is audit, fixes are
// worked out but not taken as applied.
func NewPlan(settings []Setting, injected []string, most Level) *Plan {
	plan := &Plan{injected: injected, cap: most, params: make([]any, len(catalogue))}
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
	return NewPlan(settings, DefaultInjected, Deny)
}

// Dry tells whether fixes are only recorded, not applied.
func (p *Plan) Dry() bool { return p.cap == Audit }

func (p *Plan) isInjected(c *Container) bool {
	return c != nil && slices.Contains(p.injected, c.Name)
}

// paramsOf returns another rule's parameters as the policy in force has them.
func paramsOf[P any](p *Pass, rule *Rule) P { return p.plan.params[rule.index].(P) }
