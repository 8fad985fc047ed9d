package doctor

import (
	"fmt"
	"strings"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"

	"github.com/podvet/podvet/rules/catalogue"
	"github.com/podvet/podvet/rules/policy"
)

func TestPolicy(t *testing.T) {
	inForce := []Finding{ok("the policy of the ConfigMap podvet/podvet-policy is in force (%s)",
		policy.Default(catalogue.All).Hash)}
	const bad = "apiVersion: podvet.dev/v1alpha1\nkind: Policy\nprofile: nope\nmode: nope\n"
	_, _, err := policy.LoadShared(catalogue.All, policy.Key, []byte(bad), time.Now())
	if !strings.Contains(fmt.Sprint(err), "\n") {
		t.Fatalf("a policy with two mistakes: %v", err)
	}
	const remedy = "fix it; podvet policy check names every mistake"
	wantFindings(t, "policy", []brokenCluster{
		{"healthy", func(*cluster) {}, inForce},
		{"nothing runs", notRunning, []Finding{
			unknown("see service", "no replica runs that would have a policy in force"),
		}},
		{"no ConfigMap is followed", func(c *cluster) {
			for _, pod := range c.pods {
				pod.Spec.Containers[0].Args = []string{"serve", "--local"}
			}
		}, []Finding{unknown("start podvet as the chart does",
			"no replica is started with --policy-configmap, so doctor does not know the policy")}},
		{"it is about to be followed", func(c *cluster) {
			changed := time.Now().Add(2 * time.Second)
			c.metrics = func(string) (string, error) {
				if time.Now().Before(changed) {
					return c.page("old", "configmap"), nil
				}
				return c.page(policy.Default(catalogue.All).Hash, "configmap"), nil
			}
		}, inForce},
		{"another one is in force", func(c *cluster) { c.follows("b", "old", "configmap") }, []Finding{problem(
			"its log says why it does not follow", "pod b judges by another policy (old, configmap) "+
				"than the ConfigMap podvet/podvet-policy holds (%s)", policy.Default(catalogue.All).Hash)}},
		{"the same text is in force from elsewhere", func(c *cluster) {
			c.follows("b", policy.Default(catalogue.All).Hash, "last-good")
		}, []Finding{problem("its log says why it does not follow", "pod b judges by another policy (%s, last-good) "+
			"than the ConfigMap podvet/podvet-policy holds (%[1]s)", policy.Default(catalogue.All).Hash)}},
		{"it has a mistake", func(c *cluster) {
			c.policy.Data[policy.Key] = bad
			c.follows("a", "old", "last-good")
			c.follows("b", "old", "default")
		}, []Finding{
			problem(remedy, "pod a judges by the last good policy, because the ConfigMap podvet/podvet-policy "+
				"holds a policy with mistakes, the first in line 3 (profile)"),
			problem(remedy, "pod b judges by the built-in policy, because the ConfigMap podvet/podvet-policy "+
				"holds a policy with mistakes, the first in line 3 (profile)"),
		}},
		{"it is deleted", func(c *cluster) {
			c.policy = nil
			c.follows("a", "old", "last-good")
			c.follows("b", "builtin", "default")
		}, []Finding{
			problem(remedy, "pod a judges by the last good policy, because the ConfigMap podvet/podvet-policy "+
				"does not exist"),
			warning("write a policy into the ConfigMap podvet/podvet-policy",
				"pod b judges by the built-in policy, because the ConfigMap does not exist"),
		}},
		{"it is emptied", func(c *cluster) {
			c.policy.Data[policy.Key] = "\n"
			c.pods = c.pods[:1]
			c.follows("a", "builtin", "default")
		}, []Finding{warning("write a policy into the ConfigMap podvet/podvet-policy",
			"pod a judges by the built-in policy, because the ConfigMap has no text under the key policy.yaml")}},
		{"forbidden", func(c *cluster) {
			c.forbid("get", "configmaps", `in the namespace "podvet"`)
		}, []Finding{unknown(
			"ask for that right, or let someone who has it run doctor",
			"the ConfigMap podvet/podvet-policy cannot be read because "+
				"you may not get configmaps in the namespace podvet")}},
		{"forbidden, and not followed", func(c *cluster) {
			c.forbid("get", "configmaps", `in the namespace "podvet"`)
			c.follows("b", "old", "last-good")
		}, []Finding{
			unknown("ask for that right, or let someone who has it run doctor",
				"the ConfigMap podvet/podvet-policy cannot be read because "+
					"you may not get configmaps in the namespace podvet"),
			problem("see the Event on the ConfigMap podvet/podvet-policy",
				"pod b does not judge by the ConfigMap, its policy in force is the last-good one"),
		}},
		{"old workloads keep running", func(c *cluster) {
			c.writes(ownedPods + "workloads: deny\n")
			c.aboutWorkloads()
		}, []Finding{
			isInForce(ownedPods + "workloads: deny\n"),
			ok("for everyone: new workloads and changed templates are refused (workloads: deny), " +
				"while pods of workloads are created with a warning (ownedPods: warn)"),
		}},
		{"old workloads keep running, and new ones are not seen", func(c *cluster) {
			c.writes(ownedPods + "workloads: deny\n")
		}, []Finding{
			isInForce(ownedPods + "workloads: deny\n"),
			warning("set webhooks.validateWorkloads.enabled, or write ownedPods: enforce",
				"no webhook calls podvet for workloads, so neither these nor their pods are refused (ownedPods: warn)"),
		}},
		{"nothing of workloads is refused", func(c *cluster) {
			c.writes(ownedPods)
			c.aboutWorkloads()
		}, []Finding{
			isInForce(ownedPods),
			warning("write workloads: deny, or ownedPods: enforce",
				"for everyone: neither workloads nor their pods are refused (ownedPods: warn without workloads: deny)"),
		}},
		{"old workloads keep running in some namespaces", func(c *cluster) {
			c.writes(ownedPods + mixed)
			c.aboutWorkloads()
		}, []Finding{
			isInForce(ownedPods + mixed),
			ok("for everyone: mode warn refuses nothing, and in mode enforce new workloads and changed templates are " +
				"refused (workloads: deny), while pods of workloads are created with a warning (ownedPods: warn)"),
			ok("in scope pay: new workloads and changed templates are refused (workloads: deny), " +
				"while pods of workloads are created with a warning (ownedPods: warn)"),
		}},
		{"nothing is refused in mode warn either", func(c *cluster) {
			c.writes(ownedPods + "mode: warn\n")
			c.aboutWorkloads()
		}, []Finding{
			isInForce(ownedPods + "mode: warn\n"),
			warning("write workloads: deny, or ownedPods: enforce", "for everyone: mode warn refuses nothing, and in "+
				"mode enforce neither workloads nor their pods are refused (ownedPods: warn without workloads: deny)"),
		}},
		{"nobody says", func(c *cluster) {
			c.metrics = func(string) (string, error) { return "", errBroken }
		}, []Finding{unknown("see replicas",
			"2 replicas do not say whether they judge by the policy in podvet/podvet-policy")}},
		{"nobody says, and it has a mistake", func(c *cluster) {
			c.policy.Data[policy.Key] = bad
			c.metrics = func(string) (string, error) { return "", errBroken }
		}, []Finding{problem(remedy,
			"the ConfigMap podvet/podvet-policy holds a policy with mistakes, the first in line 3 (profile)")}},
		{"each follows its own", func(c *cluster) {
			c.pods[1].Spec.Containers[0].Args = []string{"serve", "--policy-configmap", "podvet/other"}
			c.follows("b", "builtin", "default")
		}, []Finding{inForce[0], warning("write a policy into the ConfigMap podvet/other",
			"pod b judges by the built-in policy, because the ConfigMap does not exist")}},
	})
}

