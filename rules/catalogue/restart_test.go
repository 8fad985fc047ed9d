package catalogue_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/catalogue"
	"github.com/podvet/podvet/rules/policy"
)

// findsUnder judges an object by a policy with the rules given, in the profile strict, and returns one rule's messages.
func findsUnder(t *testing.T, rule, ruleSettings, object string) []string {
	t.Helper()
	text := "apiVersion: podvet.dev/v1alpha1\nkind: Policy\nprofile: strict\nrules:\n" + ruleSettings
	p, err := policy.Load(catalogue.All, "p", []byte(text), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return findingsOf(catalogue.All.Lookup(rule), rules.Judge(parseSubject(t, object, object), p.Plan()))
}

// TestAdviceOfAllowedPolicies: no rule advises a restartPolicy that restart-policy-not-allowed refuses.
func TestAdviceOfAllowedPolicies(t *testing.T) {
	const allowed = "  restart-policy-not-allowed: {params: {allowed: {Pod: [Never], Job: [OnFailure]}}}\n"
	bare := "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n" +
		"  restartPolicy: Never\n  containers: [{name: app, image: i, livenessProbe: {httpGet: {port: 80}}}]"
	got := findsUnder(t, "probe-without-restart", allowed, bare)
	if len(got) != 1 || !strings.HasSuffix(got[0], "). Remove the probe. [probe-without-restart]") {
		t.Errorf("%q", got)
	}
	indexed := "apiVersion: batch/v1\nkind: Job\nmetadata: {name: j}\nspec:\n" +
		"  completionMode: Indexed\n  completions: 2\n  backoffLimitPerIndex: 1\n" +
		"  template: {spec: {restartPolicy: OnFailure, containers: [{name: app, image: i}]}}"
	got = findsUnder(t, "job-backoff-per-index-restart-policy", allowed, indexed)
	if len(got) != 1 || !strings.Contains(got[0], "Remove backoffLimitPerIndex.") {
		t.Errorf("%q", got)
	}
}

// TestPolicyNotAllowed: the kinds of owners, and what goes with the restartPolicy.
func TestPolicyNotAllowed(t *testing.T) {
	const allowed = "  restart-policy-not-allowed:\n" +
		"    params: {allowed: {Rollout: [Always], Job: [OnFailure], Pod: [Always, Never]}}\n"
	for name, c := range map[string]struct{ object, advice string }{
		"a Rollout's pod": {`
apiVersion: v1
kind: Pod
metadata:
  name: p
  labels: {rollouts-pod-template-hash: abc}
  ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: web-abc, uid: u, controller: true}]
spec: {restartPolicy: Never, containers: [{name: app, image: i}]}`,
			"for a Rollout. Set the pod's restartPolicy to Always."},
		"podFailurePolicy": {`
apiVersion: batch/v1
kind: Job
metadata: {name: j}
spec:
  podFailurePolicy: {rules: []}
  template: {spec: {restartPolicy: Never, containers: [{name: app, image: i}]}}`,
			"OnFailure and remove podFailurePolicy."},
		"two allowed": {`
apiVersion: v1
kind: Pod
metadata: {name: p}
spec: {restartPolicy: OnFailure, containers: [{name: app, image: i}]}`, "to Always or Never."},
	} {
		got := findsUnder(t, "restart-policy-not-allowed", allowed, c.object)
		if len(got) != 1 || !strings.Contains(got[0], c.advice) {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// TestDrainByPolicy: which ports serve is no-readiness-probe's to say, and the grace period is raised once.
func TestDrainByPolicy(t *testing.T) {
	const object = `apiVersion: v1
kind: Pod
metadata: {name: p}
spec:
  terminationGracePeriodSeconds: 20
  containers:
  - {name: a, image: i, ports: [{name: web, containerPort: 1}], readinessProbe: {tcpSocket: {port: 1}}}
  - {name: b, image: i, ports: [{name: internal, containerPort: 2}], readinessProbe: {tcpSocket: {port: 2}}}
  - {name: c, image: i, ports: [{name: metrics, containerPort: 3}], readinessProbe: {tcpSocket: {port: 3}}}`
	for params, want := range map[string][]string{
		"":                           {"a", "b"},
		"ignorePortNames: [int*]":    {"a", "c"},
		"ignorePortNames: ['*']":     nil,
		"ignorePortNames: [nothing]": {"a", "b", "c"},
	} {
		text := "apiVersion: podvet.dev/v1alpha1\nkind: Policy\nprofile: strict\nrules:\n" +
			"  no-readiness-probe: {params: {" + params + "}}\n" +
			"  no-prestop-drain: {fix: true, params: {sleepSeconds: 7}}\n"
		p, err := policy.Load(catalogue.All, "p", []byte(text), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		repair := rules.Fix(parseSubject(t, params, object), p.Plan())
		var fixed []string
		for _, f := range repair.Fixed {
			if f.Rule.ID == "no-prestop-drain" {
				fixed = append(fixed, f.Container)
			}
		}
		grace := int64(20)
		if len(want) > 0 {
			grace = 27
		}
		if !slices.Equal(fixed, want) || repair.Subject.Grace() != grace {
			t.Errorf("%s: fixed %v, grace %d", params, fixed, repair.Subject.Grace())
		}
	}
}

// TestGraceZeroAdvice: it is at most what termination-grace-too-long allows.
func TestGraceZeroAdvice(t *testing.T) {
	const object = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\n" +
		"spec: {terminationGracePeriodSeconds: 0, containers: [{name: a, image: i}]}"
	for most, want := range map[string]string{"20": "to 20.", "3600": "to 30."} {
		settings := "  termination-grace-too-long: {params: {maxSeconds: " + most + "}}\n"
		got := findsUnder(t, "termination-grace-zero", settings, object)
		if len(got) != 1 || !strings.Contains(got[0], want) {
			t.Errorf("at most %s: %q", most, got)
		}
	}
}
