package strict

import (
	"maps"
	"reflect"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// What Kubernetes demands of text. Its own code says what a value may be, and readers ask that; schemas cannot. A test
// of all keys of a policy holds the two against each other.
const (
	labelKey = `^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?` +
		`[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$`
	labelValue = `^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$`
	portName   = `^([0-9]-?)*[a-z](-?[a-z0-9])*$`
)

var (
	portNumbers   = Schema{"minimum": 1, "maximum": 65535}
	httpSchemes   = []corev1.URIScheme{corev1.URISchemeHTTP, corev1.URISchemeHTTPS}
	httpProtocols = []corev1.HTTPProtocol{corev1.HTTPProtocolHTTP1, corev1.HTTPProtocolHTTP2}
	grpcModes     = []corev1.GRPCProbeMode{corev1.GRPCProbeModePlaintext, corev1.GRPCProbeModeTLS}

	// The operators of selectors: those that take values, and those that do not.
	withValues    = []string{string(metav1.LabelSelectorOpIn), string(metav1.LabelSelectorOpNotIn)}
	withoutValues = []string{string(metav1.LabelSelectorOpExists), string(metav1.LabelSelectorOpDoesNotExist)}
	operators     = slices.Concat(withValues, withoutValues)
)

// PortName adds what the name of a port may be.
func PortName() Schema { return Schema{"pattern": portName, "maxLength": 15} }

// ofKubernetes is the schema of a type of Kubernetes', nil for others.
func ofKubernetes(t reflect.Type) Schema {
	switch t {
	case reflect.TypeFor[metav1.LabelSelectorOperator]():
		return Schema{"type": "string", "enum": operators}
	case reflect.TypeFor[intstr.IntOrString](): // of a port
		s := PortName()
		maps.Copy(s, portNumbers)
		s["type"] = []string{"integer", "string"}
		return s
	}
	return nil
}

// fieldsOfKubernetes is what is added to structs and fields of Kubernetes', by their names.
var fieldsOfKubernetes = map[string]Schema{
	"LabelSelector.matchLabels": {"propertyNames": Schema{"pattern": labelKey},
		"additionalProperties": Schema{"type": "string", "pattern": labelValue}},
	"LabelSelectorRequirement.key":    {"pattern": labelKey},
	"LabelSelectorRequirement.values": {"items": Schema{"type": "string", "pattern": labelValue}},
	"LabelSelectorRequirement": {"required": []string{"key", "operator"}, "oneOf": []Schema{
		{"properties": Schema{"operator": Schema{"enum": withValues}, "values": Schema{"type": "array", "minItems": 1}},
			"required": []string{"values"}},
		{"properties": Schema{"operator": Schema{"enum": withoutValues}, "values": Schema{"maxItems": 0}}},
	}},

	"Probe": {"oneOf": []Schema{
		{"required": []string{"exec"}}, {"required": []string{"httpGet"}},
		{"required": []string{"tcpSocket"}}, {"required": []string{"grpc"}},
	}},
	"ExecAction":             {"required": []string{"command"}},
	"ExecAction.command":     {"type": "array", "minItems": 1},
	"HTTPGetAction":          {"required": []string{"port"}},
	"HTTPGetAction.scheme":   {"enum": httpSchemes},
	"HTTPGetAction.protocol": {"enum": httpProtocols},
	"HTTPHeader":             {"required": []string{"name"}},
	"HTTPHeader.name":        {"pattern": `^[-A-Za-z0-9]+$`},
	"TCPSocketAction":        {"required": []string{"port"}},
	"GRPCAction":             {"required": []string{"port"}},
	"GRPCAction.port":        portNumbers,
	"GRPCAction.mode":        {"enum": grpcModes},
}

// selector names each mistake of a label selector; one by one, as the library tells of the first only.
func (r *Reader) selector(s *metav1.LabelSelector, path string) {
	problem := func(one metav1.LabelSelector) string {
		if _, err := metav1.LabelSelectorAsSelector(&one); err != nil {
			return strings.Join(strings.Fields(err.Error()), " ")
		}
		return ""
	}
	for _, key := range slices.Sorted(maps.Keys(s.MatchLabels)) {
		at := Join(path, "matchLabels."+key)
		text := problem(metav1.LabelSelector{MatchLabels: map[string]string{key: s.MatchLabels[key]}})
		if text != "" && !r.FailedAt(at) {
			r.Fail(at, "is not a label selector: %s", text)
		}
	}
	for i, e := range s.MatchExpressions {
		at := Entry(path+".matchExpressions", i)
		operator := Join(at, "operator")
		if !slices.Contains(operators, string(e.Operator)) && !r.FailedBelow(operator) {
			meant := DidYouMean(string(e.Operator), operators)
			r.Fail(operator, "is %q: write %s%s", string(e.Operator), OrList(operators), meant)
			continue
		}
		text := problem(metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{e}})
		if text != "" && !r.FailedBelow(at) {
			r.Fail(at, "is not a label selector: %s", text)
		}
	}
}
