package doctor

import (
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// failClosed sets a webhook to Fail.
func failClosed(c *cluster) { c.validator().FailurePolicy = new(admissionv1.Fail) }

// failEverywhere sets a webhook to Fail that spares no namespace.
func failEverywhere(c *cluster) {
	failClosed(c)
	c.validator().NamespaceSelector = nil
}

func TestFailurePolicy(t *testing.T) {
	const leaveOut = "leave the namespace out by namespaceSelector, or set failurePolicy to Ignore"
	const about = "webhook validate.podvet.dev is on Fail and is called for the namespace "
	kubeSystem := problem(leaveOut, about+"kube-system: the control plane's pods cannot come back while podvet is down")
	own := problem(leaveOut, about+"podvet: podvet's own pods cannot come back while podvet is down")
	refusing := []Finding{ok("while podvet is down the webhooks on Fail (validate.podvet.dev) refuse, " +
		"but not in kube-system and podvet")}
	wantFindings(t, "failure-policy", []brokenCluster{
		{"healthy", func(*cluster) {}, []Finding{
			ok("while podvet is down pods are created unvetted (failurePolicy Ignore)"),
		}},
		{"no webhooks", func(c *cluster) { c.mutating, c.validating = nil, nil }, []Finding{
			unknown("see configuration", "no webhook says what happens while podvet is down"),
		}},
		{"Fail", failClosed, refusing},
		{"Fail by default", func(c *cluster) { c.validator().FailurePolicy = nil }, refusing},
		{"Fail about nothing", func(c *cluster) {
			failEverywhere(c)
			c.validator().Rules = nil
		}, []Finding{ok("while podvet is down pods are created unvetted (failurePolicy Ignore)")}},
		{"Fail not about pods", func(c *cluster) {
			c.validating.Webhooks[1].FailurePolicy = new(admissionv1.Fail)
			c.validating.Webhooks[1].NamespaceSelector = c.validator().NamespaceSelector
		}, []Finding{warning("set it to Ignore", "webhook validate-policy.podvet.dev is on Fail and not about pods: "+
			"while podvet is down controllers cannot update what it is about")}},
		{"Fail everywhere", failEverywhere, []Finding{kubeSystem, own}},
		{"Fail everywhere, with cert-manager", func(c *cluster) {
			failEverywhere(c)
			inject(c)
		}, []Finding{kubeSystem, own, problem(leaveOut, about+"cert-manager: cert-manager's pods, "+
			"which renew podvet's certificate, cannot come back while podvet is down")}},
		{"cert-manager is elsewhere", func(c *cluster) {
			failClosed(c)
			inject(c)
		}, refusing},
		{"a condition names the namespace", func(c *cluster) {
			failEverywhere(c)
			c.validator().MatchConditions = []admissionv1.MatchCondition{
				{Expression: `!(request.namespace in ["kube-system", "podvet"])`},
			}
		}, []Finding{
			unknown("leave it out by namespaceSelector",
				"whether webhook validate.podvet.dev spares the namespace kube-system: a matchCondition names it"),
			unknown("leave it out by namespaceSelector",
				"whether webhook validate.podvet.dev spares the namespace podvet: a matchCondition names it"),
		}},
		{"namespaces forbidden", func(c *cluster) {
			failClosed(c)
			c.forbid("get", "namespaces", `in the namespace "podvet"`)
		}, []Finding{
			unknown("ask for that right, or let someone who has it run doctor", "whether webhook validate.podvet.dev "+
				"spares the namespace kube-system cannot be read because "+
				"you may not get namespaces in the namespace podvet"),
			unknown("ask for that right, or let someone who has it run doctor", "whether webhook validate.podvet.dev "+
				"spares the namespace podvet cannot be read because "+
				"you may not get namespaces in the namespace podvet"),
		}},
		{"a namespace is gone", func(c *cluster) {
			failClosed(c)
			delete(c.namespaces, metav1.NamespaceSystem)
		}, []Finding{unknown("run doctor again",
			"whether webhook validate.podvet.dev spares the namespace kube-system is gone")}},
		{"one replica", func(c *cluster) {
			failClosed(c)
			c.pods = c.pods[:1]
		}, []Finding{warning("run two replicas on two nodes",
			"with webhooks on Fail (validate.podvet.dev) 1 replicas are ready: without them no pod is created")}},
		{"one of two is ready", func(c *cluster) {
			failClosed(c)
			c.setUnready(c.pods[0])
		}, []Finding{warning("see service",
			"with webhooks on Fail (validate.podvet.dev) 1 replicas are ready: without them no pod is created")}},
		{"the replicas are not known", func(c *cluster) {
			failClosed(c)
			c.service = nil
		}, refusing},
	})
}
