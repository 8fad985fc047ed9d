package doctor

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/podvet/podvet/cmd/podvet/internal/console"
)

// checkReached lets the API server call podvet about a pod that is never made.
func (in *installation) checkReached(ctx context.Context) []Finding {
	before := in.countReviews(ctx)
	_, err := in.Client.CoreV1().Pods(metav1.NamespaceDefault).Create(ctx, neverMade(),
		metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	if err != nil && (console.MissingRight(err) != "" || errors.Is(err, context.DeadlineExceeded)) {
		return []Finding{unreadable("the answer to a dry run", err)}
	}
	var found []Finding
	for _, w := range in.webhooks {
		if w.covers("", "pods", admissionv1.Create) {
			found = append(found, in.reached(ctx, w, before, err))
		}
	}
	if len(found) == 0 {
		return []Finding{unknown("see configuration", "no webhook is about pods, so a dry run shows nothing")}
	}
	// One that failed may be why nothing is known of the other, and what is well goes without saying.
	is := func(result string) func(Finding) bool {
		return func(f Finding) bool { return f.Result == result }
	}
	if slices.ContainsFunc(found, is(Problem)) {
		found = slices.DeleteFunc(found, is(Unknown))
	}
	if found = slices.DeleteFunc(found, is(OK)); len(found) == 0 {
		return []Finding{ok("the API server reaches podvet: a dry run of a pod in the namespace default was answered")}
	}
	return found
}

// neverMade is a pod that the strictest pod security standard admits.
func neverMade() *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "podvet-doctor-", Namespace: metav1.NamespaceDefault},
		Spec: corev1.PodSpec{
			AutomountServiceAccountToken: new(false),
			SecurityContext: &corev1.PodSecurityContext{
				RunAsNonRoot: new(true), RunAsUser: new(int64(65532)),
				SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
			},
			Containers: []corev1.Container{{
				Name: "doctor", Image: "podvet.invalid/doctor",
				SecurityContext: &corev1.SecurityContext{
					AllowPrivilegeEscalation: new(false),
					Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
				},
			}},
		},
	}
}

// reached tells whether one webhook was called about the dry run that ended with err.
func (in *installation) reached(ctx context.Context, w webhook, before map[string]float64, err error) Finding {
	said := strings.Join(in.Warnings(), "\n")
	if err != nil {
		said += "\n" + err.Error()
	}
	failed := fmt.Sprintf("failed calling webhook %q: ", w.Name)
	switch _, reason, isFailed := strings.Cut(said, failed); {
	case isFailed:
		reason = strings.TrimPrefix(reason, "failed to call webhook: ")
		return problem(remedyOfCall(reason),
			"the API server cannot call webhook %s because %s", w.Name, reasonOfCall(reason))
	case strings.Contains(said, fmt.Sprintf("admission webhook %q denied", w.Name)):
		return Finding{Result: OK}
	}
	counted, known := in.answered(ctx, strings.TrimPrefix(w.path(), "/"), before)
	if counted {
		return Finding{Result: OK}
	}
	asked, reason := in.asks(ctx, w)
	switch {
	case !asked:
		return unknown("create a pod in a namespace that it is called for",
			"whether webhook %s is answered: a dry run in the namespace default does not show it, %s", w.Name, reason)
	case err == nil && w.failsClosed():
		return Finding{Result: OK} // else it would have failed
	case err != nil:
		return unknown("let that admit it, or see its words with kubectl run --dry-run=server",
			"whether webhook %s is answered: %s refused the dry run", w.Name, refuser(err.Error()))
	case !known:
		return unknown("see service and replicas for what keeps doctor from reading them",
			"whether webhook %s is answered: it is on Ignore, and no replica says whether it was called", w.Name)
	}
	return problem("fix what else is found here. If there is nothing, the API server cannot reach the pods, "+
		"see Private clusters in docs/operations.md",
		"a dry run of a pod was admitted and no replica was called by webhook %s, whose failurePolicy Ignore hides why",
		w.Name)
}

