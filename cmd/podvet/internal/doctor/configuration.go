package doctor

import (
	"context"
	"slices"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// checkConfiguration reads both webhook configurations, and finds podvet's Service by what they call.
func (in *installation) checkConfiguration(ctx context.Context) []Finding {
	found := in.readWebhooks(ctx)
	if named := in.namespace; !in.locate() {
		found = append(found, warning("leave --namespace out, or write --webhook-configuration",
			"you wrote --namespace %s, and the webhooks call the Service %s/%s", named, in.namespace, in.service))
	}
	for _, w := range in.webhooks {
		found = append(found, in.mistakes(w)...)
	}
	found = append(found, in.uncovered()...)
	if len(found) == 0 {
		return []Finding{ok("both configurations called %s call podvet, %d webhooks in all",
			in.configuration, len(in.webhooks))}
	}
	return found
}

// readWebhooks reads the webhooks of both configurations.
func (in *installation) readWebhooks(ctx context.Context) []Finding {
	api := in.Client.AdmissionregistrationV1()
	m, err := api.MutatingWebhookConfigurations().Get(ctx, in.configuration, metav1.GetOptions{})
	if err != nil {
		m = &admissionv1.MutatingWebhookConfiguration{}
	}
	list := make([]admissionv1.ValidatingWebhook, len(m.Webhooks))
	for i, w := range m.Webhooks {
		list[i] = asValidating(w)
	}
	found := in.addWebhooks(mutating, m.ObjectMeta, list, err)
	v, err := api.ValidatingWebhookConfigurations().Get(ctx, in.configuration, metav1.GetOptions{})
	if err != nil {
		v = &admissionv1.ValidatingWebhookConfiguration{}
	}
	return append(found, in.addWebhooks(validating, v.ObjectMeta, v.Webhooks, err)...)
}

// addWebhooks notes the webhooks of one configuration, and says why there are none.
func (in *installation) addWebhooks(
	kind string, meta metav1.ObjectMeta, list []admissionv1.ValidatingWebhook, err error,
) []Finding {
	for _, w := range list {
		in.webhooks = append(in.webhooks, webhook{w, kind, meta.Annotations["cert-manager.io/inject-ca-from"] != ""})
	}
	switch {
	case apierrors.IsNotFound(err):
		return []Finding{problem(
			"helm upgrade --reuse-values brings it back; if it has another name, write --webhook-configuration",
			"there is no %s %s, so the API server does not call podvet", kind, in.configuration)}
	case err != nil:
		return []Finding{unreadable("the "+kind+" "+in.configuration, err)}
	case len(list) == 0:
		return []Finding{problem("helm upgrade --reuse-values brings them back",
			"the %s %s has no webhooks", kind, in.configuration)}
	}
	return nil
}

// locate finds podvet's Service by what the webhooks call. It tells whether that is in the namespace that was named.
func (in *installation) locate() bool {
	named := in.namespace
	for _, w := range slices.Backward(in.webhooks) {
		if s := w.ClientConfig.Service; s != nil {
			if in.namespace, in.service = s.Namespace, s.Name; s.Namespace == named {
				return true
			}
		}
	}
	return named == "" || named == in.namespace
}

// slow is from how many seconds on a silent podvet holds up whoever creates pods.
const slow = 10

// mistakes are those of one webhook.
func (in *installation) mistakes(w webhook) []Finding {
	var found []Finding
	const back = "helm upgrade --reuse-values, or write it back"
	switch s, path := w.ClientConfig.Service, w.path(); {
	case s == nil:
		found = append(found, warning("let it call the Service, as the chart does",
			"webhook %s calls a url, which doctor does not follow", w.Name))
	case s.Namespace != in.namespace || s.Name != in.service:
		found = append(found, problem(back, "webhook %s calls the Service %s/%s, and podvet's is %s/%s",
			w.Name, s.Namespace, s.Name, in.namespace, in.service))
	case w.kind == mutating && path != "/mutate":
		found = append(found, problem(back, "webhook %s calls the path %q and not /mutate", w.Name, path))
	case w.kind == validating && path != "/validate" && path != "/validate-policy":
		found = append(found, problem(back, "webhook %s calls the path %q and not /validate or /validate-policy",
			w.Name, path))
	}
	if !slices.Contains(w.AdmissionReviewVersions, "v1") {
		found = append(found, problem("write v1 into admissionReviewVersions",
			"webhook %s asks for AdmissionReviews of %v, and podvet answers v1", w.Name, w.AdmissionReviewVersions))
	}
	if w.TimeoutSeconds != nil && *w.TimeoutSeconds > slow {
		found = append(found, warning("3 are enough: set webhooks.timeoutSeconds",
			"webhook %s waits %d seconds: each pod takes this long while podvet is silent", w.Name, *w.TimeoutSeconds))
	}
	if e := w.SideEffects; e != nil && *e != admissionv1.SideEffectClassNone &&
		*e != admissionv1.SideEffectClassNoneOnDryRun {
		found = append(found, problem("write sideEffects: None",
			"webhook %s has sideEffects %s, so each dry run fails", w.Name, *e))
	}
	return found
}

// uncovered is what no webhook calls podvet for. A configuration without webhooks was named before.
func (in *installation) uncovered() []Finding {
	var found []Finding
	for _, want := range []struct {
		kind, path, resource string
		operation            admissionv1.OperationType
		finding              func(remedy, format string, args ...any) Finding
		loss                 string
	}{
		{mutating, "/mutate", "pods", admissionv1.Create, problem, "pods are not repaired"},
		{validating, "/validate", "pods", admissionv1.Create, problem, "pods are not vetted"},
		{validating, "/validate-policy", "configmaps", admissionv1.Create, warning, badPolicyApplied},
		{validating, "/validate-policy", "configmaps", admissionv1.Update, warning, badPolicyApplied},
	} {
		if !slices.ContainsFunc(in.webhooks, func(w webhook) bool { return w.kind == want.kind }) {
			continue
		}
		covered := slices.ContainsFunc(in.webhooks, func(w webhook) bool {
			return w.kind == want.kind && (w.path() == want.path || w.ClientConfig.Service == nil) &&
				w.covers("", want.resource, want.operation)
		})
		if !covered {
			found = append(found, want.finding("helm upgrade --reuse-values brings it back",
				"no webhook of the %s %s calls %s at %s of %s: %s",
				want.kind, in.configuration, want.path, want.operation, want.resource, want.loss))
		}
	}
	return found
}

const badPolicyApplied = "a bad policy is not refused when it is applied"
