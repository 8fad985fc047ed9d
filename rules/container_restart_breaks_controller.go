package rules

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
)

var _ = register(ForPod(Rule{
	ID:     "container-restart-breaks-controller",
	Group:  RestartPolicy,
	Title:  "no container restarts, so the controller replaces the pod again and again",
	Levels: Levels{Warn, Warn, Deny},
	Who:    Who{Owners: Controllers},
}, None{},
	func(p *Pass, _ None) {
		if nothingRestarts(p.Spec) {
			p.Report("containers", "every app container has restartPolicy Never: whenever they stop, the %s makes another pod: remove restartPolicy from the containers",
				p.OwnerKind)
		}
	}, nil,
))

// nothingRestarts: a pod that ends is terminal, and its controller makes another at once
// (K pkg/controller/controller_utils.go IsPodActive).
func nothingRestarts(spec *corev1.PodSpec) bool {
	return len(spec.Containers) > 0 && !slices.ContainsFunc(spec.Containers, func(c corev1.Container) bool {
		return !hasRestartPolicy(&c, corev1.ContainerRestartPolicyNever) || len(c.RestartPolicyRules) > 0
	})
}

func hasRestartPolicy(c *corev1.Container, policy corev1.ContainerRestartPolicy) bool {
	return c.RestartPolicy != nil && *c.RestartPolicy == policy
}
