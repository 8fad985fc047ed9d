package catalogue

import (
	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/pod"
)

var restartAllNeverEnds = rules.ForContainer(rules.Rule{
	ID:     "restart-all-never-ends",
	Group:  rules.RestartPolicy,
	Title:  "an init container starts the whole pod over when it succeeds",
	Levels: rules.Levels{rules.Deny, rules.Deny, rules.Deny},
	Who:    rules.Who{Containers: pod.Init},
}, func(p *rules.Pass) {
	if pod.StartsPodOver(p.Container.Container, 0) {
		p.Report("restartPolicyRules", "when it succeeds, the pod starts over, without end. "+
			"Let no RestartAllContainers rule match exit code 0.")
	}
})
