package doctor

import (
	"testing"
	"testing/synctest"

	admissionv1 "k8s.io/api/admissionregistration/v1"
)

const writeBack = "helm upgrade --reuse-values, or write it back"

func TestConfiguration(t *testing.T) {
	wantFindings(t, "configuration", []brokenCluster{
		{"healthy", func(*cluster) {}, []Finding{
			ok("both configurations called podvet call podvet, 3 webhooks in all"),
		}},
		{"one is missing", func(c *cluster) { c.mutating = nil }, []Finding{problem(
			"helm upgrade --reuse-values brings it back; if it has another name, write --webhook-configuration",
			"there is no MutatingWebhookConfiguration podvet, so the API server does not call podvet")}},
		{"one is forbidden", func(c *cluster) {
			c.forbid("get", "validatingwebhookconfigurations.admissionregistration.k8s.io", "at the cluster scope")
		}, []Finding{unknown("ask for that right, or let someone who has it run doctor",
			"the ValidatingWebhookConfiguration podvet cannot be read because "+
				"you may not get validatingwebhookconfigurations.admissionregistration.k8s.io at the cluster scope")}},
		{"one cannot be read", func(c *cluster) {
			c.refused["get mutatingwebhookconfigurations"] = errBroken
		}, []Finding{unknown("run doctor again, with more --timeout where time ran out",
			"the MutatingWebhookConfiguration podvet cannot be read because of an error that podvet does not know")}},
		{"no webhooks", func(c *cluster) { c.validating.Webhooks = nil }, []Finding{problem(
			"helm upgrade --reuse-values brings them back",
			"the ValidatingWebhookConfiguration podvet has no webhooks")}},
		{"url", func(c *cluster) {
			c.validator().ClientConfig = admissionv1.WebhookClientConfig{URL: new("https://podvet.example")}
		}, []Finding{warning("let it call the Service, as the chart does",
			"webhook validate.podvet.dev calls a url, which doctor does not follow")}},
		{"another Service", func(c *cluster) { c.validator().ClientConfig.Service.Name = "other" }, []Finding{problem(
			writeBack, "webhook validate.podvet.dev calls the Service podvet/other, and podvet's is podvet/podvet")}},
		{"another path to mutate", func(c *cluster) {
			c.mutating.Webhooks[0].ClientConfig.Service.Path = nil
		}, []Finding{
			problem(writeBack, `webhook mutate.podvet.dev calls the path "" and not /mutate`),
			problem("helm upgrade --reuse-values brings it back", "no webhook of the MutatingWebhookConfiguration "+
				"podvet calls /mutate at CREATE of pods: pods are not repaired"),
		}},
		{"another path to validate", func(c *cluster) {
			c.validator().ClientConfig.Service.Path = new("/elsewhere")
		}, []Finding{
			problem(writeBack, `webhook validate.podvet.dev calls the path "/elsewhere" and not `+
				"/validate or /validate-policy"),
			problem("helm upgrade --reuse-values brings it back", "no webhook of the ValidatingWebhookConfiguration "+
				"podvet calls /validate at CREATE of pods: pods are not vetted"),
		}},
		{"versions", func(c *cluster) {
			c.validator().AdmissionReviewVersions = []string{"v1beta1"}
		}, []Finding{problem(
			"write v1 into admissionReviewVersions",
			"webhook validate.podvet.dev asks for AdmissionReviews of [v1beta1], and podvet answers v1")}},
		{"slow", func(c *cluster) { c.validator().TimeoutSeconds = new(int32(11)) }, []Finding{warning(
			"3 are enough: set webhooks.timeoutSeconds",
			"webhook validate.podvet.dev waits 11 seconds: each pod takes this long while podvet is silent")}},
		{"as slow as it may be", func(c *cluster) { c.validator().TimeoutSeconds = new(int32(10)) }, []Finding{
			ok("both configurations called podvet call podvet, 3 webhooks in all"),
		}},
		{"side effects", func(c *cluster) {
			c.validator().SideEffects = new(admissionv1.SideEffectClassSome)
		}, []Finding{
			problem("write sideEffects: None",
				"webhook validate.podvet.dev has sideEffects Some, so each dry run fails"),
		}},
		{"all operations on everything", func(c *cluster) {
			for i := range c.validating.Webhooks {
				r := &c.validating.Webhooks[i].Rules[0]
				r.APIGroups, r.APIVersions, r.Resources = []string{"*"}, []string{"*"}, []string{"*/*"}
				r.Operations = []admissionv1.OperationType{admissionv1.OperationAll}
			}
		}, []Finding{ok("both configurations called podvet call podvet, 3 webhooks in all")}},
		{"policies are not refused", func(c *cluster) {
			c.validating.Webhooks[1].Rules[0].Operations = []admissionv1.OperationType{admissionv1.Create}
		}, []Finding{warning("helm upgrade --reuse-values brings it back",
			"no webhook of the ValidatingWebhookConfiguration podvet calls /validate-policy at UPDATE of configmaps: "+
				"a bad policy is not refused when it is applied")}},
	})
}

// TestNamespace: the Service is the one that the webhooks call, whatever namespace is named.
func TestNamespace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		found := Examine(t.Context(), c.connect(), "podvet", "default")
		want := warning("leave --namespace out, or write --webhook-configuration",
			"you wrote --namespace default, and the webhooks call the Service podvet/podvet")
		want.Check = "configuration"
		if found.Checks[0] != want || found.Summary[OK] != 8 {
			t.Errorf("%s", found.Text(0))
		}
		if found := Examine(t.Context(), c.connect(), "podvet", "podvet"); found.Summary[OK] != 9 {
			t.Errorf("%s", found.Text(0))
		}
	})
}
