package catalogue

import (
	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/pod"
)

var terminationGraceZero = rules.ForPod(rules.Rule{
	ID:     "termination-grace-zero",
	Group:  rules.Termination,
	Title:  "the pod has no time to stop",
	Levels: rules.Levels{rules.Off, rules.Warn, rules.Warn},
	Who:    rules.Who{Owners: pod.Nobody | pod.Controllers | pod.CustomOwners},
}, func(p *rules.Pass) {
	if p.Grace() != 0 || p.Owner == pod.Controllers && p.OwnerKind == "DaemonSet" {
		return
	}
	grace := min(30, rules.ParamsOf[graceParams](p, terminationGraceTooLong).MaxSeconds)
	p.Report("terminationGracePeriodSeconds", "A deleted pod is gone at once, before its app has stopped, "+
		"and no preStop runs. Set terminationGracePeriodSeconds to %d.", grace)
})
