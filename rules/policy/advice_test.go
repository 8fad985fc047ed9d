package policy_test

import (
	"testing"
	"time"

	"github.com/podvet/podvet/rules/catalogue"
	"github.com/podvet/podvet/rules/policy"
)

// TestAdviceChangesNothing: what is called superfluous can be left out.
func TestAdviceChangesNothing(t *testing.T) {
	for _, c := range []struct {
		text string
		want int
	}{
		{"rules: {no-readiness-probe: {level: warn}}", 1},
		{"rules: {no-readiness-probe: {level: warn}}\nscopes: [{match: {namespaces: [pay-*]}, profile: strict}]", 0},
		{"scopes: [{rules: {bare-pod: {level: audit}}}]", 1},
		{"scopes: [{profile: strict}, {rules: {bare-pod: {level: audit}}}]", 0},
		{`scopes:
- {rules: {bare-pod: {level: audit}}}
- {match: {namespaces: [a]}, rules: {bare-pod: {level: "off"}}}`, 0},
	} {
		if got := advise(t, c.text, nil); len(got) != c.want {
			t.Errorf("%s: %v", c.text, got)
		}
	}
}

// TestAdviceOfWhatDoesNothing: what is nearly right is told from what is meant for another cluster.
func TestAdviceOfWhatDoesNothing(t *testing.T) {
	namespaces := map[string]map[string]string{"payments": {"tier": "gold"}, "shop": nil, "default": nil}
	const template = "template: {portName: http, probe: {tcpSocket: {port: http}}}"
	for _, c := range []struct{ text, want string }{
		{"scopes: [{match: {namespaces: [payments, shpo]}}]",
			"p.yaml:3: scopes[0].match.namespaces[1]: this cluster has no namespace shpo (did you mean shop?)"},
		// Of another cluster, it seems.
		{`scopes: [{match: {namespaces: [payments, warehouse, "shpo-*"]}}]`, ""},
		{"scopes: [{match: {namespaces: [warehouse]}}]", "p.yaml:3: scopes[0].match.namespaces: warehouse " +
			"matches no namespace of this cluster: is that a typing mistake?"},
		{`exemptions: [{rules: [bare-pod, no-readiness-probe, "*"], match: {containers: [app]}, reason: r}]`,
			"p.yaml:3: exemptions[0].rules[0]: bare-pod is about the whole pod, " +
				"never about a container or an image: write an exemption without these for it"},
		{"exemptions: [{rules: [bare-pod], reason: r}]", ""},
		{"rules: {no-readiness-probe: {params: {" + template + "}}}",
			"p.yaml:3: rules.no-readiness-probe.params.template: does nothing without fix: true"},
		{"scopes: [{rules: {no-readiness-probe: {fix: false, params: {" + template + "}}}}]",
			"p.yaml:3: scopes[0].rules.no-readiness-probe.params.template: does nothing without fix: true"},
		{"rules: {no-readiness-probe: {fix: true, params: {" + template + "}}}", ""},
		{"rules: {no-readiness-probe: {params: {" + template + "}}}\n" +
			"scopes: [{match: {namespaces: [shop]}, rules: {no-readiness-probe: {fix: true}}}]", ""},
	} {
		got := ""
		advice := advise(t, c.text, namespaces)
		if len(advice) > 0 {
			got = advice.Error()
		}
		if got != c.want {
			t.Errorf("%s:\n%s", c.text, got)
		}
	}
}

// TestAdviceOfUnknownKinds: those of the table and of the policy's own templates are known, in exemptions too.
func TestAdviceOfUnknownKinds(t *testing.T) {
	const unknown = "is not a kind that podvet knows"
	const matches = ". It matches only pods whose controller is of this kind"
	const shop = "templates: [{apiVersion: example.com/v1, kind: Shop, path: spec.template, like: Deployment}]\n"
	for _, c := range []struct{ text, want string }{
		{"scopes: [{match: {kinds: [Rollout, JobSet, RayCluster, Pod, CronJob]}}]", ""},
		{shop + "scopes: [{match: {kinds: [Shop]}}]", ""},
		{"scopes: [{match: {kinds: [Pod, Rolout]}}]", "p.yaml:3: scopes[0].match.kinds[1]: Rolout " + unknown +
			" (did you mean Rollout?)" + matches},
		{"exemptions: [{rules: [bare-pod], match: {kinds: [PytorchJob]}, reason: r}]",
			"p.yaml:3: exemptions[0].match.kinds[0]: PytorchJob " + unknown + " (did you mean PyTorchJob?)" + matches},
		{shop + "scopes: [{match: {kinds: [Shops]}}]", "p.yaml:4: scopes[0].match.kinds[0]: Shops " + unknown +
			" (did you mean Shop?)" + matches},
		{"scopes: [{match: {kinds: [StrimziPodSet]}}]", "p.yaml:3: scopes[0].match.kinds[0]: StrimziPodSet " +
			unknown + matches},
	} {
		got := ""
		if advice := advise(t, c.text, nil); len(advice) > 0 {
			got = advice.Error()
		}
		if got != c.want {
			t.Errorf("%s:\n%s", c.text, got)
		}
	}
}

