package policy

import (
	"encoding/json"
	"maps"
	"math"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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
			keys["params"] = orNull(schemaOf(reflect.TypeOf(defaults), ""))
		}
		if !rule.HasFix() {
			keys["fix"].(schema)["const"] = false
		}
		properties[rule.ID] = orNull(one)
	}
	return orNull(schema{"type": "object", "additionalProperties": false, "properties": properties})
}

// orNull also takes nothing: what is below may stand in comments.
func orNull(s schema) schema {
	s["type"] = []any{s["type"], "null"}
	return s
}

// nonEmpty takes no list without entries.
func nonEmpty(list schema) schema {
	list["type"], list["minItems"] = "array", 1
	return list
}

// labelKey and the others are what the reader demands of text, as Kubernetes does.
const (
	labelKey    = `^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$`
	labelValue  = `^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$`
	portName    = `^([0-9]-?)*[a-z](-?[a-z0-9])*$`
	noControls  = `^[^\x00-\x1f\x7f-\x9f]*$`
	oneLineOnly = `^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$`
)

// checked is what the reader demands beyond the types, by type and field; of a type as a whole by its name.
var checked = map[string]schema{
	"scope.name":                  {"pattern": noControls},
	"exemption.owner":             {"pattern": noControls},
	"settings.injectedContainers": {"items": schema{"type": "string", "pattern": `^[^*]*$`}},

	"LabelSelector.matchExpressions":  {"type": "array", "minItems": 1},
	"LabelSelector.matchLabels":       {"type": "object", "minProperties": 1, "propertyNames": schema{"pattern": labelKey}, "additionalProperties": schema{"type": "string", "pattern": labelValue}},
	"LabelSelectorRequirement.key":    {"pattern": labelKey},
	"LabelSelectorRequirement.values": {"items": schema{"type": "string", "pattern": labelValue}},
	"LabelSelectorRequirement": {"required": []string{"key", "operator"}, "oneOf": []schema{
		{"properties": schema{"operator": schema{"enum": []string{"In", "NotIn"}}, "values": schema{"type": "array", "minItems": 1}}, "required": []string{"values"}},
		{"properties": schema{"operator": schema{"enum": []string{"Exists", "DoesNotExist"}}, "values": schema{"maxItems": 0}}},
	}},

	"ProbeTemplate":          {"required": []string{"portName", "probe"}},
	"ProbeTemplate.portName": {"pattern": portName, "maxLength": 15},
	"Probe":                  {"oneOf": []schema{{"required": []string{"exec"}}, {"required": []string{"httpGet"}}, {"required": []string{"tcpSocket"}}, {"required": []string{"grpc"}}}},
	"ExecAction":             {"required": []string{"command"}},
	"ExecAction.command":     {"type": "array", "minItems": 1},
	"HTTPGetAction":          {"required": []string{"port"}},
	"HTTPGetAction.scheme":   {"enum": []string{"HTTP", "HTTPS"}},
	"HTTPGetAction.protocol": {"enum": []string{"HTTP1", "HTTP2"}},
	"HTTPHeader":             {"required": []string{"name"}},
	"HTTPHeader.name":        {"pattern": `^[-A-Za-z0-9]+$`},
	"TCPSocketAction":        {"required": []string{"port"}},
	"GRPCAction":             {"required": []string{"port"}},
	"GRPCAction.port":        {"minimum": 1, "maximum": 65535},
	"GRPCAction.mode":        {"enum": []string{"Plaintext", "TLS"}},
}

func schemaOf(t reflect.Type, name string) schema {
	switch value := reflect.New(t).Interface().(type) {
	case *yaml.Node:
		return schema{"type": "object"}
	case *intstr.IntOrString:
		return schema{"type": []string{"integer", "string"}, "minimum": 1, "maximum": 65535, "pattern": portName, "maxLength": 15}
	case enum:
		return schema{"type": "string", "enum": value.words()}
	case *pattern:
		return schema{"type": "string", "pattern": patternCharacters.String()}
	case *ruleName:
		return schema{"type": "string", "enum": append(rules.IDs(), "*")}
	case *reasonText:
		return schema{"type": "string", "pattern": oneLineOnly}
	case *Day:
		return schema{"type": "string", "format": "date", "pattern": `^\d{4}-\d{2}-\d{2}$`}
	case *kindName:
		return schema{"type": "string", "pattern": kindCharacters.String()}
	case *metav1.LabelSelectorOperator:
		return schema{"type": "string", "enum": selectorOperators}
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
		maps.Copy(s, checked[t.Name()])
		if t == reflect.TypeFor[scope]() {
			return orNull(s)
		}
		return s
	case reflect.Map:
		values := schemaOf(t.Elem(), "")
		if t.Elem().Kind() == reflect.Slice { // of restartPolicies
			values = nonEmpty(values)
		}
		return orNull(schema{"type": "object", "additionalProperties": values})
	case reflect.Slice:
		return orNull(schema{"type": "array", "items": schemaOf(t.Elem(), "")})
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
		// Without entries a match would mean everything.
		matches := t == reflect.TypeFor[match]() || t == reflect.TypeFor[exemptionMatch]()
		if field.Type.Kind() == reflect.Slice && (matches || field.Tag.Get("required") != "") {
			s = nonEmpty(s)
		}
		maps.Copy(s, checked[t.Name()+"."+name])
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
