package main

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
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

	"github.com/podvet/podvet/certs"
	"github.com/podvet/podvet/rules/policy"
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
	d.locate()
	for _, h := range d.hooks {
		found = append(found, d.mistakes(h)...)
	}
	found = append(found, d.uncovered()...)
	if len(found) == 0 {
		return well("both configurations called %s ask podvet, %d webhooks in all", d.configuration, len(d.hooks))
	}
	return found
}

// locate finds podvet's Service by what the webhooks call.
func (d *doctor) locate() {
	for _, h := range d.hooks {
		if s := h.ClientConfig.Service; s != nil && (d.namespace == "" || d.namespace == s.Namespace) {
			d.namespace, d.service = s.Namespace, s.Name
			return
		}
	}
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
			found = append(found, wrong(resultWarning, fmt.Sprintf("kubectl describe pod -n %s %s, and its log, say more", r.Namespace, r.Name),
				"pod %s is not ready: %s", r.Name, strings.Join(strings.Fields(r.whyNotReady()), " ")))
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
	if err != nil && missingRight(err) != "" {
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

// readable are the ready replicas whose certificate was seen.
func (d *doctor) readable() []*replica {
	return slices.DeleteFunc(d.ready(), func(r *replica) bool { return r.served == nil })
}

// noCertificate is what checks of certificates find where none was seen.
var noCertificate = wrong(resultUnknown, "see names", "no replica's certificate was seen")

// checkNames reads which certificate each replica serves, and looks at whom they are for.
func (d *doctor) checkNames(ctx context.Context) []finding {
	if len(d.ready()) == 0 {
		return []finding{wrong(resultUnknown, "see service", "no replica is ready that would serve a certificate")}
	}
	var found []finding
	for _, r := range d.ready() {
		if d.readServed(ctx, r, r.servedPort(), d.server()); r.served == nil {
			found = append(found, notKnown("the certificate that pod "+r.Name+" serves", r.servedErr))
			continue
		}
		if r.served[0].VerifyHostname(d.server()) != nil {
			remedy := "issue one for that name"
			if r.flag("--tls") == "self-managed" {
				remedy = "start podvet with --dns-name " + d.server()
			}
			found = append(found, wrong(resultProblem, remedy, "the API server calls %s, and the certificate of pod %s is for %q", d.server(), r.Name, r.served[0].DNSNames))
		}
	}
	if len(found) == 0 {
		return well("the certificates are for %s", d.server())
	}
	return found
}

// verify says which CAs of a webhook's bundle a replica's certificate comes from. That it has expired is another matter.
func (r *replica) verify(h hook) ([]*x509.Certificate, error) {
	leaf, now := r.served[0], time.Now()
	options := x509.VerifyOptions{Intermediates: x509.NewCertPool(), CurrentTime: now}
	if now.After(leaf.NotAfter) {
		options.CurrentTime = leaf.NotAfter
	}
	for _, c := range r.served[1:] {
		options.Intermediates.AddCert(c)
	}
	if len(h.ClientConfig.CABundle) > 0 { // without one the API server takes those of its machine
		options.Roots = x509.NewCertPool()
		for _, c := range (certs.Webhook{ClientConfig: h.ClientConfig}).Certificates() {
			options.Roots.AddCert(c)
		}
	}
	chains, err := leaf.Verify(options)
	if err != nil {
		return nil, err
	}
	roots := make([]*x509.Certificate, 0, len(chains))
	for _, chain := range chains {
		roots = append(roots, chain[len(chain)-1])
	}
	return roots, nil
}

// checkBundles sees whether the API server can verify what is served.
func (d *doctor) checkBundles(context.Context) []finding {
	var found []finding
	for _, h := range d.hooks {
		for _, r := range d.readable() {
			_, err := r.verify(h)
			if err == nil {
				continue
			}
			carries := fmt.Sprintf("the caBundle of webhook %s (%d certificates)", h.Name, len(certs.Webhook{ClientConfig: h.ClientConfig}.Certificates()))
			if len(h.ClientConfig.CABundle) == 0 {
				carries = "webhook " + h.Name + " has no caBundle, and the API server's own CAs as far as known here"
			}
			found = append(found, wrong(resultProblem, remedyOfBundle(h, r), "%s cannot verify the certificate of pod %s, issued by %q: %v",
				carries, r.Name, r.served[0].Issuer.String(), oneLine(err)))
			break // one replica shows it
		}
	}
	switch {
	case len(found) > 0:
		return found
	case len(d.hooks) == 0:
		return []finding{wrong(resultUnknown, "see configuration", "no webhook says which CA to trust")}
	case len(d.readable()) == 0:
		return []finding{noCertificate}
	}
	return well("the caBundle of each webhook verifies the certificate of each replica")
}

// remedyOfBundle depends on who writes the bundle.
func remedyOfBundle(h hook, r *replica) string {
	switch {
	case r.flag("--tls") == "self-managed":
		return "podvet repairs that within seconds; where it does not, its log says why it cannot patch the configurations"
	case h.injected:
		return "cert-manager's cainjector writes it: see its log, and the annotation cert-manager.io/inject-ca-from"
	}
	return "write the CA of the certificate into it, by the command in helm get notes"
}

// checkExpiry looks at how long the certificates and their CAs last.
func (d *doctor) checkExpiry(context.Context) []finding {
	if len(d.readable()) == 0 {
		return []finding{noCertificate}
	}
	var found []finding
	var first time.Time
	said := map[string]bool{}
	look := func(what, id string, c *x509.Certificate, r *replica) {
		if said[id] {
			return
		}
		said[id] = true
		if first.IsZero() || c.NotAfter.Before(first) {
			first = c.NotAfter
		}
		remedy := "renew it: kubectl describe certificate where cert-manager does, else write a new one into the Secret"
		if r.flag("--tls") == "self-managed" {
			remedy = "podvet renews it by itself: its log says what keeps it from that"
		}
		switch now := time.Now(); {
		case now.After(c.NotAfter):
			found = append(found, wrong(resultProblem, remedy, "%s has expired at %s", what, c.NotAfter.UTC().Format(time.RFC3339)))
		case now.Before(c.NotBefore):
			found = append(found, wrong(resultProblem, "set the clocks right, or wait", "%s is valid only from %s on", what, c.NotBefore.UTC().Format(time.RFC3339)))
		case c.NotAfter.Sub(now) < overdue(c):
			found = append(found, wrong(resultWarning, remedy, "%s ends at %s and was not renewed yet", what, c.NotAfter.UTC().Format(time.RFC3339)))
		}
	}
	for _, r := range d.readable() {
		look("the certificate of pod "+r.Name, string(r.served[0].Raw), r.served[0], r)
		for _, h := range d.hooks {
			roots, err := r.verify(h)
			if err != nil || len(h.ClientConfig.CABundle) == 0 {
				continue // said already
			}
			ca := slices.MaxFunc(roots, func(a, b *x509.Certificate) int { return a.NotAfter.Compare(b.NotAfter) })
			look(fmt.Sprintf("the CA %q of the certificate of pod %s", ca.Subject.String(), r.Name), string(ca.Raw), ca, r)
		}
	}
	if len(found) == 0 {
		return well("certificates and CAs are valid until %s at least", first.UTC().Format(time.RFC3339))
	}
	return found
}

// overdue is how long before its end a certificate should have been renewed: most are after two thirds of their life,
// so not before some more, and for those that last for years a month is early enough.
func overdue(c *x509.Certificate) time.Duration {
	return min(c.NotAfter.Sub(c.NotBefore)*3/10, 30*24*time.Hour)
}

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
		} {
			if spared.namespace == "" {
				continue
			}
			selected, err := d.selects(ctx, h, spared.namespace)
			switch {
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
	if len(failing) > 0 && d.replicas != nil && len(d.ready()) < 2 {
		found = append(found, wrong(resultWarning, "run two replicas on two nodes", "with webhooks on Fail (%s) %d replicas are ready: without them no pod is created",
			strings.Join(failing, ", "), len(d.ready())))
	}
	switch {
	case len(found) > 0:
		return found
	case len(failing) > 0:
		return well("while podvet is down the webhooks on Fail (%s) refuse, but not in kube-system and %s", strings.Join(failing, ", "), d.namespace)
	}
	return well("while podvet is down pods are created unvetted (failurePolicy Ignore)")
}

// followLimit is how long a replica may take to follow a change of the policy.
const followLimit = 3 * time.Second

// hashes are the replicas by the policy that each has in force. Whoever is about to follow a change is waited for.
func (d *doctor) hashes(ctx context.Context, settled func(map[string][]string) bool) map[string][]string {
	for deadline := time.Now().Add(followLimit); ; {
		by := map[string][]string{}
		for _, r := range d.ready() {
			if d.readMetrics(ctx, r); r.metricErr == nil {
				hash, _ := r.metrics.policy()
				by[hash] = append(by[hash], r.Name)
			}
		}
		if settled(by) || time.Now().After(deadline) || ctx.Err() != nil {
			return by
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// checkPolicy compares the policy that is written with the one in force.
func (d *doctor) checkPolicy(ctx context.Context) []finding {
	if len(d.ready()) == 0 {
		return []finding{wrong(resultUnknown, "see service", "no replica is ready that would have a policy in force")}
	}
	var found []finding
	var keys []string
	for _, r := range d.ready() {
		if key := r.flag("--policy-configmap"); key != "" && !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	for _, key := range keys {
		found = append(found, d.policyOf(ctx, key)...)
	}
	if len(keys) == 0 {
		return []finding{wrong(resultUnknown, "start podvet as the chart does", "no replica is started with --policy-configmap, so doctor does not know the policy")}
	}
	return found
}

// policyOf looks at the policy of one ConfigMap and at the replicas that follow it.
func (d *doctor) policyOf(ctx context.Context, key string) []finding {
	var found []finding
	written, mistake, absent, err := d.written(ctx, key)
	if err != nil {
		found = append(found, notKnown("the ConfigMap "+key, err))
	}
	unread := 0
	d.hashes(ctx, func(by map[string][]string) bool { return written == nil || len(by) == 1 && by[written.Hash] != nil })
	for _, r := range d.ready() {
		if r.flag("--policy-configmap") != key {
			continue
		}
		if r.metricErr != nil {
			unread++
			continue
		}
		hash, source := r.metrics.policy()
		switch {
		case err != nil || source == "configmap" && written != nil && hash == written.Hash:
			if source == "last-good" || source == "default" {
				found = append(found, wrong(resultProblem, "see the Event on the ConfigMap "+key, "pod %s does not judge by the ConfigMap, its policy in force is the %s one", r.Name, source))
			}
		case source == "default" && absent:
			found = append(found, wrong(resultWarning, "write a policy into the ConfigMap "+key, "pod %s judges by the built-in policy: %s", r.Name, mistake))
		case mistake != "":
			found = append(found, wrong(resultProblem, "mend it; podvet policy check names every mistake", "pod %s judges by the %s policy, for the policy in %s cannot be used: %s",
				r.Name, inWords(source), key, mistake))
		default:
			found = append(found, wrong(resultProblem, "its log says why it does not follow", "pod %s judges by another policy (%s, %s) than the ConfigMap %s holds (%s)",
				r.Name, hash, source, key, written.Hash))
		}
	}
	switch {
	case unread == 0:
	case mistake != "":
		found = append(found, wrong(resultProblem, "mend it; podvet policy check names every mistake", "the policy in %s cannot be used: %s", key, mistake))
	default:
		found = append(found, wrong(resultUnknown, "see replicas", "%d replicas do not say whether they judge by the policy in %s", unread, key))
	}
	if len(found) == 0 {
		return well("the policy of the ConfigMap %s is in force (%s)", key, written.Hash)
	}
	return found
}

func inWords(source string) string {
	return map[string]string{"last-good": "last good", "default": "built-in"}[source]
}

// written is the policy that a ConfigMap holds, or the first mistake for which it cannot be used.
func (d *doctor) written(ctx context.Context, key string) (p *policy.Policy, mistake string, absent bool, err error) {
	namespace, name, _ := strings.Cut(key, "/")
	object, err := d.client.CoreV1().ConfigMaps(namespace).Get(ctx, name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return nil, "it does not exist", true, nil
	case err != nil:
		return nil, "", false, err
	case strings.TrimSpace(object.Data[policy.Key]) == "":
		return nil, "it has no text under the key " + policy.Key, true, nil
	}
	p, _, err = policy.LoadShared(policy.Key, []byte(object.Data[policy.Key]), time.Now())
	if err != nil {
		first, _, _ := strings.Cut(err.Error(), "\n")
		return nil, first, false, nil
	}
	return p, "", false, nil
}

// checkReplicas sees whether all replicas are the same.
func (d *doctor) checkReplicas(ctx context.Context) []finding {
	ready := d.ready()
	if len(ready) == 0 {
		return []finding{wrong(resultUnknown, "see service", "no replica is ready")}
	}
	var found []finding
	by := d.hashes(ctx, func(by map[string][]string) bool { return len(by) <= 1 })
	for _, r := range ready {
		if r.metricErr != nil {
			found = append(found, notKnown("the metrics of pod "+r.Name, r.metricErr))
		}
	}
	if len(by) > 1 {
		found = append(found, wrong(resultProblem, "give all replicas the same --policy-configmap; the log of the one that lags says why it does not follow",
			"the replicas judge by different policies: %s", listed(by)))
	}
	images := map[string][]string{}
	for _, r := range ready {
		images[r.Spec.Containers[0].Image] = append(images[r.Spec.Containers[0].Image], r.Name)
	}
	if len(images) > 1 {
		found = append(found, wrong(resultWarning, fmt.Sprintf("wait for the rollout to end; kubectl rollout status -n %s deployment says whether it does", d.namespace),
			"the replicas are of different versions: %s", listed(images)))
	}
	if len(found) == 0 {
		return well("%d ready replicas of one version judge by one policy", len(ready))
	}
	return found
}

// listed is "a in pod x; b in pods y, z".
func listed(by map[string][]string) string {
	list := make([]string, 0, len(by))
	for _, key := range slices.Sorted(maps.Keys(by)) {
		list = append(list, key+" in "+strings.Join(by[key], ", "))
	}
	return strings.Join(list, "; ")
}
