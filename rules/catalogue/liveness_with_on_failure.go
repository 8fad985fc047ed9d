package catalogue

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/pod"
)

var livenessWithOnFailure = rules.ForProbe(rules.Rule{
	ID:     "liveness-with-on-failure",
	Group:  rules.RestartPolicy,
	Title:  "a container that its livenessProbe kills may count as completed",
	Levels: rules.Levels{rules.Off, rules.Warn, rules.Warn},
	Who:    rules.Who{Containers: pod.App, Probes: []pod.ProbeKind{pod.Liveness}},
}, func(p *rules.Pass) {
	if pod.EffectiveRestartPolicy(p.Spec, p.Container.Container) == corev1.RestartPolicyOnFailure {
		p.Report("livenessProbe", "after a liveness kill, exit code 0 may count as success. %s",
			insteadOfLiveness(p))
	}
})

// insteadOfLiveness is what ends a hang as a failure.
func insteadOfLiveness(p *rules.Pass) string {
	switch {
	case p.Spec.RestartPolicy == corev1.RestartPolicyAlways: // a deadline would end the containers that run without end
		return "Set restartPolicy to Always."
	case p.ActiveDeadlineSeconds != 0:
		return "Remove the probe and rely on activeDeadlineSeconds."
	case p.Probe.Failures() == 1 && p.Probe.Delay() >= watchdog:
		return "Use activeDeadlineSeconds " + count(p.Probe.Delay()) + " instead."
	}
	return "Use activeDeadlineSeconds instead of the probe."
}
