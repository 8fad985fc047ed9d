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
			advice := "make it the template of a Deployment"
			if p.ActiveDeadlineSeconds != 0 { // which a Deployment's pods cannot have
				advice += ", without activeDeadlineSeconds"
			}
			p.Report("", "no controller owns this pod: nothing recreates it when its node dies or it is evicted: %s", advice)
		}
	}, nil,
))
