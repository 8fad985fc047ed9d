package policy_test

import (
	"strings"
	"testing"
)

// matchMistakes are in scopes and exemptions.
var matchMistakes = []mistakeCase{
	{
		name: "scopes no list",
		text: header + "scopes: {name: a}\n",
		want: "p.yaml:3: scopes: is a mapping: write a list",
	},
	{
		name: "unknown key in a scope",
		text: header + `scopes:
- name: a
  profil: strict
`,
		want: "p.yaml:5: scopes[0].profil: unknown key (did you mean profile?)",
	},
	{
		name: "a scope in a scope",
		text: header + `scopes:
- scopes: []
`,
		want: "p.yaml:4: scopes[0].scopes: unknown key: write allowPodExemptions, fixes, help, injectedContainers, " +
			"kubernetes, match, mode, name, namespaceModes, ownedPods, profile, rules or workloads",
	},
	{
		name: "two scopes of one name",
		text: header + `scopes:
- name: a
- name: a
`,
		want:         "p.yaml:5: scopes[1].name: a is the name of scopes[0] too: give each scope a name of its own",
		beyondSchema: true,
	},
	{
		name: "a pattern with a blank",
		text: header + `scopes:
- match: {namespaces: ["pay *"]}
`,
		want: `p.yaml:4: scopes[0].match.namespaces[0]: is "pay *": a pattern has only letters, digits and - . _ / ` +
			`: @, and * for any run of characters`,
	},
	{
		name: "a regular expression",
		text: header + `scopes:
- match: {namespaces: ["pay-.+"]}
`,
		want: `p.yaml:4: scopes[0].match.namespaces[0]: is "pay-.+": a pattern has only letters, digits and - . _ ` +
			`/ : @, and * for any run of characters`,
	},
	{
		name: "an empty pattern",
		text: header + `scopes:
- match: {namespaces: [""]}
`,
		want: "p.yaml:4: scopes[0].match.namespaces[0]: is empty and matches nothing: write a name, or * for all",
	},
	{
		name: "namespaces no list",
		text: header + `scopes:
- match: {namespaces: pay}
`,
		want: `p.yaml:4: scopes[0].match.namespaces: is "pay": write a list`,
	},
	{
		name: "a misspelt selector",
		text: header + `scopes:
- match: {namespaceSelecter: {}}
`,
		want: "p.yaml:4: scopes[0].match.namespaceSelecter: unknown key (did you mean namespaceSelector?)",
	},
	{
		name: "a selector without matchLabels",
		text: header + `scopes:
- match: {podSelector: {team: a}}
`,
		want: "p.yaml:4: scopes[0].match.podSelector.team: unknown key: write matchExpressions or matchLabels",
	},
	{
		name: "an operator",
		text: header + `scopes:
- match: {podSelector: {matchExpressions: [{key: a, operator: Is}]}}
`,
		want: `p.yaml:4: scopes[0].match.podSelector.matchExpressions[0].operator: is "Is": write In, NotIn, ` +
			`Exists or DoesNotExist (did you mean In?)`,
	},
	{
		name: "a plural kind",
		text: header + `scopes:
- match: {kinds: [Deployments]}
`,
		want: `p.yaml:4: scopes[0].match.kinds[0]: is "Deployments", which is not a kind ` +
			`(did you mean Deployment?)`,
		beyondSchema: true,
	},
	{
		name: "a kind with a typing mistake",
		text: header + `scopes:
- match: {kinds: [Deploymnet]}
`,
		want: `p.yaml:4: scopes[0].match.kinds[0]: is "Deploymnet", which is not a kind ` +
			`(did you mean Deployment?)`,
		beyondSchema: true,
	},
	{
		name: "a selector in comments",
		text: header + `scopes:
- mode: off
  match:
    namespaces:
    # - shop
`,
		want: "p.yaml:6: scopes[0].match.namespaces: is empty, which limits nothing: remove the key, or write " +
			"what is meant",
	},
	{
		name: "labels in comments",
		text: header + `exemptions:
- rules: ["*"]
  reason: r
  match:
    podSelector:
      matchLabels:
        # app: worker
`,
		want: "p.yaml:8: exemptions[0].match.podSelector.matchLabels: is empty, which limits nothing: remove the " +
			"key, or write what is meant",
	},
	{
		name: "an alias of nothing",
		text: header + `injectedContainers: &none []
exemptions:
- {rules: ["*"], reason: r, match: {namespaces: *none}}
`,
		want: "p.yaml:3: exemptions[0].match.namespaces: is empty, which limits nothing: remove the key, or " +
			"write what is meant",
	},
	{
		name:         "a million scopes",
		text:         header + "scopes:\n" + strings.Repeat("-\n", 25_000),
		want:         "p.yaml:4: scopes: has 25000 entries, more than 20000: match more with fewer",
		beyondSchema: true,
	},
	{
		name: "no images",
		text: header + `exemptions:
- {rules: ["*"], reason: r, match: {images: []}}
`,
		want: "p.yaml:4: exemptions[0].match.images: is empty, which limits nothing: remove the key, or write " +
			"what is meant",
	},
	{
		name: "a label that is no text",
		text: header + `scopes:
- match: {podSelector: {matchLabels: {istio: true}}}
`,
		want: `p.yaml:4: scopes[0].match.podSelector.matchLabels.istio: is true: write text, in quotes: "true"`,
	},
	{
		name: "a pattern of injected containers",
		text: header + "injectedContainers: [\"istio*\"]\n",
		want: `p.yaml:3: injectedContainers[0]: is "istio*": write the whole name of a container, there is no * here`,
	},
	{
		name: "a kind in lower case",
		text: header + `scopes:
- match: {kinds: [workflow]}
`,
		want: `p.yaml:4: scopes[0].match.kinds[0]: is "workflow", which is not a kind: write Pod, Deployment, ` +
			`ReplicaSet, StatefulSet, DaemonSet, ReplicationController, Job, CronJob, or the kind of an operator`,
	},
	{
		name: "images in a scope",
		text: header + `scopes:
- match: {images: [a]}
`,
		want: "p.yaml:4: scopes[0].match.images: unknown key: write kinds, namespaceSelector, namespaces or " +
			"podSelector",
	},
	{
		name: "no such rule in a scope",
		text: header + `scopes:
- rules: {bare-pot: {level: off}}
`,
		want: "p.yaml:4: scopes[0].rules.bare-pot: there is no such rule (did you mean bare-pod?): podvet rules " +
			"lists them",
	},
	{
		name: "no template anywhere",
		text: header + `scopes:
- rules: {no-readiness-probe: {fix: true}}
`,
		want: "p.yaml:4: scopes[0].rules.no-readiness-probe.fix: podvet does not guess a handler: declare one in " +
			"params.template, a portName and a probe",
		beyondSchema: true,
	},
	{
		name: "exemption without reason",
		text: header + `exemptions:
- rules: [bare-pod]
`,
		want: "p.yaml:4: exemptions[0].reason: is missing: say why, for those who read it later",
	},
	{
		name: "an empty reason",
		text: header + `exemptions:
- rules: [bare-pod]
  reason: " "
`,
		want: "p.yaml:5: exemptions[0].reason: is empty: say why, for those who read it later",
	},
	{
		name: "a reason of two lines",
		text: header + `exemptions:
- rules: [bare-pod]
  reason: "a\nb"
`,
		want: "p.yaml:5: exemptions[0].reason: has a line break or a control character: write one line",
	},
	{
		name: "an owner of two lines",
		text: header + `exemptions:
- rules: [bare-pod]
  reason: r
  owner: "a\nb"
`,
		want: "p.yaml:6: exemptions[0].owner: has a line break or a control character: write one line",
	},
	{
		name: "a scope's name with an escape",
		text: header + "scopes:\n- name: \"a\\eb\"\n",
		want: "p.yaml:4: scopes[0].name: has a line break or a control character: write one line",
	},
	{
		name: "exemption without rules",
		text: header + `exemptions:
- reason: r
`,
		want: `p.yaml:4: exemptions[0].rules: is missing: name the rules, or write ["*"] for all`,
	},
	{
		name: "no such rule in an exemption",
		text: header + `exemptions:
- {rules: [bare-pod, no-readyness-probe], reason: r}
`,
		want: "p.yaml:4: exemptions[0].rules[1]: there is no such rule (did you mean no-readiness-probe?): podvet " +
			"rules lists them",
	},
	{
		name: "a pattern of rules",
		text: header + `exemptions:
- {rules: ["probe-*"], reason: r}
`,
		want: `p.yaml:4: exemptions[0].rules[0]: is "probe-*": write a rule's id, or "*" alone for all rules`,
	},
	{
		name: "no day",
		text: header + `exemptions:
- {rules: [bare-pod], reason: r, expires: next week}
`,
		want: `p.yaml:4: exemptions[0].expires: is "next week", which is not a day: write one such as 2027-03-01`,
	},
	{
		name: "a day that is not",
		text: header + `exemptions:
- {rules: [bare-pod], reason: r, expires: 2027-02-30}
`,
		want: `p.yaml:4: exemptions[0].expires: is "2027-02-30", which is not a day: write one such as 2027-03-01`,
	},
	{
		name: "a time",
		text: header + `exemptions:
- {rules: [bare-pod], reason: r, expires: 2027-02-03T10:00:00Z}
`,
		want: `p.yaml:4: exemptions[0].expires: is "2027-02-03T10:00:00Z", which is not a day: ` +
			`write one such as 2027-03-01`,
	},
	{
		name: "pod exemptions no boolean",
		text: header + "allowPodExemptions: maybe\n",
		want: `p.yaml:3: allowPodExemptions: is "maybe": write true or false`,
	},
	{
		name: "template with a misspelt field",
		text: header + `rules:
  no-liveness-probe: {params: {template: {portName: http, probe: {tcpSockets: {port: http}}}}}
`,
		want: "p.yaml:4: rules.no-liveness-probe.params.template.probe.tcpSockets: unknown key (did you mean " +
			"tcpSocket?)",
	},
}

