package strict

import (
	"fmt"
	"math"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Misfit says what a value is that does not fit a field of a type, and what to write: "is ...: write ...".
func Misfit(n *yaml.Node, field reflect.Type) string {
	switch {
	case isPlaceholder(n):
		return Placeholder(n)
	case field == nil:
		return "is " + shown(n) + ", which does not fit: write what the Kubernetes API reference says"
	}
	for field.Kind() == reflect.Pointer {
		field = field.Elem()
	}
	if remedy := specialRemedies[field]; remedy != "" {
		return "is " + shown(n) + ": " + remedy
	}
	switch field.Kind() {
	case reflect.String:
		return notText(n)
	case reflect.Int32, reflect.Int64, reflect.Int:
		return noInteger(n, field.Bits())
	case reflect.Bool:
		if word, ok := Bool(n.Value); ok && n.Kind == yaml.ScalarNode && n.Tag == "!!str" {
			return fmt.Sprintf("is %s in quotes: write %t", shown(n), word)
		}
		return "is " + shown(n) + ": write true or false"
	case reflect.Slice, reflect.Array:
		return "is " + shown(n) + `: write a list, each entry after "- "`
	}
	return "is " + shown(n) + ": write keys and values"
}

// specialRemedies are about the types that read more than one kind of value.
var specialRemedies = map[reflect.Type]string{
	reflect.TypeFor[resource.Quantity]():  "write a quantity such as 100m, 0.5 or 128Mi",
	reflect.TypeFor[intstr.IntOrString](): "write a whole number, or text",
	reflect.TypeFor[metav1.Time]():        "write a time such as 2030-01-31T12:00:00Z",
	reflect.TypeFor[metav1.MicroTime]():   "write a time such as 2030-01-31T12:00:00.000000Z",
	reflect.TypeFor[metav1.Duration]():    "write a duration such as 30s",

	// Text of which only some words may be: in quotes any other would be refused, too.
	reflect.TypeFor[corev1.RestartPolicy]():            restartPolicies,
	reflect.TypeFor[corev1.ContainerRestartPolicy]():   restartPolicies,
	reflect.TypeFor[corev1.PullPolicy]():               "write Always, IfNotPresent or Never",
	reflect.TypeFor[corev1.TerminationMessagePolicy](): "write File or FallbackToLogsOnError",
	reflect.TypeFor[corev1.Protocol]():                 "write TCP, UDP or SCTP",
	reflect.TypeFor[corev1.URIScheme]():                "write HTTP or HTTPS",
}

const restartPolicies = "write Always, OnFailure or Never"

// notText is about a field of text. YAML takes more for something else than people expect.
func notText(n *yaml.Node) string {
	switch {
	case n.Kind != yaml.ScalarNode:
		return "is " + shown(n) + ": write text"
	case n.Tag == "!!int" || n.Tag == "!!float":
		return "is " + n.Value + ", which is a number here: quote it"
	}
	return "is " + shown(n) + ": quote it"
}

// noInteger is about a field of so many bits.
func noInteger(n *yaml.Node, bits int) string {
	if n.Kind != yaml.ScalarNode {
		return "is " + shown(n) + ": write a whole number"
	}
	if _, err := strconv.ParseInt(n.Value, 10, bits); err == nil { // else it would have been read
		return fmt.Sprintf("is %q in quotes: write %s", n.Value, n.Value)
	}
	if d, err := time.ParseDuration(n.Value); err == nil && d > 0 && d%time.Second == 0 && n.Tag == "!!str" {
		return fmt.Sprintf("is %s: write the number alone, %d", shown(n), d/time.Second)
	}
	number, err := strconv.ParseFloat(n.Value, 64)
	if largest := int64(1)<<(bits-1) - 1; err == nil && math.Abs(number) > float64(largest) {
		return fmt.Sprintf("is %s, which is out of range: write at most %d", shown(n), largest)
	}
	return "is " + shown(n) + ": write a whole number"
}

// Bool reads the words that kubectl takes for true and false, as YAML 1.1 does.
func Bool(word string) (value, ok bool) {
	switch word {
	case "y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "true", "True", "TRUE":
		return true, true
	case "n", "N", "no", "No", "NO", "off", "Off", "OFF", "false", "False", "FALSE":
		return false, true
	}
	return false, false
}

// placeholder is what tools replace before a manifest is one: {{ x }}, ${X}, $(X).
var placeholder = regexp.MustCompile(`\{\{.*\}\}|\$\{[^}]*\}|\$\([^)]*\)`)

// Placeholder says so of a value that was left for a tool to replace, "" of any other.
func Placeholder(n *yaml.Node) string {
	if !isPlaceholder(n) {
		return ""
	}
	return "is " + shown(n) + ", a placeholder: a template has to be rendered first"
}

// isPlaceholder tells whether a value was left for a tool to replace. Without quotes YAML reads {{ x }} as a mapping
// whose key is a mapping.
func isPlaceholder(n *yaml.Node) bool {
	switch n.Kind {
	case yaml.ScalarNode:
		return n.Tag == "!!str" && placeholder.MatchString(n.Value)
	case yaml.MappingNode:
		return len(n.Content) > 0 && n.Content[0].Kind == yaml.MappingNode
	}
	return false
}

// longestShown is how many characters of a value are shown.
const longestShown = 40

// shown is a value as people call it: text in quotes, a number as it is written, a list or a mapping by that word.
func shown(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode && isPlaceholder(n):
		return "{{ }}"
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	}
	text := n.Value
	if word, ok := Bool(text); ok && n.Style == 0 && text != strconv.FormatBool(word) {
		return fmt.Sprintf("%s, which means %t here", text, word)
	}
	if utf8.RuneCountInString(text) > longestShown {
		text = string([]rune(text)[:longestShown-1]) + "…"
	}
	if n.Tag == "!!str" && !strings.Contains(text, `"`) {
		return `"` + text + `"`
	}
	return text
}
