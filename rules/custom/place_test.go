package custom_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/podvet/podvet/rules/custom"
)

// node is a value as encoding/json reads it.
type node struct{ value any }

func (n node) Field(name string) (node, bool) {
	object, _ := n.value.(map[string]any)
	return node{object[name]}, object[name] != nil
}

func (n node) Text(name string) string {
	field, _ := n.Field(name)
	text, _ := field.value.(string)
	return text
}

func (n node) Entries(yield func(node) bool) {
	values, _ := n.value.([]any)
	for _, value := range values {
		if !yield(node{value}) {
			return
		}
	}
}

func (n node) Values(yield func(string, node) bool) {
	object, _ := n.value.(map[string]any)
	for _, key := range slices.Sorted(maps.Keys(object)) {
		if !yield(key, node{object[key]}) {
			return
		}
	}
}

func parse(t *testing.T, text string) node {
	t.Helper()
	var value any
	if err := yaml.Unmarshal([]byte(text), &value); err != nil {
		t.Fatal(err)
	}
	return node{value}
}

// TestPlaces: a path goes through lists and maps, and past what is not there or has another form.
func TestPlaces(t *testing.T) {
	const text = `
spec:
  template: {a: 1}
  none: null
  word: x
  groups: [{t: 1}, {u: 2}, {t: 3}, x, null]
  roles: {Master: {t: 4}, Worker.x: {t: 5}}
  deep: [{m: {k: [{t: 6}, {t: 7}]}}]
  lists: {a: [8, 9], b: 10}
`
	for path, want := range map[string]string{
		"spec.template":       "spec.template map[a:1]",
		"spec.none":           "",
		"spec.word.t":         "",
		"spec.missing.t":      "",
		"spec.groups[].t":     "spec.groups[0].t 1, spec.groups[2].t 3",
		"spec.groups.t":       "",
		"spec.template[].a":   "",
		"spec.roles.*.t":      "spec.roles.Master.t 4, spec.roles[Worker.x].t 5",
		"spec.deep[].*.k[].t": "spec.deep[0].m.k[0].t 6, spec.deep[0].m.k[1].t 7",
		"spec.lists.*[]":      "spec.lists.a[0] 8, spec.lists.a[1] 9",
	} {
		if !custom.PathSyntax.MatchString(path) {
			t.Errorf("%s is refused", path)
		}
		var got []string
		for _, at := range custom.Places(parse(t, text), path) {
			got = append(got, fmt.Sprint(at.Path, " ", at.Node.value))
		}
		if strings.Join(got, ", ") != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
	for path, text := range map[string]string{
		"spec[].t": "spec: [" + strings.Repeat("{t: 1},", 3000) + "]",
		"spec.*.t": "spec: {" + strings.Join(many(3000), ",") + "}",
		"*.*[]":    "{a: {" + strings.Join(many(900), ",") + "}, b: {c: [1], " + strings.Join(many(900), ",") + "}}",
	} {
		if n := len(custom.Places(parse(t, text), path)); n > 1000 {
			t.Errorf("%s: %d places", path, n)
		}
	}
	for _, path := range []string{"", ".", "spec.", ".spec", "spec..a", "spec[0]", "spec.a b", "[]", "spec.a/b"} {
		if custom.PathSyntax.MatchString(path) {
			t.Errorf("%q is taken", path)
		}
	}
}

// many are keys with values that hold entries.
func many(n int) (list []string) {
	for i := range n {
		list = append(list, fmt.Sprintf("k%d: {t: 1}, l%d: [1, 2]", i, i))
	}
	return list
}
