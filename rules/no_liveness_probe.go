package rules

type livenessParams struct {
	Template *ProbeTemplate `json:"template" doc:"what the fix injects"`
}

// Problems is what is wrong with the parameters.
func (p livenessParams) Problems() []Problem { return p.Template.problems(Liveness) }

var _ = register(ForContainer(Rule{
	ID:            "no-liveness-probe",
	Group:         Presence,
	Title:         "a container has no livenessProbe",
	Levels:        Levels{Off, Off, Warn},
	Who:           Who{Containers: App, LongRunning: true},
	NeedsTemplate: true,
}, livenessParams{},
	func(p *Pass, _ livenessParams) {
		if p.Container.LivenessProbe == nil {
			p.Report("", "no livenessProbe: when it hangs nothing restarts it: add one that fails only when a restart would help")
		}
	},
	func(p *Pass, params livenessParams) {
		injectTemplate(p, Liveness, params.Template)
	},
))
