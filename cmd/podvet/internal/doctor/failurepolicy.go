package doctor

import (
	"context"
	"slices"
	"strings"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// checkFailurePolicy looks at what happens while podvet is down.
func (in *installation) checkFailurePolicy(ctx context.Context) []Finding {
	if len(in.webhooks) == 0 {
		return []Finding{unknown("see configuration", "no webhook says what happens while podvet is down")}
	}
	var found []Finding
	var names []string
	for _, w := range in.webhooks {
		if !w.failsClosed() || len(w.Rules) == 0 {
			continue
		}
		names = append(names, w.Name)
		if !w.covers("", "pods", admissionv1.Create) {
			found = append(found, warning("set it to Ignore", "webhook %s is on Fail and not about pods: "+
				"while podvet is down controllers cannot update what it is about", w.Name))
		}
		found = append(found, in.blocked(ctx, w)...)
	}
	failing := strings.Join(names, ", ")
	if ready := len(in.ready()); failing != "" && in.replicas != nil && ready < 2 {
		remedy := "run two replicas on two nodes"
		if len(in.replicas) > ready {
			remedy = "see service"
		}
		found = append(found, warning(remedy,
			"with webhooks on Fail (%s) %d replicas are ready: without them no pod is created", failing, ready))
	}
	switch {
	case len(found) > 0:
		return found
	case failing != "":
		return []Finding{ok("while podvet is down the webhooks on Fail (%s) refuse, but not in kube-system and %s",
			failing, in.namespace)}
	}
	return []Finding{ok("while podvet is down pods are created unvetted (failurePolicy Ignore)")}
}

// certManager is the namespace that cert-manager is usually in.
const certManager = "cert-manager"

// blocked are the namespaces that podvet's own return depends on, and in which a webhook on Fail refuses pods.
func (in *installation) blocked(ctx context.Context, w webhook) []Finding {
	var found []Finding
	for _, needed := range []struct{ namespace, why string }{
		{metav1.NamespaceSystem, "the control plane's pods cannot come back while podvet is down"},
		{in.namespace, "podvet's own pods cannot come back while podvet is down"},
		{certManager, "cert-manager's pods, which renew podvet's certificate, cannot come back while podvet is down"},
	} {
		ns := needed.namespace
		if ns == "" || ns == certManager && !w.injected {
			continue
		}
		selected, err := w.selects(ctx, in.Client, ns)
		switch {
		case apierrors.IsNotFound(err) && ns == certManager: // it is somewhere else
		case err != nil:
			found = append(found, unreadable("whether webhook "+w.Name+" spares the namespace "+ns, err))
		case !selected:
		case slices.ContainsFunc(w.MatchConditions, func(c admissionv1.MatchCondition) bool {
			return strings.Contains(c.Expression, ns)
		}):
			found = append(found, unknown("leave it out by namespaceSelector",
				"whether webhook %s spares the namespace %s: a matchCondition names it", w.Name, ns))
		default:
			found = append(found, problem(
				"leave the namespace out by namespaceSelector, or set failurePolicy to Ignore",
				"webhook %s is on Fail and is called for the namespace %s: %s", w.Name, ns, needed.why))
		}
	}
	return found
}
