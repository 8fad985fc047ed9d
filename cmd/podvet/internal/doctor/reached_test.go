package doctor

import (
	"context"
	"errors"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// onlyValidate leaves one webhook that is about pods, whose failurePolicy is Ignore and which nobody calls.
func onlyValidate(c *cluster) {
	c.mutating = nil
	c.dryRun = func() error { return nil }
}

// refuses lets the API server refuse the dry run.
func refuses(reason string) func(*cluster) {
	return func(c *cluster) {
		onlyValidate(c)
		c.dryRun = func() error { return errors.New(reason) }
	}
}

func TestReached(t *testing.T) {
	wasReached := []Finding{
		ok("the API server reaches podvet: a dry run of a pod in the namespace default was answered"),
	}
	const elsewhere = "create a pod in a namespace that it is called for"
	const silent = "whether webhook validate.podvet.dev is answered: " +
		"a dry run in the namespace default does not show it, "
	unreached := func(name string) Finding {
		return problem("fix what else is found here. If there is nothing, the API server cannot reach the pods, "+
			"see Private clusters in docs/operations.md", "a dry run of a pod was admitted and no replica was called "+
			"by webhook %s, whose failurePolicy Ignore hides why", name)
	}
	uncounted := []Finding{unknown("see service and replicas for what keeps doctor from reading them",
		"whether webhook validate.podvet.dev is answered: it is on Ignore, and no replica says whether it was called")}
	wantFindings(t, "reached", []brokenCluster{
		{"healthy", func(*cluster) {}, wasReached},
		{"podvet denies it", refuses(`admission webhook "validate.podvet.dev" denied the request: no probes`),
			wasReached},
		{"the answer is counted late", func(c *cluster) {
			onlyValidate(c)
			asked := 0
			count := c.metrics
			c.metrics = func(pod string) (string, error) {
				if asked++; asked > 10 {
					c.reviews["validate"] = 6
				}
				return count(pod)
			}
		}, wasReached},
		{"it would fail", func(c *cluster) {
			onlyValidate(c)
			c.validator().FailurePolicy = nil
		}, wasReached},
		{"nobody was asked", func(c *cluster) { c.dryRun = func() error { return nil } }, []Finding{
			unreached("mutate.podvet.dev"), unreached("validate.podvet.dev"),
		}},
		{"one failed and says nothing of the other", func(c *cluster) {
			c.dryRun = func() error { return nil }
			c.validator().MatchConditions = []admissionv1.MatchCondition{{Name: "mine"}}
		}, []Finding{unreached("mutate.podvet.dev")}},
		{"nobody says whether it was asked", func(c *cluster) {
			onlyValidate(c)
			c.metrics = func(string) (string, error) { return "", errBroken }
		}, uncounted},
		{"nobody says so any longer", func(c *cluster) {
			onlyValidate(c)
			c.dryRun = func() error {
				c.metrics = func(string) (string, error) { return "", errBroken }
				return nil
			}
		}, uncounted},
		{"forbidden", func(c *cluster) { c.forbid("create", "pods", `in the namespace "default"`) }, []Finding{unknown(
			"ask for that right, or let someone who has it run doctor",
			"the answer to a dry run cannot be read because you may not create pods in the namespace default")}},
		{"no time left", func(c *cluster) {
			c.dryRun = func() error { return context.DeadlineExceeded }
		}, []Finding{unknown("run doctor again, with more --timeout where time ran out",
			"the answer to a dry run cannot be read because there was no answer in time")}},
		{"nothing about pods", func(c *cluster) {
			onlyValidate(c)
			c.validator().Rules = nil
		}, []Finding{unknown("see configuration", "no webhook is about pods, so a dry run shows nothing")}},
		{"something else refuses it", refuses("exceeded\nquota"), []Finding{unknown(
			"let that admit it, or see its words with kubectl run --dry-run=server",
			"whether webhook validate.podvet.dev is answered: a ResourceQuota refused the dry run")}},
		{"the namespace is spared", func(c *cluster) {
			onlyValidate(c)
			c.namespaces["default"]["spared"] = "yes"
		}, []Finding{unknown(elsewhere, silent+"which its namespaceSelector leaves out")}},
		{"the namespace is forbidden", func(c *cluster) {
			onlyValidate(c)
			c.forbid("get", "namespaces", `in the namespace "default"`)
		}, []Finding{unknown(elsewhere, silent+"because you may not get namespaces in the namespace default")}},
		{"the namespace cannot be read", func(c *cluster) {
			onlyValidate(c)
			c.refused["get namespaces"] = errBroken
		}, []Finding{unknown(elsewhere, silent+"and whether it is called there is not known, because "+
			"of an error that podvet does not know")}},
		{"the namespaceSelector is invalid", func(c *cluster) {
			onlyValidate(c)
			c.validator().NamespaceSelector = &metav1.LabelSelector{
				MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "a", Operator: "Near"}},
			}
		}, []Finding{unknown(elsewhere, silent+"and whether it is called there is not known, because "+
			"its namespaceSelector is not valid")}},
		{"labels are asked for", func(c *cluster) {
			onlyValidate(c)
			c.validator().ObjectSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"vet": "me"}}
		}, []Finding{unknown(elsewhere, silent+"because its objectSelector wants labels")}},
		{"a condition", func(c *cluster) {
			onlyValidate(c)
			c.validator().MatchConditions = []admissionv1.MatchCondition{{Name: "no-mirror-pod"}, {Name: "mine"}}
		}, []Finding{unknown(elsewhere, silent+"because it has the matchCondition mine")}},
	})
}

