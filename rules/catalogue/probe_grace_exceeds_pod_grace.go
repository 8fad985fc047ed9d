package catalogue

import (
	"fmt"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/pod"
)

var probeGraceExceedsPodGrace = rules.ForProbe(rules.Rule{
	ID:     "probe-grace-exceeds-pod-grace",
	Group:  rules.ProbeSanity,
	Title:  "a hung container is given more time to stop than a healthy one",
	Levels: rules.Levels{rules.Off, rules.Warn, rules.Warn},
	Who:    rules.Who{Containers: pod.App | pod.Sidecar, Probes: []pod.ProbeKind{pod.Liveness, pod.Startup}},
}, func(p *rules.Pass) {
	own := p.Probe.TerminationGracePeriodSeconds
	if own == nil || *own <= p.Grace() {
		return
	}
	advice := "Remove the probe's terminationGracePeriodSeconds." // 0 is not allowed there
	if p.Grace() > 0 {
		advice = fmt.Sprintf("Lower the probe's terminationGracePeriodSeconds to %d.", p.Grace())
	}
	p.Report(p.Probe.Kind.String()+".terminationGracePeriodSeconds", "%s gives %s to stop, the pod %s. %s",
		p.Probe.Kind, seconds(*own), seconds(p.Grace()), advice)
})
