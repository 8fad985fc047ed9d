package catalogue

import (
	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/pod"
)

type longGraceParams struct {
	MaxSeconds int64 `json:"maxSeconds" doc:"the longest that a container may be kept after a failed probe"`
}

var livenessLongGrace = rules.ForProbeWith(rules.Rule{
	ID:     "liveness-long-grace",
	Group:  rules.ProbeSanity,
	Title:  "a hung container is kept for the pod's whole, long grace period",
	Levels: rules.Levels{rules.Off, rules.Warn, rules.Warn},
	Who:    rules.Who{Containers: pod.App | pod.Sidecar, Probes: []pod.ProbeKind{pod.Liveness, pod.Startup}},
}, longGraceParams{MaxSeconds: 300}, func(p *rules.Pass, params longGraceParams) {
	if p.Probe.TerminationGracePeriodSeconds != nil || p.Grace() <= params.MaxSeconds {
		return
	}
	p.Report(p.Probe.Kind.String(),
		"a hang outlasts %s by %s (policy: %s). Set the probe's terminationGracePeriodSeconds to %d.",
		p.Probe.Kind, seconds(p.Grace()), seconds(params.MaxSeconds), min(30, params.MaxSeconds))
}, nil)
