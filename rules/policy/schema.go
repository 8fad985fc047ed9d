package policy

import (
	"encoding/json"
	"reflect"

	corev1 "k8s.io/api/core/v1"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/pod"
	"github.com/podvet/podvet/rules/policy/strict"
)

type schema = strict.Schema

// Schema is the JSON Schema of the policy document, made from its types and the rules: for editors, and for whatever
// holds a policy inside.
func Schema(c *rules.Catalogue) []byte {
	all := schemas(c)
	root := all.Of(reflect.TypeFor[Written]())
	root["$schema"] = "http://json-schema.org/draft-07/schema#"
	root["title"] = "podvet policy"
	root["definitions"] = schema{"rules": rulesSchema(c, all)}
	root["required"] = []string{"apiVersion", "kind"}
	properties := root["properties"].(schema)
	properties["apiVersion"].(schema)["const"] = APIVersion
	properties["kind"].(schema)["const"] = Kind
	text, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		panic(err) // maps, lists and text
	}
	return append(text, '\n')
}

// rulesSchema lists the rules with their parameters: a misspelt id is marked where it is written.
func rulesSchema(c *rules.Catalogue, all *strict.Schemas) schema {
	properties := schema{}
	for _, rule := range c.Rules() {
		one := all.Of(reflect.TypeFor[RuleSetting]())
		one["description"] = rule.Title
		keys := one["properties"].(schema)
		delete(keys, "params")
		if defaults := rule.Defaults(); defaults != nil {
			keys["params"] = strict.OrNull(all.Of(reflect.TypeOf(defaults)))
		}
		if !rule.HasFix() {
			keys["fix"].(schema)["const"] = false
		}
		properties[rule.ID] = strict.OrNull(one)
	}
	return strict.OrNull(schema{"type": "object", "additionalProperties": false, "properties": properties})
}

// schemas knows the types that cannot declare themselves what they may be: those that depend on the rules, and rules'
// parameters. TestSchema holds it against what the reader demands.
func schemas(c *rules.Catalogue) *strict.Schemas {
	policies := schema{"type": "string", "enum": pod.RestartPolicies("Pod")}
	return &strict.Schemas{
		Types: map[reflect.Type]schema{
			reflect.TypeFor[ruleName]():               {"type": "string", "enum": append(c.IDs(), "*")},
			reflect.TypeFor[map[string]RuleSetting](): {"allOf": []schema{{"$ref": "#/definitions/rules"}}},
			reflect.TypeFor[map[string][]corev1.RestartPolicy](): strict.OrNull(schema{"type": "object",
				"additionalProperties": strict.NonEmpty(schema{"items": policies})}),
		},
		Fields: map[string]schema{
			"Scope":                  {"type": []string{"object", "null"}}, // what is below may be in comments
			"ProbeTemplate":          {"required": []string{"portName", "probe"}},
			"ProbeTemplate.portName": strict.PortName(),
		},
	}
}
