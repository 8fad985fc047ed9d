package policy

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/podvet/podvet/rules"
)

// schema is a JSON Schema of draft 7, the one that editors know best.
type schema map[string]any

// Schema is the JSON Schema of the policy document, made from its types and the rules: for editors, and for whatever
// holds a policy inside.
func Schema() []byte {
	root := schemaOf(reflect.TypeFor[document](), "")
	root["$schema"] = "http://json-schema.org/draft-07/schema#"
	root["title"] = "podvet policy"
	root["definitions"] = schema{"rules": rulesSchema()}
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
func rulesSchema() schema {
	properties := schema{}
	for _, rule := range rules.Catalogue() {
		one := schemaOf(reflect.TypeFor[ruleSetting](), "")
		one["description"] = rule.Title
		keys := one["properties"].(schema)
		delete(keys, "params")
		if defaults := rule.Defaults(); defaults != nil {
			keys["params"] = schemaOf(reflect.TypeOf(defaults), "")
		}
		if !rule.HasFix() {
			keys["fix"].(schema)["const"] = false
		}
		properties[rule.ID] = one
	}
	return schema{"type": "object", "additionalProperties": false, "properties": properties}
}

func schemaOf(t reflect.Type, name string) schema {
	switch value := reflect.New(t).Interface().(type) {
	case *yaml.Node:
		return schema{"type": "object"}
	case *intstr.IntOrString:
		return schema{"type": []string{"integer", "string"}}
	case enum:
		return schema{"type": "string", "enum": value.words()}
	case *pattern:
		return schema{"type": "string", "pattern": patternCharacters.String()}
	case *ruleName:
		return schema{"type": "string", "enum": append(rules.IDs(), "*")}
	case *reasonText:
		return schema{"type": "string", "minLength": 1, "pattern": `\S`}
	case *Day:
		return schema{"type": "string", "format": "date", "pattern": `^\d{4}-\d{2}-\d{2}$`}
	case *kindName:
		return schema{"type": "string", "pattern": kindCharacters.String()}
	case *corev1.RestartPolicy:
		return schema{"type": "string", "enum": []corev1.RestartPolicy{corev1.RestartPolicyAlways, corev1.RestartPolicyOnFailure, corev1.RestartPolicyNever}}
	case *map[string]ruleSetting:
		return schema{"allOf": []schema{{"$ref": "#/definitions/rules"}}}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return schemaOf(t.Elem(), name)
	case reflect.Struct:
		properties, required := schema{}, []string{}
		structSchema(t, properties, &required)
		s := schema{"type": "object", "additionalProperties": false, "properties": properties}
		if len(required) > 0 {
			s["required"] = required
		}
		return s
	case reflect.Map:
		return schema{"type": "object", "additionalProperties": schemaOf(t.Elem(), "")}
	case reflect.Slice:
		return schema{"type": "array", "items": schemaOf(t.Elem(), "")}
	case reflect.String:
		return schema{"type": "string"}
	case reflect.Bool:
		return schema{"type": "boolean"}
	case reflect.Int32: // of a probe, as the decoder reads it
		return schema{"type": "integer", "minimum": 0, "maximum": math.MaxInt32}
	case reflect.Int64:
		return schema{"type": "integer", "minimum": leastOf(name), "maximum": math.MaxInt32}
	}
	panic("policy: no schema for " + t.String()) // TestSchema finds it before any user
}

// structSchema gathers the fields of a struct, those of embedded ones included.
func structSchema(t reflect.Type, properties schema, required *[]string) {
	described := map[string]string{}
	if documented, ok := reflect.TypeAssert[interface{ SwaggerDoc() map[string]string }](reflect.New(t)); ok {
		described = documented.SwaggerDoc() // Kubernetes' own words
	}
	for field := range t.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if field.Anonymous {
			structSchema(field.Type, properties, required)
			continue
		}
		if name == "" || name == "-" {
			continue
		}
		s := schemaOf(field.Type, name)
		if text := field.Tag.Get("doc"); text != "" {
			s["description"] = text
		} else if described[name] != "" {
			s["description"] = described[name]
		}
		properties[name] = s
		if field.Tag.Get("required") != "" {
			*required = append(*required, name)
		}
	}
}
