package catalogue

import (
	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/pod"
)

var containerMayNotRestart = rules.ForContainer(rules.Rule{
	ID:     "container-may-not-restart",
	Group:  rules.RestartPolicy,
	Title:  "a container may stop for good while its controller expects it to run",
	Levels: rules.Levels{rules.Warn, rules.Warn, rules.Deny},
	Who:    rules.Who{Containers: pod.App, Owners: pod.Controllers},
}, func(p *rules.Pass) {
	// Without a policy of its own it follows the pod's, which is Always here.
	if p.Container.RestartPolicy == nil || p.NothingRestarts() {
		return
	}
	if code, stops := pod.StopsForGood(p.Spec, p.Container.Container); stops {
		p.Report("restartPolicy", "exit code %d stops it for good, because its restartPolicy is %s. "+
			"Set restartPolicy to Always.", code, *p.Container.RestartPolicy)
	}
})
