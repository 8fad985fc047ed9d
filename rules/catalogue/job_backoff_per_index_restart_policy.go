package catalogue

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/pod"
)

var jobBackoffPerIndexRestartPolicy = rules.ForPod(rules.Rule{
	ID:     "job-backoff-per-index-restart-policy",
	Group:  rules.RestartPolicy,
	Title:  "backoffLimitPerIndex counts nothing beside restartPolicy OnFailure",
	Levels: rules.Levels{rules.Warn, rules.Warn, rules.Deny},
	Who:    rules.Who{Owners: pod.Jobs, TemplatesOnly: true},
}, func(p *rules.Pass) {
	if p.Job == nil || p.Job.BackoffLimitPerIndex == nil || // a template that is only like a Job's has none
		p.Spec.RestartPolicy != corev1.RestartPolicyOnFailure {
		return
	}
	advice := "Set restartPolicy to Never."
	if !policyAllows(p, corev1.RestartPolicyNever) {
		advice = "Remove backoffLimitPerIndex."
	}
	const text = "OnFailure restarts a failing index in its pod, so backoffLimitPerIndex %d never applies. %s"
	p.Report("restartPolicy", text, *p.Job.BackoffLimitPerIndex, advice)
})
