package catalogue

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/pod"
)

var barePod = rules.ForPod(rules.Rule{
	ID:     "bare-pod",
	Group:  rules.Presence,
	Title:  "a long-running pod has no controller",
	Levels: rules.Levels{rules.Off, rules.Audit, rules.Warn},
	Who:    rules.Who{Owners: pod.Nobody, PodsOnly: true},
}, func(p *rules.Pass) {
	runsLong := func(c pod.Container) bool { return c.Class == pod.App && c.LongRunning }
	if !slices.ContainsFunc(p.Containers, runsLong) {
		return
	}
	// What the API server asks of the pods of a Deployment.
	var change []string
	if p.Spec.RestartPolicy != corev1.RestartPolicyAlways {
		change = append(change, "restartPolicy Always")
	}
	if p.ActiveDeadlineSeconds != 0 {
		change = append(change, "no activeDeadlineSeconds")
	}
	with := ""
	if len(change) > 0 {
		with = " (" + strings.Join(change, ", ") + ")"
	}
	p.Report("", "no controller owns this pod, so nothing recreates it if its node dies. "+
		"Make it the template of a Deployment%s.", with)
})
