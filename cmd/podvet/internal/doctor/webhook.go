package doctor

import (
	"context"
	"crypto/x509"
	"slices"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/kubernetes"

	"github.com/podvet/podvet/certs"
	"github.com/podvet/podvet/cmd/podvet/internal/console"
)

// webhook is one of podvet's. What matters here mutating ones have in common with the others.
type webhook struct {
	admissionv1.ValidatingWebhook
	kind     string // of its configuration
	injected bool   // cert-manager writes its caBundle
}

// Kinds of webhook configurations.
const (
	mutating   = "MutatingWebhookConfiguration"
	validating = "ValidatingWebhookConfiguration"
)

// asValidating is a mutating webhook without what only those have.
func asValidating(w admissionv1.MutatingWebhook) admissionv1.ValidatingWebhook {
	return admissionv1.ValidatingWebhook{
		Name: w.Name, ClientConfig: w.ClientConfig, Rules: w.Rules, FailurePolicy: w.FailurePolicy,
		NamespaceSelector: w.NamespaceSelector, ObjectSelector: w.ObjectSelector, SideEffects: w.SideEffects,
		TimeoutSeconds: w.TimeoutSeconds, AdmissionReviewVersions: w.AdmissionReviewVersions,
		MatchConditions: w.MatchConditions,
	}
}

// path is what the webhook calls.
func (w webhook) path() string {
	if s := w.ClientConfig.Service; s != nil && s.Path != nil {
		return *s.Path
	}
	return ""
}

// covers tells whether the webhook is called for an operation on a resource of a group, "" for the core group.
func (w webhook) covers(group, resource string, operation admissionv1.OperationType) bool {
	has := func(list []string, want string) bool {
		return slices.Contains(list, want) || slices.Contains(list, "*")
	}
	return slices.ContainsFunc(w.Rules, func(r admissionv1.RuleWithOperations) bool {
		return has(r.APIGroups, group) && has(r.APIVersions, "v1") &&
			(has(r.Resources, resource) || slices.Contains(r.Resources, "*/*")) &&
			(slices.Contains(r.Operations, operation) || slices.Contains(r.Operations, admissionv1.OperationAll))
	})
}

// failsClosed tells whether a request is refused where the webhook does not answer.
func (w webhook) failsClosed() bool {
	return w.FailurePolicy == nil || *w.FailurePolicy == admissionv1.Fail
}

// trusts are the CAs that the API server verifies the webhook's server by.
func (w webhook) trusts() []*x509.Certificate {
	return certs.Webhook{ClientConfig: w.ClientConfig}.Certificates()
}

// selects tells whether the namespaceSelector of the webhook chooses a namespace.
func (w webhook) selects(ctx context.Context, client kubernetes.Interface, namespace string) (bool, error) {
	if w.NamespaceSelector == nil {
		return true, nil
	}
	selector, err := metav1.LabelSelectorAsSelector(w.NamespaceSelector)
	if err != nil {
		return false, console.Own("its namespaceSelector is not valid")
	}
	object, err := client.CoreV1().Namespaces().Get(ctx, namespace, metav1.GetOptions{})
	if err != nil {
		return false, err
	}
	return selector.Matches(labels.Set(object.Labels)), nil
}
