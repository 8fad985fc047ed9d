package policy_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/policy"
)

const header = "apiVersion: podvet.dev/v1alpha1\nkind: Policy\n"

func mistakes(t *testing.T, text string) []string {
	t.Helper()
	_, err := policy.Load("p.yaml", []byte(text), time.Now())
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[policy.Errors](err); !ok {
		t.Fatalf("an error of type %T", err)
	}
	return strings.Split(err.Error(), "\n")
}

// mistakeCases are policies with one mistake each. beyondSchema: only the loader can tell.
var mistakeCases = []struct {
	name, text, want string
	beyondSchema     bool
}{
	{"empty", "", "p.yaml: is empty: write apiVersion: podvet.dev/v1alpha1 and kind: Policy", false},
	{"only a comment", "# nothing\n", "p.yaml: is empty: write apiVersion: podvet.dev/v1alpha1 and kind: Policy", false},
	{"no kind", "apiVersion: podvet.dev/v1alpha1\n", "p.yaml:1: kind: is missing: write kind: Policy", false},
	{"another version", "apiVersion: podvet.dev/v2\nkind: Policy\n", "p.yaml:1: apiVersion: is podvet.dev/v2: write apiVersion: podvet.dev/v1alpha1", false},
	{"a list", "- a\n", "p.yaml:1: is a list: write apiVersion: podvet.dev/v1alpha1 and kind: Policy", false},
	{"no YAML", header + "profile: [\n", "p.yaml:4: is not YAML: did not find expected node content", false},
	{"a tab", header + "rules:\n\tx: y\n", "p.yaml:4: is not YAML: found character that cannot start any token", false},
	{"unknown key", header + "profiles: strict\n", "p.yaml:3: profiles: unknown key (did you mean profile?)", false},
	{"case matters", header + "Profile: strict\n", "p.yaml:3: Profile: unknown key (did you mean profile?)", false},
	{"duplicate key", header + "mode: warn\nmode: audit\n", "p.yaml:4: mode: stands here a second time, first in line 3: remove one", true},
	{"duplicate rule", header + "rules:\n  bare-pod: {level: off}\n  bare-pod: {level: warn}\n", "p.yaml:5: rules.bare-pod: stands here a second time, first in line 4: remove one", true},
	{"second document", header + "---\nkind: Policy\n", "p.yaml:3: a second document: a policy is one document, write the other into a file of its own", true},
	{"no such profile", header + "profile: strikt\n", `p.yaml:3: profile: is "strikt": write minimal, recommended or strict (did you mean strict?)`, false},
	{"no such mode", header + "mode: on\n", `p.yaml:3: mode: is "on": write enforce, warn, audit or off`, false},
	{"fixes no boolean", header + "fixes: \"true\"\n", `p.yaml:3: fixes: is "true": write true or false`, false},
	{"fixes yes", header + "fixes: yes\n", `p.yaml:3: fixes: is "yes": write true or false`, true},
	{"injected no list", header + "injectedContainers: istio-proxy\n", `p.yaml:3: injectedContainers: is "istio-proxy": write a list`, false},
	{"injected number", header + "injectedContainers: [1]\n", `p.yaml:3: injectedContainers[0]: is 1: write text, in quotes: "1"`, false},
	{"no such rule", header + "rules:\n  no-readynes-probe: {level: warn}\n", "p.yaml:4: rules.no-readynes-probe: there is no such rule (did you mean no-readiness-probe?): podvet rules lists them", false},
	{"no such level", header + "rules:\n  bare-pod: {level: denny}\n", `p.yaml:4: rules.bare-pod.level: is "denny": write deny, warn, audit or off (did you mean deny?)`, false},
	{"rule is a level", header + "rules:\n  bare-pod: warn\n", `p.yaml:4: rules.bare-pod: is "warn": write keys and values`, false},
	{"no fix", header + "rules:\n  bare-pod: {fix: true}\n", "p.yaml:4: rules.bare-pod.fix: rule bare-pod has no fix: remove this", false},
	{"fix without template", header + "rules:\n  no-readiness-probe: {fix: true}\n", "p.yaml:4: rules.no-readiness-probe.fix: podvet invents no handler: promise one in params.template, a portName and a probe", true},
	{"no parameters", header + "rules:\n  bare-pod: {params: {x: 1}}\n", "p.yaml:4: rules.bare-pod.params: rule bare-pod has no parameters: remove this", false},
	{"unknown parameter", header + "rules:\n  startup-budget-too-long:\n    params:\n      maxSecond: 5\n", "p.yaml:6: rules.startup-budget-too-long.params.maxSecond: unknown key (did you mean maxSeconds?)", false},
	{"below the range", header + "rules:\n  startup-budget-too-long: {params: {maxSeconds: 0}}\n", "p.yaml:4: rules.startup-budget-too-long.params.maxSeconds: is 0: write a whole number from 1 to 2147483647", false},
	{"negative min", header + "rules:\n  startup-budget-too-short: {params: {minSeconds: -1}}\n", "p.yaml:4: rules.startup-budget-too-short.params.minSeconds: is -1: write a whole number from 0 to 2147483647", false},
	{"above the range", header + "rules:\n  startup-budget-too-long: {params: {maxSeconds: 2147483648}}\n", "p.yaml:4: rules.startup-budget-too-long.params.maxSeconds: is 2147483648: write a whole number from 1 to 2147483647", false},
	{"no whole number", header + "rules:\n  startup-budget-too-long: {params: {maxSeconds: 1.5}}\n", "p.yaml:4: rules.startup-budget-too-long.params.maxSeconds: is 1.5: write a whole number", false},
	{"a duration", header + "rules:\n  startup-budget-too-long: {params: {maxSeconds: 5m}}\n", `p.yaml:4: rules.startup-budget-too-long.params.maxSeconds: is "5m": write a whole number`, false},
	{"impossible restartPolicy", header + "rules:\n  restart-policy-not-allowed:\n    params:\n      allowed:\n        Deployment: [Never]\n",
		`p.yaml:7: rules.restart-policy-not-allowed.params.allowed.Deployment[0]: "Never" can never be the restartPolicy of a Deployment: write Always`, true},
	{"misspelt restartPolicy", header + "rules:\n  restart-policy-not-allowed: {params: {allowed: {Job: [Onfailure]}}}\n",
		`p.yaml:4: rules.restart-policy-not-allowed.params.allowed.Job[0]: "Onfailure" can never be the restartPolicy of a Job: write OnFailure or Never`, false},
	{"nothing allowed", header + "rules:\n  restart-policy-not-allowed: {params: {allowed: {Pod: []}}}\n",
		"p.yaml:4: rules.restart-policy-not-allowed.params.allowed.Pod: is empty, so no pod could be created: name a restartPolicy or remove the entry", false},
	{"template without handler", header + "rules:\n  no-readiness-probe: {fix: true, params: {template: {portName: http, probe: {periodSeconds: 3}}}}\n",
		"p.yaml:4: rules.no-readiness-probe.params.template.probe: has no handler: write one of exec, httpGet, tcpSocket, grpc or, in a hook, sleep", false},
	{"template with another port", header + "rules:\n  no-liveness-probe: {fix: true, params: {template: {portName: http, probe: {tcpSocket: {port: web}}}}}\n",
		`p.yaml:4: rules.no-liveness-probe.params.template.probe.tcpSocket.port: asks port "web", but only "http" is sure to be declared: write port: http`, true},
	{"template that the API server refuses", header + "rules:\n  no-liveness-probe: {params: {template: {portName: http, probe: {tcpSocket: {port: http}, successThreshold: 2}}}}\n",
		"p.yaml:4: rules.no-liveness-probe.params.template.probe.successThreshold: is 2: a livenessProbe must have 1", true},
	{"null", "null\n", "p.yaml:1: is empty: write apiVersion: podvet.dev/v1alpha1 and kind: Policy", false},
	{"only a marker", "---\n", "p.yaml:2: is empty: write apiVersion: podvet.dev/v1alpha1 and kind: Policy", false},
	{"a merge key", header + "rules:\n  bare-pod: {<<: {level: off}}\n", "p.yaml:4: rules.bare-pod.<<: merge keys are not read here: write the keys out", false},
	{"nothing like it", header + "rules:\n  bare-pod: {volume: 11}\n", "p.yaml:4: rules.bare-pod.volume: unknown key: write fix, level or params", false},
	{"a misspelt kind", header + "rules:\n  restart-policy-not-allowed: {params: {allowed: {deployments: [Always]}}}\n",
		"p.yaml:4: rules.restart-policy-not-allowed.params.allowed.deployments: no pod has this kind of owner: write Deployment", true},
	{"octal", header + "rules:\n  startup-budget-too-long: {params: {maxSeconds: 0600}}\n", "p.yaml:4: rules.startup-budget-too-long.params.maxSeconds: is 0600: write a whole number from 1 to 2147483647", true},
	{"forced boolean", header + "fixes: !!bool maybe\n", "p.yaml:3: fixes: is maybe: write true or false", false},
	{"grpc port", header + "rules:\n  no-liveness-probe: {params: {template: {portName: grpc, probe: {grpc: {port: 99999}}}}}\n",
		"p.yaml:4: rules.no-liveness-probe.params.template.probe.grpc.port: is 99999: write 1 to 65535", false},
	{"scopes no list", header + "scopes: {name: a}\n", "p.yaml:3: scopes: is a mapping: write a list", false},
	{"unknown key in a scope", header + "scopes:\n- name: a\n  profil: strict\n", "p.yaml:5: scopes[0].profil: unknown key (did you mean profile?)", false},
	{"a scope in a scope", header + "scopes:\n- scopes: []\n", "p.yaml:4: scopes[0].scopes: unknown key: write allowPodExemptions, fixes, injectedContainers, match, mode, name, profile, rules or workloads", false},
	{"two scopes of one name", header + "scopes:\n- name: a\n- name: a\n", "p.yaml:5: scopes[1].name: a is the name of scopes[0] too: give each scope a name of its own", true},
	{"a pattern with a blank", header + "scopes:\n- match: {namespaces: [\"pay *\"]}\n", `p.yaml:4: scopes[0].match.namespaces[0]: is "pay *": a pattern has only letters, digits and - . _ / : @, and * for any run of characters`, false},
	{"a regular expression", header + "scopes:\n- match: {namespaces: [\"pay-.+\"]}\n", `p.yaml:4: scopes[0].match.namespaces[0]: is "pay-.+": a pattern has only letters, digits and - . _ / : @, and * for any run of characters`, false},
	{"an empty pattern", header + "scopes:\n- match: {namespaces: [\"\"]}\n", "p.yaml:4: scopes[0].match.namespaces[0]: is empty and matches nothing: write a name, or * for all", false},
	{"namespaces no list", header + "scopes:\n- match: {namespaces: pay}\n", `p.yaml:4: scopes[0].match.namespaces: is "pay": write a list`, false},
	{"a misspelt selector", header + "scopes:\n- match: {namespaceSelecter: {}}\n", "p.yaml:4: scopes[0].match.namespaceSelecter: unknown key (did you mean namespaceSelector?)", false},
	{"a selector without matchLabels", header + "scopes:\n- match: {podSelector: {team: a}}\n", "p.yaml:4: scopes[0].match.podSelector.team: unknown key: write matchExpressions or matchLabels", false},
	{"an operator", header + "scopes:\n- match: {podSelector: {matchExpressions: [{key: a, operator: Is}]}}\n", `p.yaml:4: scopes[0].match.podSelector.matchExpressions[0].operator: is "Is": write In, NotIn, Exists or DoesNotExist (did you mean In?)`, false},
	{"a plural kind", header + "scopes:\n- match: {kinds: [Deployments]}\n", `p.yaml:4: scopes[0].match.kinds[0]: is "Deployments", no kind (did you mean Deployment?)`, true},
	{"a kind with a typing mistake", header + "scopes:\n- match: {kinds: [Deploymnet]}\n", `p.yaml:4: scopes[0].match.kinds[0]: is "Deploymnet", no kind (did you mean Deployment?)`, true},
	{"a selector in comments", header + "scopes:\n- mode: off\n  match:\n    namespaces:\n    # - shop\n", "p.yaml:6: scopes[0].match.namespaces: is empty, which asks for nothing: remove the key, or write what is meant", false},
	{"labels in comments", header + "exemptions:\n- rules: [\"*\"]\n  reason: r\n  match:\n    podSelector:\n      matchLabels:\n        # app: worker\n", "p.yaml:8: exemptions[0].match.podSelector.matchLabels: is empty, which asks for nothing: remove the key, or write what is meant", false},
	{"an alias of nothing", header + "injectedContainers: &none []\nexemptions:\n- {rules: [\"*\"], reason: r, match: {namespaces: *none}}\n", "p.yaml:3: exemptions[0].match.namespaces: is empty, which asks for nothing: remove the key, or write what is meant", false},
	{"a million scopes", header + "scopes:\n" + strings.Repeat("-\n", 25_000), "p.yaml:4: scopes: has 25000 entries, more than 20000: match more with fewer", true},
	{"no images", header + "exemptions:\n- {rules: [\"*\"], reason: r, match: {images: []}}\n", "p.yaml:4: exemptions[0].match.images: is empty, which asks for nothing: remove the key, or write what is meant", false},
	{"a label that is no text", header + "scopes:\n- match: {podSelector: {matchLabels: {istio: true}}}\n", `p.yaml:4: scopes[0].match.podSelector.matchLabels.istio: is true: write text, in quotes: "true"`, false},
	{"a pattern of injected containers", header + "injectedContainers: [\"istio*\"]\n", `p.yaml:3: injectedContainers[0]: is "istio*": write the whole name of a container, there is no * here`, false},
	{"a kind in lower case", header + "scopes:\n- match: {kinds: [workflow]}\n", `p.yaml:4: scopes[0].match.kinds[0]: is "workflow", no kind: write Pod, Deployment, ReplicaSet, StatefulSet, DaemonSet, ReplicationController, Job, CronJob, or the kind of an operator's own`, false},
	{"images in a scope", header + "scopes:\n- match: {images: [a]}\n", "p.yaml:4: scopes[0].match.images: unknown key: write kinds, namespaceSelector, namespaces or podSelector", false},
	{"no such rule in a scope", header + "scopes:\n- rules: {bare-pot: {level: off}}\n", "p.yaml:4: scopes[0].rules.bare-pot: there is no such rule (did you mean bare-pod?): podvet rules lists them", false},
	{"no template anywhere", header + "scopes:\n- rules: {no-readiness-probe: {fix: true}}\n", "p.yaml:4: scopes[0].rules.no-readiness-probe.fix: podvet invents no handler: promise one in params.template, a portName and a probe", true},
	{"exemption without reason", header + "exemptions:\n- rules: [bare-pod]\n", "p.yaml:4: exemptions[0].reason: is missing: say why, for those who read it later", false},
	{"an empty reason", header + "exemptions:\n- rules: [bare-pod]\n  reason: \" \"\n", "p.yaml:5: exemptions[0].reason: is empty: say why, for those who read it later", false},
	{"a reason of two lines", header + "exemptions:\n- rules: [bare-pod]\n  reason: \"a\\nb\"\n", "p.yaml:5: exemptions[0].reason: has a line break or a control character: write one line", false},
	{"an owner of two lines", header + "exemptions:\n- rules: [bare-pod]\n  reason: r\n  owner: \"a\\nb\"\n", "p.yaml:6: exemptions[0].owner: has a line break or a control character: write one line", false},
	{"a scope's name with an escape", header + "scopes:\n- name: \"a\\eb\"\n", "p.yaml:4: scopes[0].name: has a line break or a control character: write one line", false},
	{"exemption without rules", header + "exemptions:\n- reason: r\n", `p.yaml:4: exemptions[0].rules: is missing: name the rules, or write ["*"] for all`, false},
	{"no such rule in an exemption", header + "exemptions:\n- {rules: [bare-pod, no-readyness-probe], reason: r}\n", "p.yaml:4: exemptions[0].rules[1]: there is no such rule (did you mean no-readiness-probe?): podvet rules lists them", false},
	{"a pattern of rules", header + "exemptions:\n- {rules: [\"probe-*\"], reason: r}\n", `p.yaml:4: exemptions[0].rules[0]: is "probe-*": write a rule's id, or "*" alone for all rules`, false},
	{"no day", header + "exemptions:\n- {rules: [bare-pod], reason: r, expires: next week}\n", `p.yaml:4: exemptions[0].expires: is "next week", no day: write it as 2027-03-01`, false},
	{"a day that is not", header + "exemptions:\n- {rules: [bare-pod], reason: r, expires: 2027-02-30}\n", `p.yaml:4: exemptions[0].expires: is "2027-02-30", no day: write it as 2027-03-01`, false},
	{"a time", header + "exemptions:\n- {rules: [bare-pod], reason: r, expires: 2027-02-03T10:00:00Z}\n", `p.yaml:4: exemptions[0].expires: is "2027-02-03T10:00:00Z", no day: write it as 2027-03-01`, false},
	{"pod exemptions no boolean", header + "allowPodExemptions: maybe\n", `p.yaml:3: allowPodExemptions: is "maybe": write true or false`, false},
	{"template with a misspelt field", header + "rules:\n  no-liveness-probe: {params: {template: {portName: http, probe: {tcpSockets: {port: http}}}}}\n",
		"p.yaml:4: rules.no-liveness-probe.params.template.probe.tcpSockets: unknown key (did you mean tcpSocket?)", false},
}

