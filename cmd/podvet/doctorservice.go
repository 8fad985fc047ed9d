package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// checkService looks at the Service, its pods and its endpoints.
func (d *doctor) checkService(ctx context.Context) []finding {
	if d.namespace == "" {
		return []finding{wrong(resultUnknown, "write --namespace", "no webhook names podvet's Service")}
	}
	what := "the Service " + d.namespace + "/" + d.service
	service, err := d.client.CoreV1().Services(d.namespace).Get(ctx, d.service, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return []finding{wrong(resultProblem, "helm upgrade --reuse-values brings it back", "%s that the webhooks call does not exist", what)}
	}
	if err != nil {
		return []finding{notKnown(what, err)}
	}
	if len(service.Spec.Selector) == 0 {
		return []finding{wrong(resultUnknown, "give it the selector of the chart", "%s selects no pods, so doctor finds none", what)}
	}
	selector := labels.SelectorFromSet(service.Spec.Selector)
	pods, err := d.client.CoreV1().Pods(d.namespace).List(ctx, metav1.ListOptions{LabelSelector: selector.String()})
	if err != nil {
		return []finding{notKnown("the pods of "+what, err)}
	}
	for _, pod := range pods.Items {
		if pod.DeletionTimestamp == nil && pod.Status.Phase != corev1.PodFailed && pod.Status.Phase != corev1.PodSucceeded {
			d.replicas = append(d.replicas, &replica{Pod: &pod})
		}
	}
	if len(d.replicas) == 0 {
		return []finding{wrong(resultProblem, fmt.Sprintf("kubectl describe deployments,replicasets -n %s says why none is made", d.namespace),
			"%s selects the pods with %s, and there are none", what, selector)}
	}
	found := d.ports(what, service)
	ready, err := d.endpoints(ctx)
	if err != nil {
		found = append(found, notKnown("the endpoints of "+what, err))
		ready = len(d.ready())
	}
	for _, r := range d.replicas {
		if condition(r.Pod, corev1.PodReady).Status != corev1.ConditionTrue {
			why := cmp.Or(d.unready(ctx, r), r.whyNotReady())
			found = append(found, wrong(resultWarning, fmt.Sprintf("kubectl describe pod -n %s %s, and its log, say more", r.Namespace, r.Name),
				"pod %s is not ready: %s", r.Name, oneLine(errors.New(why))))
		}
	}
	if ready == 0 {
		return append(found, wrong(resultProblem, fmt.Sprintf("make a pod ready: kubectl get pods -n %s -l %s", d.namespace, selector),
			"%s has no ready endpoint, so the API server gets no answer", what))
	}
	if len(found) == 0 {
		return well("%s has %d ready endpoints", what, ready)
	}
	return found
}

// ports looks at the way from the webhooks to the pods, and reads what the ready ones serve there.
func (d *doctor) ports(what string, service *corev1.Service) []finding {
	var found []finding
	var seen []int32
	for _, h := range d.hooks {
		if h.ClientConfig.Service == nil {
			continue
		}
		port := int32(443)
		if p := h.ClientConfig.Service.Port; p != nil {
			port = *p
		}
		if slices.Contains(seen, port) {
			continue
		}
		seen = append(seen, port)
		at := slices.IndexFunc(service.Spec.Ports, func(p corev1.ServicePort) bool { return p.Port == port })
		if at < 0 {
			found = append(found, wrong(resultProblem, "helm upgrade --reuse-values, or write it back", "webhook %s calls port %d, which %s does not have", h.Name, port, what))
			continue
		}
		if to := service.Spec.Ports[at].TargetPort; to.Type == intstr.String {
			for _, r := range d.replicas {
				if r.port(to.StrVal, 0) == 0 {
					found = append(found, wrong(resultProblem, "give the container that port's name", "%s leads to the port %q, which pod %s does not name", what, to.StrVal, r.Name))
				}
			}
		}
	}
	return found
}

// servedPort is where a replica serves reviews.
func (r *replica) servedPort() int32 {
	port, _ := strconv.ParseInt(r.flag("--port"), 10, 32)
	return cmp.Or(int32(port), r.port("webhook", 9443)) //nolint:gosec // 32 bits were asked for
}

// endpoints counts those that the API server could call.
func (d *doctor) endpoints(ctx context.Context) (int, error) {
	slicesOf, err := d.client.DiscoveryV1().EndpointSlices(d.namespace).List(ctx, metav1.ListOptions{LabelSelector: discoveryv1.LabelServiceName + "=" + d.service})
	if err != nil {
		return 0, err
	}
	pods := map[string]bool{}
	for _, s := range slicesOf.Items {
		for _, e := range s.Endpoints {
			if e.Conditions.Ready == nil || *e.Conditions.Ready {
				name := strings.Join(e.Addresses, ",")
				if e.TargetRef != nil {
					name = e.TargetRef.Name
				}
				pods[name] = true
			}
		}
	}
	return len(pods), nil
}

