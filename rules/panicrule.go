//go:build panicrule

package rules

// A rule with a bug, for the tests of what a panic does to a cluster. No release has it.
var _ = register(ForPod(Rule{
	ID:           "panic-rule",
	Group:        Presence,
	Title:        "panics where a pod's annotation podvet.dev/panic says: in mutate or in validate",
	Levels:       Levels{Audit, Audit, Audit},
	FixByDefault: true,
}, None{},
	func(p *Pass, _ None) {
		where := "validate"
		if p.quiet { // a fix is being worked out
			where = "mutate"
		}
		if p.Meta.Annotations["podvet.dev/panic"] == where {
			panic("asked to by an annotation")
		}
	},
	func(*Pass, None) {},
))

func init() { fixOrder = append(fixOrder, "panic-rule") }
