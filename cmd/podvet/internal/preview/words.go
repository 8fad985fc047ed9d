package preview

import (
	"cmp"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podvet/podvet/rules/policy"
)

// key is a key of the settings in words, "" where it is not set.
type key struct{ name, value string }

func keysOf(s *policy.Settings) []key {
	injected := ""
	if s.InjectedContainers != nil {
		injected = cmp.Or(strings.Join(asSet(s.InjectedContainers), ", "), "none")
	}
	return []key{
		{"profile", string(s.Profile)}, {"mode", string(s.Mode)}, {"fixes", boolWords(s.Fixes)},
		{"workloads", string(s.Workloads)}, {"ownedPods", string(s.OwnedPods)},
		{"namespaceModes", strings.ReplaceAll(s.NamespaceModes.String(), ",", ", ")},
		{"kubernetes", string(s.Kubernetes)}, {"help", string(s.Help)},
		{"injectedContainers", injected},
		{"allowPodExemptions", boolWords(s.AllowPodExemptions)},
	}
}

func boolWords(b *bool) string {
	if b == nil {
		return ""
	}
	return strconv.FormatBool(*b)
}

func fixWords(fix *bool) string {
	if fix == nil {
		return ""
	}
	return onOff(*fix)
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

// writtenParams is the parameters of a rule that are written, by name and in words.
func writtenParams(p *policy.Params) map[string]string {
	if p == nil {
		return map[string]string{}
	}
	return paramWords(p.Value, p.Writes)
}

// allParams is all parameters of a rule, by name and in words.
func allParams(params any) map[string]string {
	return paramWords(params, func(int) bool { return true })
}

func paramWords(params any, wanted func(field int) bool) map[string]string {
	words := map[string]string{}
	if params == nil {
		return words
	}
	for i, v := 0, reflect.ValueOf(params); i < v.NumField(); i++ {
		if wanted(i) {
			words[v.Type().Field(i).Tag.Get("json")] = valueWords(v.Field(i))
		}
	}
	return words
}

// valueWords writes a parameter in a few words, "none" for an empty list.
func valueWords(v reflect.Value) string {
	switch v.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Slice:
		if v.IsZero() || v.Kind() != reflect.Pointer && v.Len() == 0 {
			return "none"
		}
		if text, err := json.Marshal(v.Interface()); err == nil {
			return string(text)
		}
	}
	return fmt.Sprint(v.Interface())
}

// title is the scope's name, or else whom it is for.
func title(s *policy.Scope) string {
	if s.Name != "" {
		return string(s.Name)
	}
	return "for " + matchWords(&s.Match)
}

// matchWords says which pods are meant.
func matchWords(m *policy.Match) string {
	var parts []string
	// A name that stands for all leaves nothing to be named.
	if names := asSet(m.Namespaces); len(names) > 0 && !slices.Contains(names, "*") {
		parts = append(parts, "namespaces "+strings.Join(names, ", "))
	}
	if !policy.SelectsAll(m.NamespaceSelector) {
		parts = append(parts, "namespaces with "+metav1.FormatLabelSelector(m.NamespaceSelector))
	}
	if !policy.SelectsAll(m.PodSelector) {
		parts = append(parts, "pods with "+metav1.FormatLabelSelector(m.PodSelector))
	}
	if len(m.Kinds) > 0 {
		parts = append(parts, "kinds "+strings.Join(asSet(m.Kinds), ", "))
	}
	if parts == nil {
		return "everything"
	}
	return strings.Join(parts, ", ")
}

// asSet is a list of which only matters what is in it.
func asSet[T ~string](list []T) []string {
	words := make([]string, len(list))
	for i, word := range list {
		words[i] = string(word)
	}
	slices.Sort(words)
	return slices.Compact(words)
}