// TestSelectorMistakes: all of a selector's mistakes are named, each at its line.
func TestSelectorMistakes(t *testing.T) {
	got := mistakes(t, header+`scopes:
- match:
    podSelector:
      matchExpressions:
      - {key: a, operator: in, values: [b]}
      - {key: -a, operator: Exists}
      - {key: a, operator: Exists, values: [b]}
      - {key: a, operator: In}
      matchLabels:
        a: "b c"
`)
	const at = "scopes[0].match.podSelector."
	want := []string{
		"p.yaml:7: " + at + `matchExpressions[0].operator: is "in": write In, NotIn, Exists or DoesNotExist (did you ` +
			`mean In?)`,
		"p.yaml:8: " + at + "matchExpressions[1]: is not a label selector: key: Invalid value: \"-a\"",
		"p.yaml:9: " + at + "matchExpressions[2]: is not a label selector: values: Invalid value: [\"b\"]: values " +
			"set must be empty for exists and does not exist",
		"p.yaml:10: " + at + "matchExpressions[3]: is not a label selector: values: Invalid value: null: for 'in', " +
			"'notin' operators, values set can't be empty",
		"p.yaml:12: " + at + "matchLabels.a: is not a label selector: ",
	}
	if len(got) != len(want) {
		t.Fatalf("%q", got)
	}
	for i := range want {
		if !strings.HasPrefix(got[i], want[i]) {
			t.Errorf("%s\nwant %s", got[i], want[i])
		}
	}
}

// TestLabelsThatBeginAlike: one mistake hides no other.
func TestLabelsThatBeginAlike(t *testing.T) {
	for range 8 {
		const labels = `{app: "b c", app.kubernetes.io/name: "b c", app2: "b c"}`
		if got := mistakes(t, header+"scopes: [{match: {podSelector: {matchLabels: "+labels+"}}}]"); len(got) != 3 {
			t.Fatalf("%q", got)
		}
	}
}

// TestOperatorsKinds: what an operator calls its own is no typing mistake.
func TestOperatorsKinds(t *testing.T) {
	const kinds = "[TFJob, MXJob, FlinkDeployment, Node, DaemonJob, CloneSet, Workflow]"
	if got := mistakes(t, header+"scopes: [{match: {kinds: "+kinds+"}}]"); got != nil {
		t.Errorf("%q", got)
	}
}
