package doctor

import (
	"errors"
	"testing"
	"testing/synctest"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podvet/podvet/rules/catalogue"
	"github.com/podvet/podvet/rules/pod"
	"github.com/podvet/podvet/rules/policy"
)

// TestPolicyInForce: which policy a cluster is judged by, and what is said of it.
func TestPolicyInForce(t *testing.T) {
	const strict = "apiVersion: podvet.dev/v1alpha1\nkind: Policy\nmode: audit\n"
	hold := func(text string) func(*cluster) {
		return func(c *cluster) { c.policy = policyMap(text) }
	}
	const builtInBecause = "judged by the built-in policy: "
	const followed = "judged by the policy in the ConfigMap podvet/podvet-policy"
	for _, test := range []struct {
		name   string
		breaks func(*cluster)
		said   string
		mode   policy.Mode
		known  bool // the nodes are of a version that podvet knows: the API server is not
	}{
		{"followed", hold(strict), followed, policy.ModeAudit, false},
		{"with versions", hold(strict + "kubernetes: \"1.30\"\n"), followed, policy.ModeAudit, true},
		{"of pods that do not run", func(c *cluster) {
			hold(strict)(c)
			for _, p := range c.pods {
				p.Status = corev1.PodStatus{Phase: corev1.PodPending}
			}
		}, followed, policy.ModeAudit, false},
		{"bad", hold("mode: nope"), builtInBecause + "the one in the ConfigMap podvet/podvet-policy cannot " +
			"be used. podvet doctor says more.", policy.ModeWarn, false},
		{"empty", hold(" "), builtInBecause + "the ConfigMap podvet/podvet-policy holds none.",
			policy.ModeEnforce, false},
		{"no podvet", func(c *cluster) { c.mutating, c.validating = nil, nil }, builtInBecause +
			"there is no MutatingWebhookConfiguration podvet, so the API server does not call podvet. " +
			"If it has another name, write --webhook-configuration.", policy.ModeEnforce, false},
		{"webhooks forbidden", func(c *cluster) {
			for _, kind := range []string{"mutating", "validating"} {
				c.forbid("get", kind+"webhookconfigurations.admissionregistration.k8s.io", "at the cluster scope")
			}
		}, builtInBecause + "the MutatingWebhookConfiguration podvet cannot be read because you may not " +
			"get mutatingwebhookconfigurations.admissionregistration.k8s.io at the cluster scope. " + another,
			policy.ModeEnforce, false},
		{"unserved", func(c *cluster) { c.service = nil }, builtInBecause + "the Service podvet/podvet " +
			"that the webhooks call does not exist. " + another, policy.ModeEnforce, false},
		{"without a flag", func(c *cluster) {
			for _, p := range c.pods {
				p.Spec.Containers[0].Args = nil
			}
		}, builtInBecause + "no replica is started with --policy-configmap. " + another,
			policy.ModeEnforce, false},
		{"unread", func(c *cluster) { c.refused["get configmaps"] = errors.New("\x1b[31m") }, builtInBecause +
			"the ConfigMap podvet/podvet-policy cannot be read because of an error that podvet does not know. " +
			another, policy.ModeEnforce, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t)
				test.breaks(c)
				asked := c.connect()
				asked.Minor = pod.Newest + 4
				found := PolicyInForce(t.Context(), asked, "podvet", "")
				settings, _ := found.Policy.Where()
				known := found.Policy.Plan().Reports(catalogue.UnknownField)
				if found.Source != test.said || settings.Mode != test.mode || known != test.known {
					t.Errorf("%q, known %t\n%+v", found.Source, known, settings)
				}
			})
		})
	}
}

func policyMap(text string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "podvet-policy", Namespace: "podvet"},
		Data: map[string]string{policy.Key: text}}
}

// TestMinor: the version of an API server, in whatever form providers give it.
func TestMinor(t *testing.T) {
	for text, want := range map[string]int{
		`{"major":"1","minor":"36"}`: 36, `{"minor":"35+"}`: 35, `{}`: pod.Newest, `<html>`: pod.Newest,
	} {
		if got := minorOf([]byte(text)); got != want {
			t.Errorf("%s: %d", text, got)
		}
	}
}
