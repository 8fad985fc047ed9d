package catalogue

import (
	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/pod"
)

var containerRestartBreaksController = rules.ForPod(rules.Rule{
	ID:     "container-restart-breaks-controller",
	Group:  rules.RestartPolicy,
	Title:  "no container restarts, so the controller replaces the pod again and again",
	Levels: rules.Levels{rules.Warn, rules.Warn, rules.Deny},
	Who:    rules.Who{Owners: pod.Controllers},
}, func(p *rules.Pass) {
	if p.NothingRestarts() {
		p.Report("containers", "When the containers stop, none restarts and the %s replaces the pod. "+
			"Remove restartPolicy Never from them.", p.OwnerKind)
	}
})
