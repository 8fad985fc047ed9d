package budget

import (
	"bytes"
	"reflect"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/podvet/podvet/rules/pod"
)

// weight is what the value under a key of a review takes beyond its bytes, in the types that it is decoded into.
type weight struct {
	value   int64 // an object: what a pointer to it points to
	element int64 // each element of a list, each entry of a map
}

// A list grows by a quarter while the old one is still there, and a map by the double.
const (
	listGrowth = 2.25
	mapGrowth  = 3
	perEntry   = 64 // a quantity of a map has a number beside it
)

// Findings and what is said about them take up to four times as much as the objects that they are about, until there
// are as many as are kept (rules.Plan.Bounded).
const (
	timesJudged = 4
	mostJudged  = 1 << 20
)

// judged is what an object takes that takes so much to read.
func judged(takes int64) int64 { return takes + timesJudged*min(takes, mostJudged) }

// weights are those of each key by its name alone, the heaviest where it means several things.
var weights, heaviest = weigher()

func weigher() (map[string]weight, weight) {
	all, seen := map[string]weight{}, map[reflect.Type]bool{}
	for _, kind := range pod.OwnerKinds() {
		addWeights(all, seen, reflect.TypeOf(pod.NewObject(pod.APIVersion(kind), kind)))
	}
	addWeights(all, seen, reflect.TypeFor[corev1.ConfigMap]())
	var most weight
	for _, w := range all {
		most.value, most.element = max(most.value, w.value), max(most.element, w.element)
	}
	return all, most
}

// addWeights adds those of a type's fields, and of what is in them.
func addWeights(all map[string]weight, seen map[reflect.Type]bool, t reflect.Type) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || seen[t] {
		return
	}
	seen[t] = true
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name != "" && name != "-" {
			w, is := all[name], weightOf(f.Type)
			all[name] = weight{max(w.value, is.value), max(w.element, is.element)}
		}
		addWeights(all, seen, f.Type)
	}
}

func weightOf(t reflect.Type) weight {
	w := weight{}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
		w.value = int64(t.Size())
	}
	switch t.Kind() {
	case reflect.Slice:
		w.element = int64(float64(t.Elem().Size()) * listGrowth)
	case reflect.Map:
		w.element = int64(t.Key().Size()+t.Elem().Size())*mapGrowth + perEntry
	}
	return w
}

func weightUnder(key []byte) weight {
	if bytes.IndexByte(key, '\\') >= 0 { // the API server escapes none that means something
		return heaviest
	}
	return weights[string(key)]
}
