package chart

import (
	"maps"
	"reflect"
	"slices"
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// kubernetesTypes are those that values have: values.yaml names them in "@schema {go: ...}".
var kubernetesTypes = map[string]reflect.Type{
	"Affinity":                   reflect.TypeFor[corev1.Affinity](),
	"DeploymentStrategy":         reflect.TypeFor[appsv1.DeploymentStrategy](),
	"LabelSelector":              reflect.TypeFor[metav1.LabelSelector](),
	"PodSecurityContext":         reflect.TypeFor[corev1.PodSecurityContext](),
	"ResourceRequirements":       reflect.TypeFor[corev1.ResourceRequirements](),
	"SecurityContext":            reflect.TypeFor[corev1.SecurityContext](),
	"[]EnvVar":                   reflect.TypeFor[[]corev1.EnvVar](),
	"[]LocalObjectReference":     reflect.TypeFor[[]corev1.LocalObjectReference](),
	"[]MatchCondition":           reflect.TypeFor[[]admissionregistrationv1.MatchCondition](),
	"[]NetworkPolicyEgressRule":  reflect.TypeFor[[]networkingv1.NetworkPolicyEgressRule](),
	"[]NetworkPolicyPeer":        reflect.TypeFor[[]networkingv1.NetworkPolicyPeer](),
	"[]Toleration":               reflect.TypeFor[[]corev1.Toleration](),
	"[]TopologySpreadConstraint": reflect.TypeFor[[]corev1.TopologySpreadConstraint](),
	"[]Volume":                   reflect.TypeFor[[]corev1.Volume](),
	"[]VolumeMount":              reflect.TypeFor[[]corev1.VolumeMount](),
}

// What Kubernetes asks of names, keys and values (K apimachinery/pkg/api/validate/content).
const (
	dnsLabel   = `[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?`
	subdomain  = `[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?`
	keyName    = `[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?`
	key        = `^(` + subdomain + `/)?` + keyName + `$`
	labelValue = `^(` + keyName + `)?$`
	quantity   = `^[0-9]*[.]?[0-9]+[.]?([KMGTPE]i|[numkMGTPE]|[eE][-+]?[0-9]+)?$`
)

// definitions are what several values share; those of Kubernetes' structs are added as they are met.
var definitions = map[string]any{
	"any": map[string]any{"type": "object"},
	"annotations": map[string]any{"type": "object", "propertyNames": map[string]any{"pattern": key},
		"additionalProperties": map[string]any{"type": "string"}},
	"labels": map[string]any{"type": "object", "propertyNames": map[string]any{"pattern": key},
		"additionalProperties": map[string]any{"type": "string", "pattern": labelValue}},
	"issuerRef": map[string]any{"type": "object", "additionalProperties": false, "properties": map[string]any{
		"name":  map[string]any{"type": "string", "pattern": `^` + subdomain + `$`},
		"kind":  map[string]any{"type": "string", "minLength": 1},
		"group": map[string]any{"type": "string", "minLength": 1},
	}, "dependencies": map[string]any{"kind": []string{"name"}, "group": []string{"name"}}},
}

// ofVolumeClaim is the metadata of a claim's template.
var ofVolumeClaim = closed(nil, map[string]any{"labels": ref("labels"), "annotations": ref("annotations")})

// special are types whose JSON is not what their Go is, or that the Go says too little of.
var special = map[reflect.Type]map[string]any{
	reflect.TypeFor[resource.Quantity](): {
		"type":    []string{"string", "number"},
		"pattern": quantity,
		"minimum": 0,
	},
	reflect.TypeFor[intstr.IntOrString](): {
		"type":    []string{"integer", "string"},
		"pattern": `^([0-9]+%|` + dnsLabel + `)$`,
		"minimum": 0,
	},
	reflect.TypeFor[metav1.ObjectMeta](): ofVolumeClaim,
	reflect.TypeFor[[]byte]():            {"type": "string"},
	reflect.TypeFor[corev1.Protocol]():   enum(corev1.ProtocolTCP, corev1.ProtocolUDP, corev1.ProtocolSCTP),
	reflect.TypeFor[corev1.TaintEffect](): enum("", corev1.TaintEffectNoSchedule,
		corev1.TaintEffectPreferNoSchedule, corev1.TaintEffectNoExecute),
	reflect.TypeFor[corev1.ResourceList](): {
		"type": "object",
		"propertyNames": map[string]any{
			"pattern": `^(cpu|memory|ephemeral-storage|storage|hugepages-.+|.+/.+)$`,
		},
		"additionalProperties": ref("quantity"),
	},
	reflect.TypeFor[map[string]string](): ref("labels"), // matchLabels
	reflect.TypeFor[corev1.Capability](): {"type": "string", "pattern": `^[A-Z_]+$`},
	reflect.TypeFor[corev1.TolerationOperator](): enum("", corev1.TolerationOpExists,
		corev1.TolerationOpEqual, corev1.TolerationOpLt, corev1.TolerationOpGt),
	reflect.TypeFor[corev1.SeccompProfileType](): enum(corev1.SeccompProfileTypeRuntimeDefault,
		corev1.SeccompProfileTypeUnconfined, corev1.SeccompProfileTypeLocalhost),
	reflect.TypeFor[corev1.UnsatisfiableConstraintAction](): enum(corev1.DoNotSchedule, corev1.ScheduleAnyway),
	reflect.TypeFor[appsv1.DeploymentStrategyType](): enum(appsv1.RecreateDeploymentStrategyType,
		appsv1.RollingUpdateDeploymentStrategyType),
	reflect.TypeFor[metav1.LabelSelectorOperator](): enum(metav1.LabelSelectorOpIn, metav1.LabelSelectorOpNotIn,
		metav1.LabelSelectorOpExists, metav1.LabelSelectorOpDoesNotExist),
	reflect.TypeFor[corev1.NodeSelectorOperator](): enum(corev1.NodeSelectorOpIn, corev1.NodeSelectorOpNotIn,
		corev1.NodeSelectorOpExists, corev1.NodeSelectorOpDoesNotExist, corev1.NodeSelectorOpGt,
		corev1.NodeSelectorOpLt),
}

// fields are what Kubernetes asks of single fields beyond their type, by struct and JSON name; "" is the struct's own.
var fields = map[string]map[string]any{
	"LabelSelectorRequirement.":            valuesAsAsked,
	"NodeSelectorRequirement.":             valuesAsAsked,
	"LabelSelectorRequirement.key":         {"pattern": key},
	"NodeSelectorRequirement.key":          {"pattern": key},
	"LabelSelectorRequirement.values":      {"items": map[string]any{"type": "string", "pattern": labelValue}},
	"LocalObjectReference.name":            {"minLength": 1},
	"MatchCondition.name":                  {"pattern": key},
	"MatchCondition.expression":            {"minLength": 1},
	"EnvVar.name":                          {"pattern": `^[ -<>-~]+$`},
	"Volume.name":                          {"pattern": `^` + dnsLabel + `$`},
	"VolumeMount.name":                     {"pattern": `^` + dnsLabel + `$`},
	"VolumeMount.mountPath":                {"minLength": 1},
	"TopologySpreadConstraint.maxSkew":     {"minimum": 1},
	"TopologySpreadConstraint.topologyKey": {"pattern": key},
	"PodAffinityTerm.topologyKey":          {"pattern": key},
	"WeightedPodAffinityTerm.weight":       {"minimum": 1, "maximum": 100},
	"PreferredSchedulingTerm.weight":       {"minimum": 1, "maximum": 100},
	"SecurityContext.runAsUser":            {"minimum": 0},
	"SecurityContext.runAsGroup":           {"minimum": 0},
	"PodSecurityContext.runAsUser":         {"minimum": 0},
	"PodSecurityContext.runAsGroup":        {"minimum": 0},
	"PodSecurityContext.fsGroup":           {"minimum": 0},
	"DeploymentStrategy.": {"if": where("type", "Recreate"),
		"then": property("rollingUpdate", map[string]any{"maxProperties": 0})},
}

// valuesAsAsked: In and NotIn need values, Exists and DoesNotExist take none.
var valuesAsAsked = map[string]any{
	"if": where("operator", "In", "NotIn"),
	"then": map[string]any{"required": []string{"values"},
		"properties": map[string]any{"values": map[string]any{"minItems": 1}}},
	"else": map[string]any{"if": where("operator", "Exists", "DoesNotExist"),
		"then": property("values", map[string]any{"maxItems": 0})},
}

func ref(name string) map[string]any { return map[string]any{"$ref": "#/definitions/" + name} }

func enum(words ...any) map[string]any { return map[string]any{"enum": words} }

func property(name string, schema map[string]any) map[string]any {
	return map[string]any{"properties": map[string]any{name: schema}}
}

// where is the condition that a property is there and is one of some words.
func where(name string, words ...any) map[string]any {
	schema := property(name, enum(words...))
	schema["required"] = []string{name}
	return schema
}

// closed is an object of these keys and no others.
func closed(required []string, properties map[string]any) map[string]any {
	schema := map[string]any{"type": "object", "additionalProperties": false, "properties": properties}
	if len(required) > 0 {
		schema["required"] = required
	}
	return schema
}

// kubernetesSchema is the schema of a type by its JSON tags. A struct becomes a definition, named as the type is.
func kubernetesSchema(t reflect.Type) map[string]any {
	if schema, is := special[t]; is {
		if t == reflect.TypeFor[resource.Quantity]() {
			definitions["quantity"] = schema
			return ref("quantity")
		}
		return schema
	}
	switch t.Kind() {
	case reflect.Pointer:
		return kubernetesSchema(t.Elem())
	case reflect.Slice:
		return map[string]any{"type": "array", "items": kubernetesSchema(t.Elem())}
	case reflect.String:
		return map[string]any{"type": "string"}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Int32, reflect.Int64:
		return map[string]any{"type": "integer"}
	case reflect.Struct:
		if definitions[t.Name()] == nil {
			properties, required := map[string]any{}, []string{}
			structSchema(t, properties, &required)
			schema := closed(required, properties)
			maps.Copy(schema, fields[t.Name()+"."])
			definitions[t.Name()] = schema
		}
		return ref(t.Name())
	}
	panic("no schema for " + t.String())
}

// structSchema gathers the fields of a struct, those of embedded ones included. What has no omitempty is required.
func structSchema(t reflect.Type, properties map[string]any, required *[]string) {
	for field := range t.Fields() {
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		if field.Anonymous && name == "" {
			structSchema(field.Type, properties, required)
			continue
		}
		schema := kubernetesSchema(field.Type)
		if more := fields[t.Name()+"."+name]; more != nil {
			schema = maps.Clone(schema)
			maps.Copy(schema, more)
		}
		if !slices.Contains(strings.Split(options, ","), "omitempty") {
			*required = append(*required, name)
		} else if kind, is := schema["type"].(string); is {
			schema = maps.Clone(schema)
			schema["type"] = []string{kind, "null"} // the API server takes null for nothing
		}
		properties[name] = schema
	}
}
