package policy_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	yamlv3 "go.yaml.in/yaml/v3"
	"sigs.k8s.io/yaml"

	"github.com/podvet/podvet/rules/catalogue"
	"github.com/podvet/podvet/rules/policy"
)

var update = flag.Bool("update", false, "write docs/policy.schema.json")

const schemaFile = "../../docs/policy.schema.json"

// TestSchema: the published schema is the code's, takes what the loader takes, and marks what it refuses but for what
// no schema can tell.
func TestSchema(t *testing.T) {
	text := policy.Schema(catalogue.All)
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
		if takes := fits(c.text) == nil; strings.HasPrefix(c.text, "apiVersion") && takes != c.beyondSchema {
			t.Errorf("%s: that the schema takes it is %t", c.name, takes)
		}
	}
	// Whatever is left empty, the schema takes it where the loader does.
	notFixed := strings.Replace(allKeys, "fix: true", "fix: false", 1) // the fix asks for the template
	for at, text := range emptied(t, notFixed) {
		if mistaken, err := mistakes(t, text), fits(text); (mistaken == nil) != (err == nil) {
			t.Errorf("%s: the loader says %q, the schema %v", at, mistaken, err)
		}
	}
	for _, text := range []string{
		"exemptions: [{rules: [bare-pod], reason: \"a\\tb\"}]",
		"exemptions: [{rules: [bare-pod], reason: ä}]",
		"scopes: [{match: {podSelector: {matchLabels: {a b: c}}}}]",
		"scopes: [{match: {podSelector: {matchLabels: {example.com/a: \"\"}}}}]",
		"scopes: [{match: {podSelector: {matchLabels: {a: b c}}}}]",
		"scopes: [{match: {podSelector: {matchLabels: {" + strings.Repeat("a", 63) + ": b}}}}]",
		"scopes: [{match: {podSelector: {matchLabels: {" + strings.Repeat("a", 64) + ": b}}}}]",
		"scopes: [{match: {podSelector: {matchExpressions: [{key: -a, operator: Exists}]}}}]",
		"scopes: [{match: {podSelector: {matchExpressions: [{key: a, operator: DoesNotExist}]}}}]",
		"scopes: [{match: {podSelector: {matchExpressions: [{key: a, operator: in, values: [b]}]}}}]",
		"scopes: [{match: {podSelector: {matchExpressions: [{key: a, operator: In}]}}}]",
		"scopes: [{match: {podSelector: {matchExpressions: [{key: a, operator: Exists, values: [b]}]}}}]",
		"scopes: [{match: {podSelector: {matchExpressions: [{key: a, operator: NotIn, values: [b, c/d]}]}}}]",
		"scopes: [{match: {podSelector: {matchExpressions: [{operator: Exists}]}}}]",
		"injectedContainers: [istio-*]",
		probe("httpGet: {port: 0}"), probe("httpGet: {port: 65535}"), probe("httpGet: {port: 65536}"),
		probe("httpGet: {port: http}"), probe("httpGet: {port: HTTP}"),
		probe("httpGet: {path: /}"), probe("httpGet: {port: http, scheme: HTTPS}"),
		probe("httpGet: {port: http, scheme: https}"), probe("httpGet: {port: http, protocol: HTTP3}"),
		probe("httpGet: {port: http, httpHeaders: [{name: a b}]}"),
		probe("httpGet: {port: http, httpHeaders: [{name: a, value: b c}]}"),
		probe("tcpSocket: {port: 1}"), probe("tcpSocket: {}"), probe("grpc: {port: 0}"), probe("grpc: {port: 65536}"),
		probe("grpc: {port: 5}"), probe("grpc: {port: 5, mode: Plain}"),
		probe("exec: {command: [a]}"), probe("exec: {command: []}"),
		probe("exec: {command: [a]}, tcpSocket: {port: 1}"), probe("periodSeconds: 3"),
		atPort("a-very-long-port"), atPort("1-2"), atPort("1-a"), atPort("a--b"),
	} {
		text = header + text
		if mistaken, err := mistakes(t, text), fits(text); (mistaken == nil) != (err == nil) {
			t.Errorf("%s: the loader says %q, the schema %v", text, mistaken, err)
		}
	}
}

func atPort(name string) string {
	return strings.Replace(probe("grpc: {port: 5}"), "portName: http", "portName: "+name, 1)
}

func probe(of string) string {
	return "rules: {no-liveness-probe: {params: {template: {portName: http, probe: {" + of + "}}}}}"
}

// emptied is the text with one value or entry replaced by nothing, by an empty list, or by an empty mapping, for each.
func emptied(t *testing.T, text string) map[string]string {
	t.Helper()
	var root yamlv3.Node
	if err := yamlv3.Unmarshal([]byte(text), &root); err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	var walk func(n *yamlv3.Node, path string)
	walk = func(n *yamlv3.Node, path string) {
		for i, value := range n.Content {
			at := fmt.Sprintf("%s[%d]", path, i)
			if n.Kind == yamlv3.MappingNode {
				if i%2 == 0 {
					continue
				}
				at = path + "." + n.Content[i-1].Value
			}
			for _, empty := range []string{"null", "[]", "{}"} {
				var other yamlv3.Node
				if err := yamlv3.Unmarshal([]byte(empty), &other); err != nil {
					t.Fatal(err)
				}
				n.Content[i] = other.Content[0]
				text, err := yamlv3.Marshal(&root)
				if err != nil {
					t.Fatal(err)
				}
				all[at+": "+empty] = string(text)
			}
			n.Content[i] = value
			walk(value, at)
		}
	}
	walk(root.Content[0], "")
	return all
}

const allKeys = header + `profile: strict
mode: audit
fixes: false
workloads: deny
ownedPods: warn
namespaceModes: [audit, warn]
injectedContainers: [a]
allowPodExemptions: true
templates:
- {apiVersion: example.com/v1, kind: Shop, path: "spec.groups[].*.template", like: Job}
rules:
  no-readiness-probe:
    level: deny
    fix: true
    params:
      alsoWithoutPorts: true
      ignorePortNames: [x]
      template:
        portName: http
        probe: {httpGet: {path: /, port: http, httpHeaders: [{name: a, value: b}]}, periodSeconds: 3}
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
