//go:build panicrule

package catalogue

import (
	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/pod"
)

// A rule with a bug, for the tests of what a panic does to a cluster. No release has it.
var panicRule = rules.ForContainerWith(rules.Rule{
	ID:           "panic-rule",
	Group:        rules.Presence,
	Title:        "panics where a pod's annotation podvet.dev/panic says: in mutate or in validate",
	Levels:       rules.Levels{rules.Audit, rules.Audit, rules.Audit},
	Who:          rules.Who{Containers: pod.App},
	FixByDefault: true,
}, rules.None{},
	func(p *rules.Pass, _ rules.None) {
		where := "validate"
		if p.Fixing() {
			where = "mutate"
		}
		if p.Meta.Annotations["podvet.dev/panic"] == where {
			panic("asked to by an annotation")
		}
	},
	func(*rules.Pass, rules.None) {},
)

var testRules = []*rules.Rule{panicRule}
