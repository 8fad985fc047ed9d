package catalogue

import (
	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/pod"
)

type servingParams struct {
	IgnorePortNames []string `json:"ignorePortNames" doc:"names of ports that serve no traffic; * is a wildcard"`
}

var livenessWithoutReadiness = rules.ForContainerWith(rules.Rule{
	ID:     "liveness-without-readiness",
	Group:  rules.Presence,
	Title:  "a container that serves has a livenessProbe but no readinessProbe",
	Levels: rules.Levels{rules.Off, rules.Warn, rules.Deny},
	Who:    rules.Who{Containers: pod.App, LongRunning: true},
}, servingParams{IgnorePortNames: defaultIgnorePortNames}, func(p *rules.Pass, params servingParams) {
	c := p.Container
	if c.ReadinessProbe != nil || !c.Serves(params.IgnorePortNames) || p.GetsProbe(pod.Readiness, c) ||
		neverStarts(p) {
		return
	}
	if _, kills := p.Other(pod.Liveness); kills {
		p.Report("", "no readinessProbe beside livenessProbe, so it gets traffic while it is killed. "+
			"Add one that fails sooner.")
	}
}, nil)
