package catalogue

import (
	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/pod"
)

type readinessParams struct {
	AlsoWithoutPorts bool           `json:"alsoWithoutPorts" doc:"every long-running app container"`
	IgnorePortNames  []string       `json:"ignorePortNames" doc:"names of ports that serve no traffic; * is a wildcard"`
	Template         *ProbeTemplate `json:"template" doc:"what the fix injects"`
}

// Problems is what is wrong with the parameters.
func (p readinessParams) Problems() []pod.Problem { return p.Template.problems(pod.Readiness) }

var noReadinessProbe = rules.ForContainerWith(rules.Rule{
	ID:            "no-readiness-probe",
	Group:         rules.Presence,
	Title:         "a container that serves has no readinessProbe",
	Levels:        rules.Levels{rules.Off, rules.Warn, rules.Deny},
	Who:           rules.Who{Containers: pod.App, LongRunning: true},
	NeedsTemplate: true,
	YieldsTo:      []*rules.Rule{livenessWithoutReadiness},
}, readinessParams{IgnorePortNames: defaultIgnorePortNames},
	func(p *rules.Pass, params readinessParams) {
		if p.Container.ReadinessProbe != nil || !needsReadiness(p, params) || neverStarts(p) {
			return
		}
		what, checks := "gets traffic", "can serve"
		if !p.Container.Serves(params.IgnorePortNames) {
			what, checks = "counts as ready", "works"
		}
		since := "its process starts"
		if p.Container.StartupProbe != nil {
			since = "startupProbe succeeds"
		}
		p.Report("", "no readinessProbe, so it %s as soon as %s. Add one that checks whether it %s.",
			what, since, checks)
	},
	func(p *rules.Pass, params readinessParams) {
		if !p.GetsProbe(pod.Readiness, p.Container) {
			injectTemplate(p, pod.Readiness, params.Template)
		}
	},
)

// needsReadiness tells whether no-readiness-probe applies to the container. A pod that `kubectl run` makes says nothing
// about its container; with a controller, a command or ports that serve nobody it is a worker.
func needsReadiness(p *rules.Pass, params readinessParams) bool {
	c := p.Container
	switch {
	case p.GetsProbe(pod.Readiness, c):
		return false
	case params.AlsoWithoutPorts || c.Serves(params.IgnorePortNames):
		return true
	}
	return p.Owner == pod.Nobody && len(c.Ports) == 0 && len(c.Command) == 0 && len(c.Args) == 0
}
