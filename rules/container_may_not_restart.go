package rules

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
)

var _ = register(ForContainer(Rule{
	ID:     "container-may-not-restart",
	Group:  RestartPolicy,
	Title:  "a container may stop for good while its controller expects it to run",
	Levels: Levels{Warn, Warn, Deny},
	Who:    Who{Containers: App, Owners: Controllers},
}, None{},
	func(p *Pass, _ None) {
		code, stops := stopsForGood(p.Container.Container)
		if stops && !nothingRestarts(p.Spec) {
			p.Report("restartPolicy", "restartPolicy %s: it stops for good on exit code %d, while the %s expects it to run: write restartPolicy Always",
				*p.Container.RestartPolicy, code, p.OwnerKind)
		}
	}, nil,
))

// stopsForGood finds the lowest exit code after which the container's own policy and rules do not restart it.
func stopsForGood(c *corev1.Container) (code int32, stops bool) {
	switch {
	case hasRestartPolicy(c, corev1.ContainerRestartPolicyNever):
	case hasRestartPolicy(c, corev1.ContainerRestartPolicyOnFailure):
		// Only 0 ends it: any failure restarts it.
		return 0, !ruleRestarts(c, 0)
	default:
		return 0, false
	}
	for code := range int32(256) {
		if !ruleRestarts(c, code) {
			return code, true
		}
	}
	return 0, false
}

// ruleRestarts tells whether one of the container's restartPolicyRules restarts it, alone or with all others,
// on an exit code. Rules count only beside a restartPolicy (K pkg/api/v1/pod/util.go ContainerShouldRestart).
func ruleRestarts(c *corev1.Container, code int32) bool {
	return c.RestartPolicy != nil && slices.ContainsFunc(c.RestartPolicyRules, func(r corev1.ContainerRestartRule) bool {
		if r.ExitCodes == nil {
			return false
		}
		listed := slices.Contains(r.ExitCodes.Values, code)
		return listed == (r.ExitCodes.Operator == corev1.ContainerRestartRuleOnExitCodesOpIn)
	})
}
