package policy_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podvet/podvet/rules/catalogue"
	"github.com/podvet/podvet/rules/policy"
)

func mistakes(t *testing.T, text string) []string {
	t.Helper()
	_, err := policy.Load(catalogue.All, "p.yaml", []byte(text), time.Now())
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[policy.Errors](err); !ok {
		t.Fatalf("an error of type %T", err)
	}
	return strings.Split(err.Error(), "\n")
}

// mistakeCases are policies with one mistake each. beyondSchema: only the loader can tell.
var mistakeCases = append(documentMistakes, matchMistakes...)

type mistakeCase struct {
	name, text, want string
	beyondSchema     bool
}

// documentMistakes are in the keys of the document and in rules.
var documentMistakes = []mistakeCase{
	{name: "empty", text: "", want: "p.yaml: is empty: write apiVersion: podvet.dev/v1alpha1 and kind: Policy"},
	{
		name: "only a comment",
		text: "# nothing\n",
		want: "p.yaml: is empty: write apiVersion: podvet.dev/v1alpha1 and kind: Policy",
	},
	{
		name: "no kind",
		text: "apiVersion: podvet.dev/v1alpha1\n",
		want: "p.yaml:1: kind: is missing: write kind: Policy",
	},
	{
		name: "another version",
		text: `apiVersion: podvet.dev/v2
kind: Policy
`,
		want: "p.yaml:1: apiVersion: is podvet.dev/v2: write apiVersion: podvet.dev/v1alpha1",
	},
	{
		name: "a list",
		text: "- a\n",
		want: "p.yaml:1: is a list: write apiVersion: podvet.dev/v1alpha1 and kind: Policy",
	},
	{
		name: "no YAML",
		text: header + "profile: [\n",
		want: "p.yaml:4: is not valid YAML, a value is missing or cannot begin like this: " +
			"quote it, or close the bracket before it",
	},
	{
		name: "a tab",
		text: header + "rules:\n\tx: y\n",
		want: "p.yaml:4: is not valid YAML, a tab indents this line: indent with spaces",
	},
	{
		name: "unknown key",
		text: header + "profiles: strict\n",
		want: "p.yaml:3: profiles: unknown key (did you mean profile?)",
	},
	{
		name: "case matters",
		text: header + "Profile: strict\n",
		want: "p.yaml:3: Profile: unknown key (did you mean profile?)",
	},
	{
		name: "duplicate key",
		text: header + `mode: warn
mode: audit
`,
		want:         "p.yaml:4: mode: duplicate key, first in line 3: remove one",
		beyondSchema: true,
	},
	{
		name: "duplicate rule",
		text: header + `rules:
  bare-pod: {level: off}
  bare-pod: {level: warn}
`,
		want:         "p.yaml:5: rules.bare-pod: duplicate key, first in line 4: remove one",
		beyondSchema: true,
	},
	{
		name: "second document",
		text: header + `---
kind: Policy
`,
		want:         "p.yaml:3: a second document: a policy is one document, write the other into a file of its own",
		beyondSchema: true,
	},
	{
		name: "no such profile",
		text: header + "profile: strikt\n",
		want: `p.yaml:3: profile: is "strikt": write minimal, recommended or strict (did you mean strict?)`,
	},
	{
		name: "no such mode",
		text: header + "mode: on\n",
		want: `p.yaml:3: mode: is "on": write enforce, warn, audit or off`,
	},
	{
		name: "owned pods denied",
		text: header + "ownedPods: deny\n",
		want: `p.yaml:3: ownedPods: is "deny": write enforce or warn`,
	},
	{
		name: "namespace modes in a word",
		text: header + "namespaceModes: audit\n",
		want: `p.yaml:3: namespaceModes: is "audit": write true, false, or a list of enforce, warn, audit or off`,
	},
	{
		name: "no namespace modes",
		text: header + "namespaceModes: []\n",
		want: `p.yaml:3: namespaceModes: is a list: write true, false, or a list of enforce, warn, audit or off`,
	},
	{
		name: "namespace modes that are none",
		text: header + "namespaceModes: [warn, audti]\n",
		want: `p.yaml:3: namespaceModes[1]: is "audti": write enforce, warn, audit or off (did you mean audit?)`,
	},
	{
		name: "namespace modes in quotes",
		text: header + "namespaceModes: \"false\"\n",
		want: `p.yaml:3: namespaceModes: is "false": write true, false, or a list of enforce, warn, audit or off`,
	},
	{
		name: "fixes no boolean",
		text: header + "fixes: \"true\"\n",
		want: `p.yaml:3: fixes: is "true": write true or false, without quotes`,
	},
	{
		name:         "fixes yes",
		text:         header + "fixes: yes\n",
		want:         `p.yaml:3: fixes: is "yes": write true or false (yes is text here)`,
		beyondSchema: true,
	},
	{
		name: "a template of Kubernetes' own",
		text: header + `templates: [{apiVersion: apps/v1, kind: Shop, path: spec.template, like: Job}]`,
		want: `p.yaml:3: templates[0].apiVersion: is "apps/v1": write the group and version of a custom resource, ` +
			`such as example.com/v1`,
	},
	{
		name: "a template's kind in lower case",
		text: header + `templates: [{apiVersion: a.io/v1, kind: shop, path: spec.template, like: Job}]`,
		want: `p.yaml:3: templates[0].kind: is "shop": write a kind, such as Shop`,
	},
	{
		name: "a template's path with an index",
		text: header + `templates: [{apiVersion: a.io/v1, kind: Shop, path: "spec.groups[0].template", like: Job}]`,
		want: `p.yaml:3: templates[0].path: is "spec.groups[0].template": write names joined by dots, such as ` +
			`spec.groups[].template`,
	},
	{
		name: "a template like a pod",
		text: header + `templates: [{apiVersion: a.io/v1, kind: Shop, path: spec.template, like: Deploymnt}]`,
		want: `p.yaml:3: templates[0].like: is "Deploymnt": write Deployment, ReplicaSet, StatefulSet, DaemonSet, ` +
			`ReplicationController, Job or CronJob (did you mean Deployment?)`,
	},
	{
		name: "a template without a path",
		text: header + `templates: [{apiVersion: a.io/v1, kind: Shop, like: Job}]`,
		want: `p.yaml:3: templates[0].path: is missing: say where the template is, such as spec.template`,
	},
	{
		name: "a template twice",
		text: header + `templates:
- {apiVersion: a.io/v1, kind: Shop, path: spec.template, like: Job}
- {apiVersion: a.io/v1, kind: Shop, path: spec.template, like: Deployment}`,
		want:         `p.yaml:5: templates[1]: is templates[0] again: remove one`,
		beyondSchema: true,
	},
	{
		name: "injected no list",
		text: header + "injectedContainers: istio-proxy\n",
		want: `p.yaml:3: injectedContainers: is "istio-proxy": write a list`,
	},
	{
		name: "injected number",
		text: header + "injectedContainers: [1]\n",
		want: `p.yaml:3: injectedContainers[0]: is 1: write text, in quotes: "1"`,
	},
	{
		name: "no such rule",
		text: header + `rules:
  no-readynes-probe: {level: warn}
`,
		want: "p.yaml:4: rules.no-readynes-probe: there is no such rule (did you mean no-readiness-probe?): podvet " +
			"rules lists them",
	},
	{
		name: "no such level",
		text: header + `rules:
  bare-pod: {level: denny}
`,
		want: `p.yaml:4: rules.bare-pod.level: is "denny": write deny, warn, audit or off (did you mean deny?)`,
	},
	{
		name: "rule is a level",
		text: header + `rules:
  bare-pod: warn
`,
		want: `p.yaml:4: rules.bare-pod: write {level: warn}, not "warn"`,
	},
	{
		name: "rule is a boolean",
		text: header + `rules:
  no-startup-probe: false
`,
		want: `p.yaml:4: rules.no-startup-probe: write {fix: false}, not false`,
	},
	{
		name: "rule is a word",
		text: header + `rules:
  bare-pod: enforce
`,
		want: `p.yaml:4: rules.bare-pod: is "enforce": write keys and values`,
	},
	{
		name: "rule is a level in a scope",
		text: header + `scopes:
- {match: {kinds: [Pod]}, rules: {bare-pod: off}}
`,
		want: `p.yaml:4: scopes[0].rules.bare-pod: write {level: off}, not "off"`,
	},
	{
		name: "no fix",
		text: header + `rules:
  bare-pod: {fix: true}
`,
		want: "p.yaml:4: rules.bare-pod.fix: rule bare-pod has no fix: remove this",
	},
	{
		name: "fix without template",
		text: header + `rules:
  no-readiness-probe: {fix: true}
`,
		want: "p.yaml:4: rules.no-readiness-probe.fix: podvet does not guess a handler: " +
			"declare one in params.template, a portName and a probe",
		beyondSchema: true,
	},
	{
		name: "no parameters",
		text: header + `rules:
  bare-pod: {params: {x: 1}}
`,
		want: "p.yaml:4: rules.bare-pod.params: rule bare-pod has no parameters: remove this",
	},
	{
		name: "unknown parameter",
		text: header + `rules:
  startup-budget-too-long:
    params:
      maxSecond: 5
`,
		want: "p.yaml:6: rules.startup-budget-too-long.params.maxSecond: unknown key (did you mean maxSeconds?)",
	},
	{
		name: "unlike the only parameter",
		text: header + `rules:
  exec-probe-short-timeout: {params: {x: 5}}
`,
		want: "p.yaml:4: rules.exec-probe-short-timeout.params.x: unknown key: write minSeconds",
	},
	{
		name: "a template with a host",
		text: header + `rules:
  no-readiness-probe:
    {fix: true, params: {template: {portName: http, probe: {tcpSocket: {port: http, host: 127.0.0.1}}}}}
`,
		want: "p.yaml:5: rules.no-readiness-probe.params.template.probe.tcpSocket.host: is for all containers, and " +
			"each pod has its own address: remove it",
		beyondSchema: true,
	},
	{
		name: "a template whose command is one string",
		text: header + `rules:
  no-readiness-probe:
    {fix: true, params: {template: {portName: http, probe: {exec: {command: [curl -f localhost]}}}}}
`,
		want: "p.yaml:5: rules.no-readiness-probe.params.template.probe.exec.command: is one word that no program " +
			"has as its name: write each word apart, or sh, -c before it",
		beyondSchema: true,
	},
	{
		name: "below the range",
		text: header + `rules:
  startup-budget-too-long: {params: {maxSeconds: 0}}
`,
		want: "p.yaml:4: rules.startup-budget-too-long.params.maxSeconds: is 0: write a whole number from 1 to " +
			"86400",
	},
	{
		name: "negative min",
		text: header + `rules:
  startup-budget-too-short: {params: {minSeconds: -1}}
`,
		want: "p.yaml:4: rules.startup-budget-too-short.params.minSeconds: is -1: write a whole number from 0 to " +
			"86400",
	},
	{
		name: "above the range",
		text: header + `rules:
  startup-budget-too-long: {params: {maxSeconds: 2147483648}}
`,
		want: "p.yaml:4: rules.startup-budget-too-long.params.maxSeconds: is 2147483648: write a whole number from " +
			"1 to 86400",
	},
	{
		name: "no whole number",
		text: header + `rules:
  startup-budget-too-long: {params: {maxSeconds: 1.5}}
`,
		want: "p.yaml:4: rules.startup-budget-too-long.params.maxSeconds: is 1.5: write a whole number",
	},
	{
		name: "a duration",
		text: header + `rules:
  startup-budget-too-long: {params: {maxSeconds: 5m}}
`,
		want: `p.yaml:4: rules.startup-budget-too-long.params.maxSeconds: is "5m": write a whole number`,
	},
	{
		name: "impossible restartPolicy",
		text: header + `rules:
  restart-policy-not-allowed:
    params:
      allowed:
        Deployment: [Never]
`,
		want: `p.yaml:7: rules.restart-policy-not-allowed.params.allowed.Deployment[0]: "Never" can never be the ` +
			`restartPolicy of a Deployment: write Always`,
		beyondSchema: true,
	},
	{
		name: "misspelt restartPolicy",
		text: header + `rules:
  restart-policy-not-allowed: {params: {allowed: {Job: [Onfailure]}}}
`,
		want: `p.yaml:4: rules.restart-policy-not-allowed.params.allowed.Job[0]: "Onfailure" can never be the ` +
			`restartPolicy of a Job: write OnFailure or Never`,
	},
	{
		name: "nothing allowed",
		text: header + `rules:
  restart-policy-not-allowed: {params: {allowed: {Pod: []}}}
`,
		want: "p.yaml:4: rules.restart-policy-not-allowed.params.allowed.Pod: is empty, so no pod could be " +
			"created: name a restartPolicy or remove the entry",
	},
	{
		name: "template without handler",
		text: header + `rules:
  no-readiness-probe: {fix: true, params: {template: {portName: http, probe: {periodSeconds: 3}}}}
`,
		want: "p.yaml:4: rules.no-readiness-probe.params.template.probe: has no handler: write one of exec, " +
			"httpGet, tcpSocket or grpc",
	},
	{
		name: "template with another port",
		text: header + `rules:
  no-liveness-probe: {fix: true, params: {template: {portName: http, probe: {tcpSocket: {port: web}}}}}
`,
		want: `p.yaml:4: rules.no-liveness-probe.params.template.probe.tcpSocket.port: uses port "web", but only ` +
			`"http" is sure to be declared: write port: http`,
		beyondSchema: true,
	},
	{
		name: "template that the API server refuses",
		text: header + `rules:
  no-liveness-probe: {params: {template: {portName: http, probe: {tcpSocket: {port: http}, successThreshold: 2}}}}
`,
		want: "p.yaml:4: rules.no-liveness-probe.params.template.probe.successThreshold: is 2: a livenessProbe " +
			"must have 1",
		beyondSchema: true,
	},
	{name: "null", text: "null\n", want: "p.yaml:1: is empty: write apiVersion: podvet.dev/v1alpha1 and kind: Policy"},
	{
		name: "only a marker",
		text: "---\n",
		want: "p.yaml:2: is empty: write apiVersion: podvet.dev/v1alpha1 and kind: Policy",
	},
	{
		name: "a merge key",
		text: header + `rules:
  bare-pod: {<<: {level: off}}
`,
		want: "p.yaml:4: rules.bare-pod.<<: merge keys are not read here: write the keys out",
	},
	{
		name: "nothing like it",
		text: header + `rules:
  bare-pod: {volume: 11}
`,
		want: "p.yaml:4: rules.bare-pod.volume: unknown key: write fix, level or params",
	},
	{
		name: "a misspelt kind",
		text: header + `rules:
  restart-policy-not-allowed: {params: {allowed: {deployments: [Always]}}}
`,
		want: "p.yaml:4: rules.restart-policy-not-allowed.params.allowed.deployments: no pod has this kind of " +
			"owner: write Deployment",
		beyondSchema: true,
	},
	{
		name: "octal",
		text: header + `rules:
  startup-budget-too-long: {params: {maxSeconds: 0600}}
`,
		want: "p.yaml:4: rules.startup-budget-too-long.params.maxSeconds: is 0600: write a whole number from 1 to " +
			"86400",
		beyondSchema: true,
	},
	{
		name: "forced boolean",
		text: header + "fixes: !!bool maybe\n",
		want: "p.yaml:3: fixes: is maybe: write true or false",
	},
	{
		name: "grpc port",
		text: header + `rules:
  no-liveness-probe: {params: {template: {portName: grpc, probe: {grpc: {port: 99999}}}}}
`,
		want: "p.yaml:4: rules.no-liveness-probe.params.template.probe.grpc.port: is 99999: write 1 to 65535",
	},
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
		`p.yaml:6: rules.no-readynes-probe: there is no such rule (did you mean no-readiness-probe?): podvet rules ` +
			`lists them`,
		`p.yaml:7: rules.startup-budget-too-long.level: is "denny": write deny, warn, audit or off (did you mean ` +
			`deny?)`,
		`p.yaml:7: rules.startup-budget-too-long.params.maxSeconds: is 0: write a whole number from 1 to 86400`,
	}
	for range 5 { // the order must not be a map's
		if diff := cmp.Diff(want, mistakes(t, text)); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
	}
}

// TestTemplateMistakesTogether: a field that cannot be read hides no other mistake.
func TestTemplateMistakesTogether(t *testing.T) {
	text := header + `rules:
  no-liveness-probe:
    params:
      template:
        portName: http
        probe:
          httpGet: {port: web}
          periodSecond: 3
          successThreshold: 2
`
	want := []string{
		`p.yaml:9: rules.no-liveness-probe.params.template.probe.httpGet.port: uses port "web", but only "http" is ` +
			`sure to be declared: write port: http`,
		"p.yaml:10: rules.no-liveness-probe.params.template.probe.periodSecond: unknown key (did you mean " +
			"periodSeconds?)",
		"p.yaml:11: rules.no-liveness-probe.params.template.probe.successThreshold: is 2: a livenessProbe must have 1",
	}
	if diff := cmp.Diff(want, mistakes(t, text)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
