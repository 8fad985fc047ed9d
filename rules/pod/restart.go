package pod

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// EffectiveRestartPolicy is the container's own, else the pod's (K pkg/api/v1/pod/util.go).
func EffectiveRestartPolicy(spec *corev1.PodSpec, c *corev1.Container) corev1.RestartPolicy {
	if c.RestartPolicy != nil {
		return corev1.RestartPolicy(*c.RestartPolicy)
	}
	return spec.RestartPolicy
}

// HasRestartPolicy tells whether the container has this policy of its own.
func HasRestartPolicy(c *corev1.Container, policy corev1.ContainerRestartPolicy) bool {
	return c.RestartPolicy != nil && *c.RestartPolicy == policy
}

// Restarts tells whether the kubelet restarts a container that ends by itself with an exit code: the rules decide,
// then the container's policy, then the pod's (K pkg/api/v1/pod/util.go ContainerShouldRestart).
func Restarts(spec *corev1.PodSpec, c *corev1.Container, code int32) bool {
	if RuleRestarts(c, code) {
		return true
	}
	switch EffectiveRestartPolicy(spec, c) {
	case corev1.RestartPolicyNever:
		return false
	case corev1.RestartPolicyOnFailure:
		return code != 0
	}
	return true
}

// RuleRestarts tells whether the container's restartPolicyRules restart it, alone or with all others, on an exit code.
func RuleRestarts(c *corev1.Container, code int32) bool {
	_, matches := matchingRule(c, code)
	return matches // both actions restart
}

// StartsPodOver tells whether the container's restartPolicyRules restart all containers of the pod on an exit code, the
// init containers included (K pkg/kubelet/container/helpers.go ShouldAllContainersRestart).
func StartsPodOver(c *corev1.Container, code int32) bool {
	rule, matches := matchingRule(c, code)
	return matches && rule.Action == corev1.ContainerRestartRuleActionRestartAllContainers
}

// matchingRule is the first of the container's restartPolicyRules that matches an exit code; the kubelet looks at no
// other (K pkg/api/v1/pod/util.go FindMatchingContainerRestartRule). Rules count only beside a restartPolicy.
func matchingRule(c *corev1.Container, code int32) (corev1.ContainerRestartRule, bool) {
	if c.RestartPolicy == nil {
		return corev1.ContainerRestartRule{}, false
	}
	for _, rule := range c.RestartPolicyRules {
		if rule.ExitCodes == nil {
			continue
		}
		listed := slices.Contains(rule.ExitCodes.Values, code)
		switch rule.ExitCodes.Operator {
		case corev1.ContainerRestartRuleOnExitCodesOpIn:
			if listed {
				return rule, true
			}
		case corev1.ContainerRestartRuleOnExitCodesOpNotIn:
			if !listed {
				return rule, true
			}
		}
	}
	return corev1.ContainerRestartRule{}, false
}

// StopsForGood finds the lowest exit code after which the container is not restarted, by its rules and its policy or
// else the pod's. That holds after a failed probe, too: where the kill itself does not restart the container, the next
// sync of the pod looks at its exit code (K pkg/kubelet/kuberuntime/kuberuntime_manager.go computePodActions).
func StopsForGood(spec *corev1.PodSpec, c *corev1.Container) (code int32, stops bool) {
	if EffectiveRestartPolicy(spec, c) == corev1.RestartPolicyAlways {
		return 0, false
	}
	for code := range int32(256) {
		if !Restarts(spec, c, code) {
			return code, true
		}
	}
	return 0, false
}