const ownedPods = "apiVersion: podvet.dev/v1alpha1\nkind: Policy\nownedPods: warn\n"

// mixed has a mode of its own in one scope, and a scope that is about no workload.
const mixed = "mode: warn\nworkloads: deny\nscopes: [{name: pay, match: {namespaces: [pay-*]}, mode: enforce}, " +
	"{name: bare, match: {kinds: [Pod]}, mode: enforce, ownedPods: warn}]\n"

func hashOf(text string) string {
	p, _, err := policy.LoadShared(catalogue.All, policy.Key, []byte(text), time.Now())
	if err != nil {
		panic(err) // of a test
	}
	return p.Hash
}

func isInForce(text string) Finding {
	return ok("the policy of the ConfigMap podvet/podvet-policy is in force (%s)", hashOf(text))
}

// writes puts a policy into the ConfigMap, and in force.
func (c *cluster) writes(text string) {
	c.policy.Data[policy.Key] = text
	c.metrics = func(string) (string, error) { return c.page(hashOf(text), "configmap"), nil }
}

// aboutWorkloads has podvet called for workloads too.
func (c *cluster) aboutWorkloads() {
	w := c.validating.Webhooks[0].DeepCopy()
	w.Name, w.Rules[0].APIGroups, w.Rules[0].Resources = "validate-workloads.podvet.dev", []string{"apps"},
		[]string{"deployments"}
	w.Rules[0].Operations = append(w.Rules[0].Operations, admissionv1.Update)
	c.validating.Webhooks = append(c.validating.Webhooks, *w)
}
