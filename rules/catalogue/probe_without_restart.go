package catalogue

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/pod"
)

var probeWithoutRestart = rules.ForProbe(rules.Rule{
	ID:     "probe-without-restart",
	Group:  rules.RestartPolicy,
	Title:  "a failed probe ends a container that is not restarted",
	Levels: rules.Levels{rules.Off, rules.Warn, rules.Warn},
	Who: rules.Who{
		Containers: pod.App,
		Probes:     []pod.ProbeKind{pod.Liveness, pod.Startup},
		Owners:     pod.Nobody | pod.Controllers | pod.CustomOwners,
	},
}, func(p *rules.Pass) {
	c := p.Container.Container
	// Rules that restart it on every exit code do so after a failed probe, too.
	code, stops := pod.StopsForGood(p.Spec, c)
	if !stops || pod.EffectiveRestartPolicy(p.Spec, c) != corev1.RestartPolicyNever {
		return
	}
	advice := "Set restartPolicy to Always or remove the probe."
	switch {
	case p.Owner == pod.Controllers: // which expects it to run
		advice = "Set restartPolicy to Always."
	case c.RestartPolicy == nil && !policyAllows(p, corev1.RestartPolicyAlways):
		advice = "Remove the probe."
	}
	kind := p.Probe.Kind.String()
	if len(c.RestartPolicyRules) == 0 {
		p.Report(kind, "a failed %s ends it for good (restartPolicy Never). %s", kind, advice)
	} else {
		p.Report(kind, "after a failed %s exit code %d ends it for good. %s", kind, code, advice)
	}
})