// refusers are what else refuses pods, by what the API server says when one does.
var refusers = []struct {
	says *regexp.Regexp
	name string
}{
	{regexp.MustCompile(`admission webhook "([^"]+)"`), "webhook "},
	{regexp.MustCompile(`ValidatingAdmissionPolicy '([^']+)'`), "the ValidatingAdmissionPolicy "},
	{regexp.MustCompile(`exceeded\s+quota()`), "a ResourceQuota"},
	{regexp.MustCompile(`violates PodSecurity()`), "Pod Security Admission"},
	{regexp.MustCompile(`(?:minimum|maximum) [a-z-]+ usage per()`), "a LimitRange"},
	{regexp.MustCompile(`serviceaccount .* not found()`), "the missing ServiceAccount default"},
}

// refuser names who refused a pod.
func refuser(said string) string {
	for _, r := range refusers {
		if found := r.says.FindStringSubmatch(said); found != nil {
			return r.name + found[1]
		}
	}
	return "something else"
}

// answered tells whether the replicas have answered a review at an endpoint since before, and whether that is known.
// With failurePolicy Ignore a failure is silent, and so is a podvet that has nothing to say. But podvet counts.
func (in *installation) answered(
	ctx context.Context, endpoint string, before map[string]float64,
) (counted, known bool) {
	if before == nil {
		return false, false
	}
	for range 10 {
		after := in.countReviews(ctx)
		if after == nil {
			return false, false
		}
		if after[endpoint] > before[endpoint] {
			return true, true
		}
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
	return false, true
}

// reasonOfCall says why a call failed.
func reasonOfCall(reason string) string {
	if strings.HasPrefix(reason, `service "`) && strings.Contains(reason, "not found") {
		return "its Service does not exist"
	}
	return console.ReasonIn(reason)
}

// remedyOfCall tells what to do about a call that failed.
func remedyOfCall(reason string) string {
	says := func(texts ...string) bool {
		return slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(reason, text) })
	}
	switch {
	case says("x509:", "certificate"):
		return "see ca-bundle, names and expiry"
	case says("no endpoints available", "not found", "connection refused"):
		return "see service"
	case says("deadline exceeded", "timeout", "no route"):
		return "let the control plane reach the pods' port, see Private clusters in docs/operations.md, " +
			"or give the replicas more CPU"
	}
	return "see the log of the replicas"
}

// countReviews sums what the replicas answered, nil where one does not say.
func (in *installation) countReviews(ctx context.Context) map[string]float64 {
	ready := in.ready()
	if len(ready) == 0 {
		return nil
	}
	sum := map[string]float64{}
	for _, r := range ready {
		in.readMetrics(ctx, r)
		if r.metricErr != nil {
			return nil
		}
		for endpoint, n := range r.metrics.reviews {
			sum[endpoint] += n
		}
	}
	return sum
}

// asks tells whether a webhook is called about bare pods of the namespace default, and why not, or why that is not
// known.
func (in *installation) asks(ctx context.Context, w webhook) (bool, string) {
	selected, err := w.selects(ctx, in.Client, metav1.NamespaceDefault)
	if err != nil {
		if right := console.MissingRight(err); right != "" {
			return false, "because you may not " + right
		}
		return false, "and whether it is called there is not known, because " + console.Reason(err)
	}
	if !selected {
		return false, "which its namespaceSelector leaves out"
	}
	if w.ObjectSelector != nil {
		s, err := metav1.LabelSelectorAsSelector(w.ObjectSelector)
		if err == nil && !s.Matches(labels.Set{}) {
			return false, "because its objectSelector wants labels"
		}
	}
	for _, c := range w.MatchConditions {
		if c.Name != "no-mirror-pod" {
			return false, "because it has the matchCondition " + c.Name
		}
	}
	return true, ""
}
