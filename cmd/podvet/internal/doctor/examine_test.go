package doctor

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/podvet/podvet/rules/catalogue"
	"github.com/podvet/podvet/rules/policy"
)

// TestHealthy: of a podvet that is well there is nothing to do, and each check says so once.
func TestHealthy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		found := Examine(t.Context(), newCluster(t).connect(), "podvet", "")
		const want = `ok       configuration: both configurations called podvet call podvet, 3 webhooks in all
ok       service: the Service podvet/podvet has 2 ready endpoints
ok       reached: the API server reaches podvet: a dry run of a pod in the namespace default was answered
ok       names: the certificates are for podvet.podvet.svc
ok       ca-bundle: the caBundle of each webhook verifies the certificate of each replica
ok       expiry: certificates and CAs are valid until 2000-04-10T00:00:00Z at least
ok       failure-policy: while podvet is down pods are created unvetted (failurePolicy Ignore)
ok       policy: the policy of the ConfigMap podvet/podvet-policy is in force (HASH)
ok       replicas: 2 replicas of one version judge by one policy

9 ok, 0 unknown, 0 with a warning, 0 with a problem
`
		if got := strings.ReplaceAll(found.Text(0), policy.Default(catalogue.All).Hash, "HASH"); got != want {
			t.Errorf("%s\nwant\n%s", got, want)
		}
	})
}

// TestNothingToSee: who may not read anything learns which rights are missing, and nothing is taken for broken.
func TestNothingToSee(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		for _, right := range [][3]string{
			{"get", "mutatingwebhookconfigurations.admissionregistration.k8s.io", "at the cluster scope"},
			{"get", "validatingwebhookconfigurations.admissionregistration.k8s.io", "at the cluster scope"},
			{"get", "services", `in the namespace "podvet"`},
			{"create", "pods", `in the namespace "default"`},
		} {
			c.forbid(right[0], right[1], right[2])
		}
		found := Examine(t.Context(), c.connect(), "podvet", "podvet")
		if found.Summary[Unknown] != len(found.Checks) || len(found.Checks) != 10 {
			t.Errorf("%s", found.Text(0))
		}
		for _, want := range []string{
			"get mutatingwebhookconfigurations.admissionregistration.k8s.io at the cluster scope",
			"get validatingwebhookconfigurations.admissionregistration.k8s.io at the cluster scope",
			"get services in the namespace podvet", "create pods in the namespace default",
		} {
			if !strings.Contains(found.Text(0), "you may not "+want+": ask for that right") {
				t.Errorf("the right %q is not named:\n%s", want, found.Text(0))
			}
		}
	})
}

// TestText: on a terminal no line is too wide, and nothing that a cluster holds acts on it.
func TestText(t *testing.T) {
	found := Diagnosis{Summary: map[string]int{Problem: 1}, Checks: []Finding{
		{Check: "names", Result: Problem, What: "the certificate is for \x1b[31mred",
			Remedy: "issue one for that name"},
	}}
	const want = `problem names: the certificate is for
         \x1b[31mred: issue one for that
         name

0 ok, 0 unknown, 0 with a warning, 1 with a problem
`
	if got := found.Text(40); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}
