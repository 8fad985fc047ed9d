package chart

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/podvet/podvet/rules/catalogue"
	"github.com/podvet/podvet/rules/policy"
)

// policySchema is the JSON schema of the value policy: the policy's own, without apiVersion and kind, which the
// chart writes, and with its definition of rules moved to where this schema has its definitions.
func policySchema() map[string]any {
	var schema map[string]any
	text := string(policy.Schema(catalogue.All))
	text = strings.ReplaceAll(text, `"#/definitions/rules"`, `"#/definitions/policyRules"`)
	if err := json.Unmarshal([]byte(text), &schema); err != nil {
		panic(err) // of a function of ours
	}
	bearOff(schema)
	definitions["policyRules"] = schema["definitions"].(map[string]any)["rules"]
	properties := schema["properties"].(map[string]any)
	delete(properties, "apiVersion")
	delete(properties, "kind")
	return map[string]any{"type": "object", "additionalProperties": false, "properties": properties}
}

// bearOff lets false stand for the word off: YAML 1.1, which Helm reads, makes that of it. The chart writes off then.
func bearOff(node any) {
	switch node := node.(type) {
	case map[string]any:
		if words, is := node["enum"].([]any); is && slices.Contains(words, any("off")) {
			delete(node, "type")
			node["enum"] = append(words, false)
		}
		for _, below := range node {
			bearOff(below)
		}
	case []any:
		for _, below := range node {
			bearOff(below)
		}
	}
}
