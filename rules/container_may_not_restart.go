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
		code, stops := stopsForGood(p.Spec, p.Container.Container)
		if stops && !nothingRestarts(p.Spec) {
			p.Report("restartPolicy", "restartPolicy %s: it stops for good on exit code %d, while the %s expects it to run: write restartPolicy Always",
				*p.Container.RestartPolicy, code, p.OwnerKind)
		}
	}, nil,
))

// stopsForGood finds the lowest exit code after which the container's own policy and rules do not restart it.
// Without a policy of its own it follows the pod's, which a controller has at Always.
func stopsForGood(spec *corev1.PodSpec, c *corev1.Container) (code int32, stops bool) {
	if c.RestartPolicy == nil || *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
		return 0, false
	}
	for code := range int32(256) {
		if !Restarts(spec, c, code) {
			return code, true
		}
	}
	return 0, false
}

// Restarts tells whether the kubelet restarts a container that ends by itself with an exit code: the rules
// decide, then the container's policy, then the pod's (K pkg/api/v1/pod/util.go ContainerShouldRestart).
func Restarts(spec *corev1.PodSpec, c *corev1.Container, code int32) bool {
	if ruleRestarts(c, code) {
		return true
	}
	switch effectiveRestartPolicy(spec, c) {
	case corev1.RestartPolicyNever:
		return false
	case corev1.RestartPolicyOnFailure:
		return code != 0
	}
	return true
}

// ruleRestarts tells whether one of the container's restartPolicyRules restarts it, alone or with all others,
// on an exit code. Rules count only beside a restartPolicy.
func ruleRestarts(c *corev1.Container, code int32) bool {
	return c.RestartPolicy != nil && slices.ContainsFunc(c.RestartPolicyRules, func(r corev1.ContainerRestartRule) bool {
		if r.ExitCodes == nil {
			return false
		}
		listed := slices.Contains(r.ExitCodes.Values, code)
		return listed == (r.ExitCodes.Operator == corev1.ContainerRestartRuleOnExitCodesOpIn)
	})
}