// checkReached lets the API server ask podvet about a pod that is never made.
func (d *doctor) checkReached(ctx context.Context) []finding {
	before := d.countReviews(ctx)
	dry := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "podvet-doctor-", Namespace: metav1.NamespaceDefault},
		Spec: corev1.PodSpec{AutomountServiceAccountToken: new(false),
			SecurityContext: &corev1.PodSecurityContext{RunAsNonRoot: new(true), RunAsUser: new(int64(65532)), SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}},
			Containers: []corev1.Container{{Name: "doctor", Image: "podvet.invalid/doctor", SecurityContext: &corev1.SecurityContext{
				AllowPrivilegeEscalation: new(false), Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}}}}},
	}
	_, err := d.client.CoreV1().Pods(metav1.NamespaceDefault).Create(ctx, dry, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	if err != nil && (missingRight(err) != "" || errors.Is(err, context.DeadlineExceeded)) {
		return []finding{notKnown("the answer to a dry run", err)}
	}
	var found []finding
	for _, h := range d.hooks {
		if h.covers("", "pods", admissionv1.Create) {
			found = append(found, d.reached(ctx, h, before, err))
		}
	}
	if len(found) == 0 {
		return []finding{wrong(resultUnknown, "see configuration", "no webhook is about pods, so a dry run shows nothing")}
	}
	// One that failed may be why nothing is known of the other, and what is well goes without saying.
	result := func(result string) func(finding) bool { return func(f finding) bool { return f.Result == result } }
	if slices.ContainsFunc(found, result(resultProblem)) {
		found = slices.DeleteFunc(found, result(resultUnknown))
	}
	if found = slices.DeleteFunc(found, result(resultOK)); len(found) == 0 {
		return well("the API server reaches podvet: a dry run of a pod in the namespace default was answered")
	}
	return found
}

// reached tells whether one webhook was asked about the dry run that ended with err.
func (d *doctor) reached(ctx context.Context, h hook, before map[string]float64, err error) finding {
	said := d.warnings.all()
	if err != nil {
		said += "\n" + err.Error()
	}
	failed := fmt.Sprintf("failed calling webhook %q: ", h.Name)
	switch _, reason, isFailed := strings.Cut(said, failed); {
	case isFailed:
		reason = strings.TrimPrefix(reason, "failed to call webhook: ")
		return wrong(resultProblem, remedyOf(reason), "the API server cannot call webhook %s: %v", h.Name, oneLine(errors.New(reason)))
	case strings.Contains(said, fmt.Sprintf("admission webhook %q denied", h.Name)):
		return finding{Result: resultOK}
	}
	// With Ignore a failure is silent, and so is a podvet that has nothing to say. But podvet counts what it answers.
	endpoint := strings.TrimPrefix(h.path(), "/")
	known := before != nil
	for range 10 {
		after := d.countReviews(ctx)
		if known = known && after != nil; !known {
			break
		}
		if after[endpoint] > before[endpoint] {
			return finding{Result: resultOK}
		}
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
	asked, reason := d.asks(ctx, h, metav1.NamespaceDefault)
	switch {
	case !asked:
		return wrong(resultUnknown, "create a pod in a namespace that it asks about", "whether webhook %s is answered: a dry run in the namespace default does not show it, %s", h.Name, reason)
	case err == nil && h.fails():
		return finding{Result: resultOK} // else it would have failed
	case err != nil:
		return wrong(resultUnknown, "let that one admit it, or try kubectl run by hand", "whether webhook %s is answered: something else refused the dry run: %v", h.Name, oneLine(err))
	case !known:
		return wrong(resultUnknown, "see service and replicas for what keeps doctor from reading them",
			"whether webhook %s is answered: it is on Ignore, and no replica says what it was asked", h.Name)
	}
	return wrong(resultProblem, "mend what else is found here; where that is nothing the API server cannot reach the pods, see Private clusters in docs/operations.md",
		"a dry run of a pod was admitted and no replica was asked by webhook %s, whose failurePolicy Ignore hides why", h.Name)
}

// remedyOf tells what to do about a call that failed.
func remedyOf(reason string) string {
	switch {
	case strings.Contains(reason, "x509:") || strings.Contains(reason, "certificate"):
		return "see ca-bundle, names and expiry"
	case strings.Contains(reason, "no endpoints available") || strings.Contains(reason, "not found") || strings.Contains(reason, "connection refused"):
		return "see service"
	case strings.Contains(reason, "deadline exceeded") || strings.Contains(reason, "timeout") || strings.Contains(reason, "no route"):
		return "let the control plane reach the pods' port, see Private clusters in docs/operations.md, or give the replicas more CPU"
	}
	return "see the log of the replicas"
}

// countReviews sums what the replicas answered, nil where one does not say.
func (d *doctor) countReviews(ctx context.Context) map[string]float64 {
	sum := map[string]float64{}
	for _, r := range d.ready() {
		d.readMetrics(ctx, r)
		if r.metricErr != nil {
			return nil
		}
		for endpoint, n := range r.metrics.reviews() {
			sum[endpoint] += n
		}
	}
	if len(d.ready()) == 0 {
		return nil
	}
	return sum
}

// asks tells whether a webhook asks about bare pods of a namespace, and why not, or why that is not known.
func (d *doctor) asks(ctx context.Context, h hook, namespace string) (bool, string) {
	matches, err := d.selects(ctx, h, namespace)
	if err != nil {
		if right := missingRight(err); right != "" {
			return false, "as you may not " + right
		}
		return false, oneLine(err).Error()
	}
	if !matches {
		return false, "which its namespaceSelector leaves out"
	}
	if s, err := metav1.LabelSelectorAsSelector(h.ObjectSelector); err == nil && h.ObjectSelector != nil && !s.Matches(labels.Set{}) {
		return false, "as its objectSelector asks for labels"
	}
	for _, c := range h.MatchConditions {
		if c.Name != "no-mirror-pod" {
			return false, "as it has the matchCondition " + c.Name
		}
	}
	return true, ""
}

// selects tells whether the namespaceSelector of a webhook chooses a namespace.
func (d *doctor) selects(ctx context.Context, h hook, namespace string) (bool, error) {
	if h.NamespaceSelector == nil {
		return true, nil
	}
	selector, err := metav1.LabelSelectorAsSelector(h.NamespaceSelector)
	if err != nil {
		return false, err
	}
	object, err := d.client.CoreV1().Namespaces().Get(ctx, namespace, metav1.GetOptions{})
	if err != nil {
		return false, err
	}
	return selector.Matches(labels.Set(object.Labels)), nil
}
