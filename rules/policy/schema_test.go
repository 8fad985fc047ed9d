package policy_test

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"sigs.k8s.io/yaml"

	"github.com/podvet/podvet/rules/policy"
)

var update = flag.Bool("update", false, "write docs/policy.schema.json anew")

const schemaFile = "../../docs/policy.schema.json"

// TestSchema: the published schema is the code's, takes what the loader takes, and marks what it refuses but for what
// no schema can tell.
func TestSchema(t *testing.T) {
	text := policy.Schema()
	if *update {
		if err := os.WriteFile(schemaFile, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	published, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(text), string(published)); diff != "" {
		t.Errorf("docs/policy.schema.json is stale, run make generate (-want +got):\n%s", diff)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource("policy.json", doc); err != nil {
		t.Fatal(err)
	}
	compiled, err := compiler.Compile("policy.json")
	if err != nil {
		t.Fatal(err)
	}
	fits := func(text string) error {
		asJSON, err := yaml.YAMLToJSON([]byte(text))
		if err != nil {
			return err
		}
		instance, err := jsonschema.UnmarshalJSON(bytes.NewReader(asJSON))
		if err != nil {
			return err
		}
		return compiled.Validate(instance)
	}
	for name, text := range map[string]string{"the built-in policy": string(policy.DefaultText), "all keys": allKeys} {
		if got := mistakes(t, text); got != nil {
			t.Errorf("%s: %q", name, got)
		}
		if err := fits(text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, c := range mistakeCases {
		if c.beyondSchema || !strings.HasPrefix(c.text, "apiVersion") {
			continue
		}
		if fits(c.text) == nil {
			t.Errorf("%s: the schema takes it", c.name)
		}
	}
}

const allKeys = header + `profile: strict
mode: audit
fixes: false
workloads: deny
injectedContainers: [a]
allowPodExemptions: true
rules:
  no-readiness-probe:
    level: deny
    fix: true
    params: {alsoWithoutPorts: true, ignorePortNames: [x], template: {portName: http, probe: {httpGet: {path: /, port: http}, periodSeconds: 3}}}
  restart-policy-not-allowed: {level: warn, params: {allowed: {Job: [OnFailure]}}}
scopes:
- name: s
  match:
    namespaces: [pay-*]
    namespaceSelector: {matchLabels: {a: b}, matchExpressions: [{key: c, operator: In, values: [d]}]}
    podSelector: {matchExpressions: [{key: c, operator: Exists}]}
    kinds: [Deployment, Workflow]
  profile: minimal
  rules: {bare-pod: {level: "off"}}
exemptions:
- rules: [no-readiness-probe, "*"]
  match: {namespaces: [batch], containers: [worker-*], images: ["registry.example/vendor/*@sha256:*"]}
  reason: queue workers
  owner: team-batch
  expires: 2027-03-01
`
