package catalogue

import (
	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/pod"
)

type execPeriodParams struct {
	MinSeconds int64 `json:"minSeconds" doc:"the shortest period that a command may have"`
}

var execProbeTooFrequent = rules.ForProbeWith(rules.Rule{
	ID:     "exec-probe-too-frequent",
	Group:  rules.ProbeSanity,
	Title:  "a probe starts a process so often that it costs the node noticeable CPU",
	Levels: rules.Levels{rules.Off, rules.Off, rules.Warn},
	Who:    rules.Who{Containers: pod.App | pod.Sidecar},
}, execPeriodParams{MinSeconds: 5}, func(p *rules.Pass, params execPeriodParams) {
	if p.Probe.Exec == nil || p.Probe.Period() >= params.MinSeconds {
		return
	}
	p.Report(p.Probe.Kind.String()+".periodSeconds",
		"%s starts a process every %s, which costs CPU (policy: %s). Raise periodSeconds to %d.",
		p.Probe.Kind, seconds(p.Probe.Period()), seconds(params.MinSeconds), params.MinSeconds)
}, nil)
