package catalogue

import (
	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/pod"
)

type livenessParams struct {
	Template *ProbeTemplate `json:"template" doc:"what the fix injects"`
}

// Problems is what is wrong with the parameters.
func (p livenessParams) Problems() []pod.Problem { return p.Template.problems(pod.Liveness) }

var noLivenessProbe = rules.ForContainerWith(rules.Rule{
	ID:            "no-liveness-probe",
	Group:         rules.Presence,
	Title:         "a container has no livenessProbe",
	Levels:        rules.Levels{rules.Off, rules.Off, rules.Warn},
	Who:           rules.Who{Containers: pod.App, LongRunning: true},
	NeedsTemplate: true,
}, livenessParams{},
	func(p *rules.Pass, _ livenessParams) {
		if p.Container.LivenessProbe == nil && !p.GetsProbe(pod.Liveness, p.Container) {
			p.Report("", "no livenessProbe, so nothing restarts it when it hangs. "+
				"Add one that fails only when a restart would help.")
		}
	},
	func(p *rules.Pass, params livenessParams) {
		if !p.GetsProbe(pod.Liveness, p.Container) {
			injectTemplate(p, pod.Liveness, params.Template)
		}
	},
)
