package rules

import corev1 "k8s.io/api/core/v1"

var _ = register(ForContainer(Rule{
	ID:     "job-container-restart-always",
	Group:  RestartPolicy,
	Title:  "a Job's container starts again when it succeeds, so the Job never completes",
	Levels: Levels{Deny, Deny, Deny},
	Who:    Who{Containers: App, Owners: Jobs},
}, None{},
	func(p *Pass, _ None) {
		switch {
		case hasRestartPolicy(p.Container.Container, corev1.ContainerRestartPolicyAlways):
			advice := "write OnFailure, or make it a sidecar"
			if ruleRestarts(p.Container.Container, 0) {
				advice = "make it a sidecar, or write OnFailure and no rule for exit code 0"
			}
			p.Report("restartPolicy", "restartPolicy Always starts it again whenever it ends, so the Job never completes: %s", advice)
		case ruleRestarts(p.Container.Container, 0):
			p.Report("restartPolicyRules", "restartPolicyRules restart it on exit code 0, so the Job never completes: take 0 out of In, or add it to NotIn")
		}
	}, nil,
))
