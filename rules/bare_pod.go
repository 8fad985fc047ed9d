package rules

import "slices"

var _ = register(ForPod(Rule{
	ID:     "bare-pod",
	Group:  Presence,
	Title:  "a long-running pod has no controller",
	Levels: Levels{Off, Audit, Warn},
	Who:    Who{Owners: Nobody, PodsOnly: true},
}, None{},
	func(p *Pass, _ None) {
		if slices.ContainsFunc(p.Containers, func(c Container) bool { return c.Class == App && c.LongRunning }) {
			p.Report("", "no controller owns this pod: nothing recreates it when its node dies or it is evicted: make it the template of a Deployment")
		}
	}, nil,
))
