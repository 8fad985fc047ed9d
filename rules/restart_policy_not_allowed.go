package rules

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

type allowedParams struct {
	Allowed map[string][]corev1.RestartPolicy `json:"allowed" doc:"for the kind of owner as a person names it (Deployment, Job, CronJob, ..., Pod for none) the restartPolicies allowed"`
}

// possible is what Kubernetes itself accepts for the kind (K pkg/apis/apps/validation,
// pkg/apis/batch/validation): a policy that allowed only something else would ask for the impossible.
func possible(kind string) []corev1.RestartPolicy {
	switch kind {
	case "Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "ReplicationController":
		return []corev1.RestartPolicy{corev1.RestartPolicyAlways}
	case "Job", "CronJob":
		return []corev1.RestartPolicy{corev1.RestartPolicyOnFailure, corev1.RestartPolicyNever}
	}
	return []corev1.RestartPolicy{corev1.RestartPolicyAlways, corev1.RestartPolicyOnFailure, corev1.RestartPolicyNever}
}

// Problems names the entries that no pod could follow.
func (a allowedParams) Problems() []Problem {
	var problems []Problem
	for _, kind := range sortedKeys(a.Allowed) {
		path := "allowed." + kind
		if known := knownKind(kind); known != kind {
			problems = append(problems, Problem{path, "no pod has this kind of owner: write " + known})
			continue
		}
		if len(a.Allowed[kind]) == 0 {
			problems = append(problems, Problem{path, "is empty, so no pod could be created: name a restartPolicy or remove the entry"})
		}
		for i, policy := range a.Allowed[kind] {
			if !slices.Contains(possible(kind), policy) {
				problems = append(problems, Problem{fmt.Sprintf("%s[%d]", path, i),
					fmt.Sprintf("%q can never be the restartPolicy of a %s: write %s", policy, kind, alternatives(possible(kind)))})
			}
		}
	}
	return problems
}

// knownKind is what was meant by a kind that differs from one of Kubernetes' own in case or by a plural.
func knownKind(kind string) string {
	for _, known := range []string{"Pod", "Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "ReplicationController", "Job", "CronJob"} {
		if strings.EqualFold(kind, known) || strings.EqualFold(kind, known+"s") {
			return known
		}
	}
	return kind
}

var _ = register(ForPod(Rule{
	ID:     "restart-policy-not-allowed",
	Group:  RestartPolicy,
	Title:  "the policy does not allow this restartPolicy for this kind of owner",
	Levels: Levels{Deny, Deny, Deny},
}, allowedParams{},
	func(p *Pass, params allowedParams) {
		allowed, limited := params.Allowed[p.OwnerKind]
		if !limited || slices.Contains(allowed, p.Spec.RestartPolicy) {
			return
		}
		advice := "write " + alternatives(allowed)
		if p.FailurePolicy { // which goes with Never only, and that is not allowed
			advice += ", and remove podFailurePolicy"
		}
		p.Report("restartPolicy", "restartPolicy %s is not what the policy allows for a %s: %s", p.Spec.RestartPolicy, p.OwnerKind, advice)
	}, nil,
))

// alternatives joins with commas and "or".
func alternatives(policies []corev1.RestartPolicy) string {
	words := make([]string, len(policies))
	for i, policy := range policies {
		words[i] = string(policy)
	}
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}
