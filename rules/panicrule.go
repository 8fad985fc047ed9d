//go:build panicrule

package rules

// A rule with a bug, for the tests of what a panic does to a cluster. No release has it.
var _ = register(ForPod(Rule{
	ID:     "panic-rule",
	Group:  Presence,
	Title:  "panics on a pod with the annotation podvet.dev/panic",
	Levels: Levels{Audit, Audit, Audit},
}, None{},
	func(p *Pass, _ None) {
		if _, asked := p.Meta.Annotations["podvet.dev/panic"]; asked {
			panic("asked to by an annotation")
		}
	}, nil,
))