// TestAdviceOfWorkloadsThatNothingRefuses: neither their pods nor their templates.
func TestAdviceOfWorkloadsThatNothingRefuses(t *testing.T) {
	const refusesNothing = "with ownedPods: warn and without workloads: deny nothing of a workload is refused, " +
		"neither its template nor its pods: write workloads: deny, or ownedPods: enforce"
	for _, c := range []struct{ text, want string }{
		{"ownedPods: warn", "p.yaml:3: ownedPods: " + refusesNothing},
		{"ownedPods: warn\nmode: warn", "p.yaml:3: ownedPods: mode warn refuses nothing, and in mode enforce " +
			"ownedPods: warn without workloads: deny refuses nothing of a workload either: " +
			"write workloads: deny, or ownedPods: enforce"},
		{"scopes: [{match: {namespaces: [a]}, mode: audit, ownedPods: warn}]", "p.yaml:3: scopes[0].ownedPods: mode " +
			"audit refuses nothing, and in mode enforce ownedPods: warn without workloads: deny refuses nothing of a " +
			"workload either: write workloads: deny, or ownedPods: enforce"},
		{"ownedPods: warn\nscopes: [{match: {namespaces: [a]}, mode: warn}]", "p.yaml:3: ownedPods: " + refusesNothing},
		{"workloads: \"off\"\nownedPods: warn", "p.yaml:4: ownedPods: " + refusesNothing},
		{"scopes: [{match: {namespaces: [a]}, ownedPods: warn}]", "p.yaml:3: scopes[0].ownedPods: " + refusesNothing},
		{"ownedPods: warn\nworkloads: deny\nscopes: [{match: {namespaces: [a]}, workloads: warn}]",
			"p.yaml:5: scopes[0].workloads: " + refusesNothing},
		{"ownedPods: warn\nscopes: [{match: {namespaces: [a]}, workloads: deny}]",
			"p.yaml:3: ownedPods: " + refusesNothing},

		{"ownedPods: warn\nworkloads: deny", ""},
		{"ownedPods: enforce", ""},
		{"workloads: deny\nscopes: [{match: {namespaces: [a]}, ownedPods: warn}]", ""},
		// Where the scope does not match nothing is refused anyway.
		{"mode: warn\nownedPods: warn\nscopes: [{match: {namespaces: [a]}, mode: enforce, workloads: deny}]", ""},
		// What is not about workloads.
		{"scopes: [{match: {kinds: [Pod]}, ownedPods: warn}]", "p.yaml:3: scopes[0].ownedPods: does nothing, because " +
			"kinds names none of Kubernetes' own workloads: remove it"},
		{"scopes: [{match: {kinds: [Pod, CloneSet]}, ownedPods: enforce}]", "p.yaml:3: scopes[0].ownedPods: does " +
			"nothing, because kinds names none of Kubernetes' own workloads: remove it"},
		{"scopes: [{match: {kinds: [Pod]}, workloads: deny}]",
			"p.yaml:3: scopes[0].workloads: does nothing, because kinds names only pods: remove it"},
		{"scopes: [{match: {kinds: [CloneSet]}, workloads: \"off\"}]", ""},
		{"ownedPods: warn\nscopes: [{match: {kinds: [Pod]}, workloads: deny}]", "p.yaml:3: ownedPods: " +
			refusesNothing + "\np.yaml:4: scopes[0].workloads: does nothing, because kinds names only pods: remove it"},
		{"scopes: [{match: {kinds: [Pod, Rollout]}, ownedPods: warn}]", "p.yaml:3: scopes[0].ownedPods: " +
			refusesNothing},
		// What another scope says changes nothing there, or comes too early to.
		{"workloads: deny\nscopes: [{match: {namespaces: [a]}, ownedPods: warn, workloads: warn}, " +
			"{match: {kinds: [Deployment]}, ownedPods: warn}]", "p.yaml:4: scopes[0].ownedPods: " + refusesNothing},
		{"scopes: [{match: {kinds: [Deployment]}, workloads: deny}, " +
			"{match: {namespaces: [a]}, ownedPods: warn, workloads: warn}]",
			"p.yaml:3: scopes[1].ownedPods: " + refusesNothing},
		{"scopes: [{match: {namespaces: [a]}, ownedPods: warn, workloads: warn}, " +
			"{match: {kinds: [Deployment]}, workloads: deny}]", ""},
		// Both may match.
		{"scopes: [{match: {namespaces: [a]}, workloads: deny}, {match: {kinds: [Deployment]}, ownedPods: warn}]", ""},
	} {
		got := ""
		if advice := advise(t, c.text, nil); len(advice) > 0 {
			got = advice.Error()
		}
		if got != c.want {
			t.Errorf("%s:\n%s", c.text, got)
		}
	}
}

// advise is the advice about a policy, which must be a good one.
func advise(t *testing.T, text string, namespaces policy.Namespaces) policy.Errors {
	t.Helper()
	doc, _, err := policy.ReadDocument(catalogue.All, policy.Source{File: "p.yaml", Text: []byte(header + text)})
	if err != nil {
		t.Fatal(err)
	}
	return doc.Advice(time.Now(), namespaces)
}
