package main

import (
	"context"
	"slices"
	"strings"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// hook is one webhook of podvet's configurations. Mutating ones have all that matters here in common with the others.
type hook struct {
	admissionv1.ValidatingWebhook
	kind     string // of its configuration
	injected bool   // cert-manager writes its caBundle
}

const (
	mutating   = "MutatingWebhookConfiguration"
	validating = "ValidatingWebhookConfiguration"
)

// checkConfiguration reads both configurations.
func (d *doctor) checkConfiguration(ctx context.Context) []finding {
	var found []finding
	read := func(kind string, meta metav1.ObjectMeta, list []admissionv1.ValidatingWebhook, err error) {
		switch {
		case apierrors.IsNotFound(err):
			found = append(found, wrong(resultProblem, "helm upgrade --reuse-values brings it back; if it has another name, write --webhook-configuration",
				"there is no %s %s, so the API server does not ask podvet", kind, d.configuration))
		case err != nil:
			found = append(found, notKnown("the "+kind+" "+d.configuration, err))
		case len(list) == 0:
			found = append(found, wrong(resultProblem, "helm upgrade --reuse-values brings them back", "the %s %s has no webhooks", kind, d.configuration))
		}
		for _, w := range list {
			d.hooks = append(d.hooks, hook{w, kind, meta.Annotations["cert-manager.io/inject-ca-from"] != ""})
		}
	}
	api := d.client.AdmissionregistrationV1()
	m, err := api.MutatingWebhookConfigurations().Get(ctx, d.configuration, metav1.GetOptions{})
	var list []admissionv1.ValidatingWebhook
	if err == nil {
		for _, w := range m.Webhooks {
			list = append(list, admissionv1.ValidatingWebhook{Name: w.Name, ClientConfig: w.ClientConfig, Rules: w.Rules, FailurePolicy: w.FailurePolicy,
				NamespaceSelector: w.NamespaceSelector, ObjectSelector: w.ObjectSelector, SideEffects: w.SideEffects, TimeoutSeconds: w.TimeoutSeconds,
				AdmissionReviewVersions: w.AdmissionReviewVersions, MatchConditions: w.MatchConditions})
		}
		read(mutating, m.ObjectMeta, list, nil)
	} else {
		read(mutating, metav1.ObjectMeta{}, nil, err)
	}
	if v, err := api.ValidatingWebhookConfigurations().Get(ctx, d.configuration, metav1.GetOptions{}); err == nil {
		read(validating, v.ObjectMeta, v.Webhooks, nil)
	} else {
		read(validating, metav1.ObjectMeta{}, nil, err)
	}
	if named := d.namespace; !d.locate() {
		found = append(found, wrong(resultWarning, "leave --namespace out, or write --webhook-configuration",
			"you wrote --namespace %s, and the webhooks call the Service %s/%s", named, d.namespace, d.service))
	}
	for _, h := range d.hooks {
		found = append(found, d.mistakes(h)...)
	}
	found = append(found, d.uncovered()...)
	if len(found) == 0 {
		return well("both configurations called %s ask podvet, %d webhooks in all", d.configuration, len(d.hooks))
	}
	return found
}

// locate finds podvet's Service by what the webhooks call. It tells whether that is in the namespace that was named.
func (d *doctor) locate() bool {
	named := d.namespace
	for _, h := range slices.Backward(d.hooks) {
		if s := h.ClientConfig.Service; s != nil {
			if d.namespace, d.service = s.Namespace, s.Name; s.Namespace == named {
				return true
			}
		}
	}
	return named == "" || named == d.namespace
}

// server is the name that the API server asks a certificate for.
func (d *doctor) server() string { return d.service + "." + d.namespace + ".svc" }

// path is what the webhook calls.
func (h hook) path() string {
	if s := h.ClientConfig.Service; s != nil && s.Path != nil {
		return *s.Path
	}
	return ""
}

// covers tells whether a webhook is about an operation on a resource.
func (h hook) covers(group, resource string, operation admissionv1.OperationType) bool {
	has := func(list []string, want string) bool {
		return slices.Contains(list, want) || slices.Contains(list, "*")
	}
	return slices.ContainsFunc(h.Rules, func(r admissionv1.RuleWithOperations) bool {
		return has(r.APIGroups, group) && has(r.APIVersions, "v1") && (has(r.Resources, resource) || slices.Contains(r.Resources, "*/*")) &&
			(slices.Contains(r.Operations, operation) || slices.Contains(r.Operations, admissionv1.OperationAll))
	})
}

func (h hook) fails() bool {
	return h.FailurePolicy == nil || *h.FailurePolicy == admissionv1.Fail
}

// slow is from how many seconds on a silent podvet holds up whoever creates pods.
const slow = 10

// mistakes are those of one webhook.
func (d *doctor) mistakes(h hook) []finding {
	var found []finding
	mistake := func(result, remedy, format string, args ...any) {
		found = append(found, wrong(result, remedy, "webhook "+h.Name+" "+format, args...))
	}
	const back = "helm upgrade --reuse-values, or write it back"
	switch s, path := h.ClientConfig.Service, h.path(); {
	case s == nil:
		mistake(resultWarning, "let it call the Service, as the chart does", "calls a url, which doctor does not follow")
	case s.Namespace != d.namespace || s.Name != d.service:
		mistake(resultProblem, back, "calls the Service %s/%s, and podvet's is %s/%s", s.Namespace, s.Name, d.namespace, d.service)
	case h.kind == mutating && path != "/mutate":
		mistake(resultProblem, back, "calls the path %q and not /mutate", path)
	case h.kind == validating && path != "/validate" && path != "/validate-policy":
		mistake(resultProblem, back, "calls the path %q and not /validate or /validate-policy", path)
	}
	if !slices.Contains(h.AdmissionReviewVersions, "v1") {
		mistake(resultProblem, "write v1 into admissionReviewVersions", "asks for AdmissionReviews of %v, and podvet answers v1", h.AdmissionReviewVersions)
	}
	if h.TimeoutSeconds != nil && *h.TimeoutSeconds > slow {
		mistake(resultWarning, "3 are enough: set webhooks.timeoutSeconds", "waits %d seconds: so long takes each pod while podvet is silent", *h.TimeoutSeconds)
	}
	if h.SideEffects != nil && *h.SideEffects != admissionv1.SideEffectClassNone && *h.SideEffects != admissionv1.SideEffectClassNoneOnDryRun {
		mistake(resultProblem, "write sideEffects: None", "has sideEffects %s, so each dry run fails", *h.SideEffects)
	}
	return found
}

// uncovered is what no webhook asks podvet about.
func (d *doctor) uncovered() []finding {
	var found []finding
	for _, want := range []struct {
		kind, path, resource, loss, result string
		operations                         []admissionv1.OperationType
	}{
		{mutating, "/mutate", "pods", "pods are not repaired", resultProblem, []admissionv1.OperationType{admissionv1.Create}},
		{validating, "/validate", "pods", "pods are not vetted", resultProblem, []admissionv1.OperationType{admissionv1.Create}},
		{validating, "/validate-policy", "configmaps", "a bad policy is not refused when it is applied", resultWarning,
			[]admissionv1.OperationType{admissionv1.Create, admissionv1.Update}},
	} {
		if !slices.ContainsFunc(d.hooks, func(h hook) bool { return h.kind == want.kind }) {
			continue // said already
		}
		for _, operation := range want.operations {
			if !slices.ContainsFunc(d.hooks, func(h hook) bool {
				return h.kind == want.kind && (h.path() == want.path || h.ClientConfig.Service == nil) && h.covers("", want.resource, operation)
			}) {
				found = append(found, wrong(want.result, "helm upgrade --reuse-values brings it back",
					"no webhook of the %s %s calls %s at %s of %s: %s", want.kind, d.configuration, want.path, operation, want.resource, want.loss))
			}
		}
	}
	return found
}

// certManager is the namespace that cert-manager is usually in.
const certManager = "cert-manager"

// checkFailurePolicy looks at what happens while podvet is down.
func (d *doctor) checkFailurePolicy(ctx context.Context) []finding {
	if len(d.hooks) == 0 {
		return []finding{wrong(resultUnknown, "see configuration", "no webhook says what happens while podvet is down")}
	}
	var found []finding
	var failing []string
	for _, h := range d.hooks {
		if !h.fails() || len(h.Rules) == 0 {
			continue
		}
		failing = append(failing, h.Name)
		if !h.covers("", "pods", admissionv1.Create) {
			found = append(found, wrong(resultWarning, "set it to Ignore", "webhook %s is on Fail and not about pods: while podvet is down controllers cannot update what it is about", h.Name))
		}
		for _, spared := range []struct{ namespace, why string }{
			{metav1.NamespaceSystem, "the control plane's pods cannot come back while podvet is down"},
			{d.namespace, "podvet's own pods cannot come back while podvet is down"},
			{certManager, "cert-manager's pods, which renew podvet's certificate, cannot come back while podvet is down"},
		} {
			if spared.namespace == "" || spared.namespace == certManager && !h.injected {
				continue
			}
			selected, err := d.selects(ctx, h, spared.namespace)
			switch {
			case apierrors.IsNotFound(err) && spared.namespace == certManager: // it is somewhere else
			case err != nil:
				found = append(found, notKnown("whether webhook "+h.Name+" spares the namespace "+spared.namespace, err))
			case !selected:
			case slices.ContainsFunc(h.MatchConditions, func(c admissionv1.MatchCondition) bool { return strings.Contains(c.Expression, spared.namespace) }):
				found = append(found, wrong(resultUnknown, "leave it out by namespaceSelector", "whether webhook %s spares the namespace %s: a matchCondition names it", h.Name, spared.namespace))
			default:
				found = append(found, wrong(resultProblem, "leave the namespace out by namespaceSelector, or set failurePolicy to Ignore",
					"webhook %s is on Fail and asks about the namespace %s: %s", h.Name, spared.namespace, spared.why))
			}
		}
	}
	if ready := len(d.ready()); len(failing) > 0 && d.replicas != nil && ready < 2 {
		remedy := "run two replicas on two nodes"
		if len(d.replicas) > ready {
			remedy = "see service"
		}
		found = append(found, wrong(resultWarning, remedy, "with webhooks on Fail (%s) %d replicas are ready: without them no pod is created",
			strings.Join(failing, ", "), ready))
	}
	switch {
	case len(found) > 0:
		return found
	case len(failing) > 0:
		return well("while podvet is down the webhooks on Fail (%s) refuse, but not in kube-system and %s", strings.Join(failing, ", "), d.namespace)
	}
	return well("while podvet is down pods are created unvetted (failurePolicy Ignore)")
}
