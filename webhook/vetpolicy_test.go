package webhook

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admission/v1"
	"k8s.io/apimachinery/pkg/types"
)

func policyReview(t testing.TB, text string) []byte {
	t.Helper()
	return reviewOf(t, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: podvet-policy}\n"+
		"data:\n  policy.yaml: |\n    "+strings.ReplaceAll(text, "\n", "\n    ")+"\n")
}

func TestVetPolicy(t *testing.T) {
	h := newTestHandler(t, "")
	const header = "apiVersion: podvet.dev/v1alpha1\nkind: Policy\n"
	for _, c := range []struct {
		name, text string
		refusal    string
		warnings   []string
	}{
		{"good", header + "profile: strict", "", nil},
		{"mistakes", header + "profil: strict\nmode: on",
			"policy.yaml:3: profil: unknown key (did you mean profile?)\n" +
				"policy.yaml:4: mode: is \"on\": write enforce, warn, audit or off", nil},
		{"unknown rule", header + "rules: {bare-pots: {level: warn}}", "",
			[]string{"podvet: policy.yaml:3: rules.bare-pots: there is no such rule (did you mean bare-pod?): " +
				"podvet rules lists them"}},
		{"worth a second look", header + "rules: {bare-pod: {level: audit}}\n" +
			"exemptions:\n- {rules: [bare-pod], reason: r, expires: 2020-01-01}", "",
			[]string{
				"podvet: policy.yaml:3: rules.bare-pod.level: audit is already its level in the profile recommended: " +
					"remove this",
				"podvet: policy.yaml:5: exemptions[0].expires: expired on 2020-01-01, so its findings are warnings " +
					"now: remove the exemption, or write a later day"}},
		{"empty", "", "policy.yaml: is empty: write apiVersion: podvet.dev/v1alpha1 and kind: Policy", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			answer := ask(t, h, "/validate-policy", policyReview(t, c.text))
			message := ""
			if answer.Result != nil {
				message = answer.Result.Message
			}
			if answer.Allowed != (c.refusal == "") || message != c.refusal {
				t.Errorf("allowed %v: %s", answer.Allowed, message)
			}
			if diff := cmp.Diff(c.warnings, answer.Warnings); diff != "" {
				t.Errorf("warnings (-want +got):\n%s", diff)
			}
		})
	}
	noKey := reviewOf(t, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {policy: x}\n")
	answer := ask(t, h, "/validate-policy", noKey)
	if answer.Allowed || answer.Result.Message != "the ConfigMap has no key policy.yaml: write the policy under it" {
		t.Errorf("%+v", answer)
	}
	if answer := ask(t, h, "/validate-policy", reviewOf(t, badPod)); !answer.Allowed {
		t.Errorf("a pod: %+v", answer)
	}
}

// TestVetPolicyInCluster: only the policy's ConfigMap is judged, and what is known of the namespaces counts.
func TestVetPolicyInCluster(t *testing.T) {
	h := newTestHandler(t, "")
	cluster := noCluster
	cluster.PolicyConfigMap = types.NamespacedName{Namespace: "default", Name: "podvet-policy"}
	h.InCluster(cluster)
	if answer := ask(t, h, "/validate-policy", policyReview(t, "profil: x")); answer.Allowed {
		t.Error("a bad policy is admitted")
	}
	for name, elsewhere := range map[string]func(*admissionv1.AdmissionRequest){
		"another name":      func(r *admissionv1.AdmissionRequest) { r.Name = "other" },
		"another namespace": func(r *admissionv1.AdmissionRequest) { r.Namespace = "other" },
	} {
		review := reviewOf(t, "{apiVersion: v1, kind: ConfigMap, metadata: {name: podvet-policy}}", elsewhere)
		if answer := ask(t, h, "/validate-policy", review); !answer.Allowed {
			t.Errorf("%s: %+v", name, answer.Result)
		}
	}
	text := "apiVersion: podvet.dev/v1alpha1\nkind: Policy\nscopes: [{match: {namespaces: [pay]}, mode: warn}]"
	if answer := ask(t, h, "/validate-policy", policyReview(t, text)); len(answer.Warnings) > 0 {
		t.Errorf("warned without knowing the namespaces: %q", answer.Warnings)
	}
	cluster.Namespaces = func() map[string]map[string]string { return map[string]map[string]string{"shop": nil} }
	h.InCluster(cluster)
	if answer := ask(t, h, "/validate-policy", policyReview(t, text)); len(answer.Warnings) != 1 {
		t.Errorf("warned of a scope that matches no namespace: %q", answer.Warnings)
	}
}