// TestFailedCall: what the API server says of a call that failed leads to what to do about it.
func TestFailedCall(t *testing.T) {
	const failed = `Internal error occurred: failed calling webhook "validate.podvet.dev": `
	lookAt := func(remedy, reason string) []Finding {
		return []Finding{problem(remedy, "the API server cannot call webhook validate.podvet.dev because %s", reason)}
	}
	const (
		reach = "let the control plane reach the pods' port, see Private clusters in docs/operations.md, " +
			"or give the replicas more CPU"
		ofAnother = "its certificate comes from another CA"
		late      = "there was no answer in time"
		log       = "see the log of the replicas"
	)
	var cases []brokenCluster
	for said, want := range map[string][2]string{
		"x509: certificate signed by unknown authority": {"see ca-bundle, names and expiry", ofAnother},

		"tls: bad certificate": {
			"see ca-bundle, names and expiry", "it does not accept the certificate of who calls it"},
		`no endpoints available for service "podvet"`: {"see service", "the Service has no ready endpoint"},
		`service "podvet" not found`:                  {"see service", "its Service does not exist"},
		"connect: connection refused":                 {"see service", "nothing listens there"},
		"context deadline exceeded":                   {reach, late},
		"net/http: TLS handshake timeout":             {reach, late},
		"connect: no route to host":                   {reach, "no network route leads there"},

		"the server is currently unable to handle requests": {
			log, "what answers there is starting, or has too much to do"},

		"something new": {log, "of an error that podvet does not know"},
	} {
		cases = append(cases, brokenCluster{
			said, refuses(failed + "failed to call webhook: " + said), lookAt(want[0], want[1]),
		})
	}
	cases = append(cases, brokenCluster{"a warning says so", func(c *cluster) {
		onlyValidate(c)
		c.warnings = []string{"something else", failed + "EOF"}
	}, lookAt(log, "the connection was cut")})
	wantFindings(t, "reached", cases)
}

// TestRefuser: who refused the dry run is named, in no one's words but ours.
func TestRefuser(t *testing.T) {
	for said, want := range map[string]string{
		`admission webhook "validate.kyverno.svc" denied the request: no`: "webhook validate.kyverno.svc",
		`pods "a" is forbidden: ValidatingAdmissionPolicy 'no-root' with binding 'b' denied request: no`: "the " +
			"ValidatingAdmissionPolicy no-root",
		`pods "a" is forbidden: exceeded quota: few, requested: pods=1`:      "a ResourceQuota",
		`pods "a" is forbidden: violates PodSecurity "restricted:latest": x`: "Pod Security Admission",
		`pods "a" is forbidden: minimum cpu usage per Container is 100m`:     "a LimitRange",
		`error looking up service account default/default: serviceaccount "default" not found`: "the missing " +
			"ServiceAccount default",
		"no": "something else",
	} {
		if got := refuser(said); got != want {
			t.Errorf("%q: %q, want %q", said, got, want)
		}
	}
}