// TestMistakes: each is named with its line, its path and the remedy.
func TestMistakes(t *testing.T) {
	for _, c := range mistakeCases {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff([]string{c.want}, mistakes(t, c.text)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestAllMistakesAtOnce(t *testing.T) {
	text := header + `profile: strikt
mode: on
rules:
  no-readynes-probe: {level: warn}
  startup-budget-too-long: {level: denny, params: {maxSeconds: 0}}
`
	want := []string{
		`p.yaml:3: profile: is "strikt": write minimal, recommended or strict (did you mean strict?)`,
		`p.yaml:4: mode: is "on": write enforce, warn, audit or off`,
		`p.yaml:6: rules.no-readynes-probe: there is no such rule (did you mean no-readiness-probe?): podvet rules lists them`,
		`p.yaml:7: rules.startup-budget-too-long.level: is "denny": write deny, warn, audit or off (did you mean deny?)`,
		`p.yaml:7: rules.startup-budget-too-long.params.maxSeconds: is 0: write a whole number from 1 to 2147483647`,
	}
	for range 5 { // the order must not be a map's
		if diff := cmp.Diff(want, mistakes(t, text)); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
	}
}

// TestTemplateMistakesTogether: a field that cannot be read hides no other mistake.
func TestTemplateMistakesTogether(t *testing.T) {
	text := header + "rules:\n  no-liveness-probe:\n    params:\n      template:\n        portName: http\n        probe:\n          httpGet: {port: web}\n          periodSecond: 3\n          successThreshold: 2\n"
	want := []string{
		`p.yaml:9: rules.no-liveness-probe.params.template.probe.httpGet.port: asks port "web", but only "http" is sure to be declared: write port: http`,
		"p.yaml:10: rules.no-liveness-probe.params.template.probe.periodSecond: unknown key (did you mean periodSeconds?)",
		"p.yaml:11: rules.no-liveness-probe.params.template.probe.successThreshold: is 2: a livenessProbe must have 1",
	}
	if diff := cmp.Diff(want, mistakes(t, text)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestManyMistakes: aliases do not make a flood of them.
func TestManyMistakes(t *testing.T) {
	var text strings.Builder
	text.WriteString(header + "rules:\n  restart-policy-not-allowed:\n    params:\n      allowed:\n        A: &a [" + strings.Repeat("1,", 2000) + "1]\n")
	for i := range 50 {
		fmt.Fprintf(&text, "        B%d: *a\n", i)
	}
	got := mistakes(t, text.String())
	if len(got) != 101 || !strings.HasSuffix(got[len(got)-1], "p.yaml: there are more mistakes: mend these first") {
		t.Errorf("%d mistakes, last %q", len(got), got[len(got)-1])
	}
}

// TestParameterTypes: every parameter of every rule can be read, is named and says what it means.
func TestParameterTypes(t *testing.T) {
	for _, rule := range rules.Catalogue() {
		for _, p := range rule.Parameters() {
			if p.Name == "" || p.Meaning == "" {
				t.Errorf("%s: parameter %+v", rule.ID, p)
			}
			for _, value := range []string{"1", "true", "text", "[a]", "{a: [b]}"} { // a type without a decoder panics
				_ = mistakes(t, fmt.Sprintf("%srules:\n  %s: {params: {%s: %s}}\n", header, rule.ID, p.Name, value))
			}
		}
	}
}

func TestYAMLBomb(t *testing.T) {
	var text strings.Builder
	text.WriteString(header + "a: &a [x,x,x,x,x,x,x,x,x,x]\n")
	for c := 'b'; c < 'l'; c++ {
		prev := c - 1
		fmt.Fprintf(&text, "%c: &%c [*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c]\n", c, c, prev, prev, prev, prev, prev, prev, prev, prev, prev, prev)
	}
	text.WriteString("injectedContainers: *k\n")
	if got := mistakes(t, header+"injectedContainers: &a [*a]\n"); len(got) != 1 || !strings.HasSuffix(got[0], "injectedContainers[0]: is a list: write text") {
		t.Errorf("an alias to itself: %q", got)
	}
	if got := mistakes(t, text.String()); len(got) == 0 || len(got) > 100 {
		t.Errorf("%d mistakes", len(got))
	}
}

func setting(t *testing.T, text, rule string) rules.Setting {
	t.Helper()
	p, err := policy.Load("p.yaml", []byte(header+text), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range rules.Catalogue() {
		if r.ID == rule {
			return p.Settings()[i]
		}
	}
	t.Fatalf("no rule %s", rule)
	return rules.Setting{}
}

func TestSettings(t *testing.T) {
	for _, c := range []struct {
		text, rule string
		level      rules.Level
		fix        rules.FixMode
	}{
		{"", "no-startup-probe", rules.Warn, rules.DefaultFix},
		{"profile: minimal", "no-startup-probe", rules.Off, rules.NoFix},
		{"profile: strict", "no-startup-probe", rules.Deny, rules.DefaultFix},
		{"fixes: false", "no-startup-probe", rules.Warn, rules.NoFix},
		{"rules: {no-startup-probe: {fix: false}}", "no-startup-probe", rules.Warn, rules.NoFix},
		{"rules: {no-startup-probe: {fix: true}}", "no-startup-probe", rules.Warn, rules.AskedFix},
		{"rules: {no-startup-probe: {level: off}}", "no-startup-probe", rules.Off, rules.NoFix},
		{"rules: {no-startup-probe: {level: off, fix: true}}", "no-startup-probe", rules.Off, rules.AskedFix},
		{"{profile: minimal, rules: {no-startup-probe: {level: audit}}}", "no-startup-probe", rules.Audit, rules.DefaultFix},
		{"rules: {startup-budget-too-short: {fix: true}}", "startup-budget-too-short", rules.Warn, rules.AskedFix},
		{"", "startup-budget-too-short", rules.Warn, rules.NoFix},
		{"mode: warn", "probe-port-unresolved", rules.Deny, rules.NoFix}, // the plan caps it
		{"mode: off", "probe-port-unresolved", rules.Off, rules.NoFix},
		{"{mode: off, rules: {no-startup-probe: {fix: true}}}", "no-startup-probe", rules.Off, rules.NoFix},
	} {
		text := strings.NewReplacer("{profile: minimal, rules: {no-startup-probe: {level: audit}}}", "profile: minimal\nrules: {no-startup-probe: {level: audit}}",
			"{mode: off, rules: {no-startup-probe: {fix: true}}}", "mode: off\nrules: {no-startup-probe: {fix: true}}").Replace(c.text)
		got := setting(t, text, c.rule)
		if got.Level != c.level || got.Fix != c.fix {
			t.Errorf("%q: %s has level %s and fix %d, want %s and %d", c.text, c.rule, got.Level, got.Fix, c.level, c.fix)
		}
	}
}

// TestParamsKeepOtherDefaults: a policy names only what it changes.
func TestParamsKeepOtherDefaults(t *testing.T) {
	got := fmt.Sprintf("%+v", setting(t, "rules: {no-startup-probe: {params: {minBootSeconds: 0}}}", "no-startup-probe").Params)
	if want := "{MinBootSeconds:0 BudgetSeconds:300 PeriodSeconds:3}"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestDefaultPolicy: the text that people start from is what is in force without one.
func TestDefaultPolicy(t *testing.T) {
	built, err := policy.Load("default", []byte(header), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(built.Settings(), policy.Default().Settings()); diff != "" {
		t.Errorf("(-a bare header +default.yaml):\n%s", diff)
	}
	if built, def := ruling(built, "", "Pod", nil, nil), ruling(policy.Default(), "", "Pod", nil, nil); built.Workloads != def.Workloads || built.Mode != def.Mode {
		t.Errorf("%+v and %+v", built, def)
	}
	for _, name := range rules.DefaultInjected {
		if !strings.Contains(string(policy.DefaultText), "- "+name+"\n") {
			t.Errorf("default.yaml does not list %s", name)
		}
	}
}

func FuzzLoad(f *testing.F) {
	f.Add(string(policy.DefaultText))
	f.Add(header + "rules:\n  no-readiness-probe: {fix: true, params: {template: {portName: http, probe: {httpGet: {port: http}}}}}\n")
	f.Add(header + "injectedContainers: &a [*a]\n")
	f.Add(allKeys)
	f.Add(header + "rules: {no-readiness-probe: &a {fix: true}, no-liveness-probe: *a, bare-pod: *a}\n")
	f.Add(header + "rules: {<<: {bare-pod: {level: off}}}\n")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := policy.Load("p.yaml", []byte(text), time.Now())
		if (p == nil) == (err == nil) {
			t.Errorf("policy %v, error %v", p, err)
		}
		if err != nil && strings.TrimSpace(err.Error()) == "" {
			t.Error("an error without a word")
		}
	})
}

func loadManifest(file string, text []byte, now time.Time) (*policy.Policy, error) {
	source, err := policy.Read(file, text)
	if err != nil {
		return nil, err
	}
	return source.Load(now)
}

// TestConfigMap: a policy in a ConfigMap is read where it stands, and its mistakes have the file's lines.
func TestConfigMap(t *testing.T) {
	wrap := func(policy string) string {
		return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: p}\ndata:\n  policy.yaml: |\n    " + strings.ReplaceAll(strings.TrimSpace(policy), "\n", "\n    ") + "\n"
	}
	p, err := loadManifest("cm.yaml", []byte(wrap(header+"profile: strict")), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	strict, err := policy.Load("x", []byte(header+"profile: strict"), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strict.Settings(), p.Settings()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(strict.Settings(), policy.Default().WithProfile(rules.Strict).Settings()); diff != "" {
		t.Errorf("WithProfile: %s", diff)
	}
	_, err = loadManifest("cm.yaml", []byte(wrap(header+"profile: strikt")), time.Now())
	if err == nil || !strings.HasPrefix(err.Error(), "cm.yaml:8: profile: ") {
		t.Errorf("%v", err)
	}
	_, err = loadManifest("cm.yaml", []byte("apiVersion: v1\nkind: ConfigMap\ndata: {other: x}\n"), time.Now())
	if err == nil || !strings.Contains(err.Error(), "no ConfigMap here has the key policy.yaml") {
		t.Errorf("%v", err)
	}
	if _, err = loadManifest("p.yaml", []byte(header), time.Now()); err != nil {
		t.Errorf("a plain document: %v", err)
	}
}
