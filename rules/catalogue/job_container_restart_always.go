package catalogue

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/pod"
)

var jobContainerRestartAlways = rules.ForContainer(rules.Rule{
	ID:     "job-container-restart-always",
	Group:  rules.RestartPolicy,
	Title:  "a Job's container starts again when it succeeds, so the Job never completes",
	Levels: rules.Levels{rules.Deny, rules.Deny, rules.Deny},
	Who:    rules.Who{Containers: pod.App, Owners: pod.Jobs},
}, func(p *rules.Pass) {
	if p.ActiveDeadlineSeconds != 0 { // a run that is meant to be cut off
		return
	}
	always := pod.HasRestartPolicy(p.Container.Container, corev1.ContainerRestartPolicyAlways)
	onSuccess := pod.RuleRestarts(p.Container.Container, 0)
	switch {
	case always && onSuccess:
		p.Report("restartPolicy", "it restarts when it succeeds, so the Job never completes. "+
			"Write OnFailure and no rule for exit code 0.")
	case always && len(p.Spec.Containers) == 1: // a pod needs one that is no sidecar
		p.Report("restartPolicy", "it restarts when it succeeds, so the Job never completes. "+
			"Set restartPolicy to OnFailure.")
	case always:
		p.Report("restartPolicy", "it restarts when it succeeds, so the Job never completes. "+
			"Write OnFailure, or move it to initContainers.")
	case onSuccess:
		p.Report("restartPolicyRules", "exit code 0 restarts it, so the Job never completes. "+
			"Take 0 out of In values and add it to NotIn values.")
	}
})
