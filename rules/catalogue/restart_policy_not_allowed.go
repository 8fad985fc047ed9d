package catalogue

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/pod"
)

type allowedParams struct {
	Allowed map[string][]corev1.RestartPolicy `json:"allowed" doc:"restartPolicies by kind of owner (Job, Pod, ...)"`
}

// Problems names the entries that no pod could follow: what Kubernetes itself refuses for the kind.
func (a allowedParams) Problems() []pod.Problem {
	var problems []pod.Problem
	for _, kind := range slices.Sorted(maps.Keys(a.Allowed)) {
		path := "allowed." + kind
		if known := pod.OwnerKindLike(kind); known != kind {
			problems = append(problems, pod.Problem{Path: path, Text: "no pod has this kind of owner: write " + known})
			continue
		}
		if len(a.Allowed[kind]) == 0 {
			problems = append(problems, pod.Problem{Path: path,
				Text: "is empty, so no pod could be created: name a restartPolicy or remove the entry"})
		}
		for i, policy := range a.Allowed[kind] {
			if !slices.Contains(pod.RestartPolicies(kind), policy) {
				text := "%q can never be the restartPolicy of a %s: write %s"
				problems = append(problems, pod.Problem{Path: fmt.Sprintf("%s[%d]", path, i),
					Text: fmt.Sprintf(text, policy, kind, alternatives(pod.RestartPolicies(kind)))})
			}
		}
	}
	return problems
}

var restartPolicyNotAllowed = rules.ForPodWith(rules.Rule{
	ID:     "restart-policy-not-allowed",
	Group:  rules.RestartPolicy,
	Title:  "the policy does not allow this restartPolicy for this kind of owner",
	Levels: rules.Levels{rules.Deny, rules.Deny, rules.Deny},
}, allowedParams{}, func(p *rules.Pass, params allowedParams) {
	allowed, limited := params.Allowed[p.OwnerKind]
	if !limited || slices.Contains(allowed, p.Spec.RestartPolicy) {
		return
	}
	advice := "Set the pod's restartPolicy to " + alternatives(allowed)
	if p.Job != nil && p.Job.PodFailurePolicy != nil { // which goes with Never only, and that is not allowed
		advice += " and remove podFailurePolicy"
	}
	p.Report("restartPolicy", "The policy does not allow restartPolicy %s for a %s. %s.",
		p.Spec.RestartPolicy, p.OwnerKind, advice)
}, nil)

// policyAllows tells whether the pod may have a restartPolicy, so that no rule advises one that this one refuses.
func policyAllows(p *rules.Pass, policy corev1.RestartPolicy) bool {
	allowed, limited := rules.ParamsOf[allowedParams](p, restartPolicyNotAllowed).Allowed[p.OwnerKind]
	return !limited || slices.Contains(allowed, policy)
}

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
