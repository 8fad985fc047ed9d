package chart

import (
	"math"
	"reflect"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/podvet/podvet/rules"
)

// policySchema is the JSON schema of the value policy: the policy document without apiVersion and kind, which the
// chart writes.
func policySchema() map[string]any {
	// false is what YAML 1.1, which Helm reads, makes of the word off. The chart writes off then.
	modes := []any{"enforce", "warn", "audit", "off", false}
	texts := map[string]any{"type": "array", "items": map[string]any{"type": "string", "minLength": 1}}
	settings := func() map[string]any {
		return map[string]any{
			"profile":            map[string]any{"enum": []string{"minimal", "recommended", "strict"}},
			"mode":               map[string]any{"enum": modes},
			"fixes":              map[string]any{"type": "boolean"},
			"workloads":          map[string]any{"enum": []any{"off", "warn", "deny", false}},
			"injectedContainers": texts,
			"allowPodExemptions": map[string]any{"type": "boolean"},
			"rules":              ruleSettings(),
		}
	}
	selection := closed(nil, map[string]any{
		"namespaces": texts, "kinds": texts, "containers": texts, "images": texts,
		"namespaceSelector": map[string]any{"$ref": "#/definitions/labelSelector"},
		"podSelector":       map[string]any{"$ref": "#/definitions/labelSelector"},
	})
	scope := settings()
	scope["name"] = map[string]any{"type": "string", "minLength": 1}
	scope["match"] = selection
	document := settings()
	document["scopes"] = map[string]any{"type": "array", "items": closed(nil, scope)}
	document["exemptions"] = map[string]any{"type": "array", "items": closed([]string{"rules", "reason"}, map[string]any{
		"rules":   map[string]any{"type": "array", "minItems": 1, "items": map[string]any{"enum": append(rules.IDs(), "*")}},
		"match":   selection,
		"reason":  map[string]any{"type": "string", "minLength": 1},
		"owner":   map[string]any{"type": "string"},
		"expires": map[string]any{"type": "string", "pattern": `^[0-9]{4}-[0-9]{2}-[0-9]{2}$`},
	})}
	return closed(nil, document)
}

func ruleSettings() map[string]any {
	properties := map[string]any{}
	for _, rule := range rules.Catalogue() {
		setting := map[string]any{
			"level": map[string]any{"enum": []any{"deny", "warn", "audit", "off", false}},
			"fix":   map[string]any{"type": "boolean"},
		}
		if !rule.HasFix() {
			setting["fix"] = map[string]any{"const": false}
		}
		if defaults := rule.Defaults(); defaults != nil {
			setting["params"] = typeSchema(reflect.TypeOf(defaults), "")
		}
		schema := closed(nil, setting)
		schema["description"] = rule.Title
		properties[rule.ID] = schema
	}
	return closed(nil, properties)
}

// typeSchema follows the JSON tags of a parameter's type, as the reader of policies does.
func typeSchema(t reflect.Type, name string) map[string]any {
	switch t {
	case reflect.TypeFor[intstr.IntOrString]():
		return map[string]any{"type": []string{"integer", "string"}}
	case reflect.TypeFor[corev1.RestartPolicy]():
		return map[string]any{"enum": []corev1.RestartPolicy{corev1.RestartPolicyAlways, corev1.RestartPolicyOnFailure, corev1.RestartPolicyNever}}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return typeSchema(t.Elem(), name)
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.String:
		return map[string]any{"type": "string"}
	case reflect.Int32:
		return map[string]any{"type": "integer", "minimum": 0, "maximum": math.MaxInt32}
	case reflect.Int64: // seconds, which may be none where they are the least
		least := 1
		if strings.HasPrefix(name, "min") {
			least = 0
		}
		// Beyond the largest number of seconds Kubernetes knows none.
		return map[string]any{"type": "integer", "minimum": least, "maximum": math.MaxInt32}
	case reflect.Slice:
		return map[string]any{"type": "array", "items": typeSchema(t.Elem(), "")}
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": typeSchema(t.Elem(), "")}
	case reflect.Struct:
		properties := map[string]any{}
		structure(t, properties)
		return closed(nil, properties)
	}
	panic("no schema for " + t.String())
}

func structure(t reflect.Type, properties map[string]any) {
	for field := range t.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case field.Anonymous:
			structure(field.Type, properties)
		case name != "" && name != "-":
			schema := typeSchema(field.Type, name)
			if doc := field.Tag.Get("doc"); doc != "" {
				schema["description"] = doc
			}
			properties[name] = schema
		}
	}
}
