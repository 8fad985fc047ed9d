package manifest

import (
	"cmp"
	"errors"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/podvet/podvet/rules/pod"
	"github.com/podvet/podvet/rules/policy/strict"
)

// mismatch is a value that does not fit its field, or why the whole object cannot be read.
type mismatch struct {
	place *yaml.Node
	text  string
}

// maxMismatches bounds how many are named of one object. Each costs a look at all of it.
const maxMismatches = 20

// quantities are read where that takes no time.
var quantities = json.UnmarshalFromFunc(func(d *jsontext.Decoder, q *resource.Quantity) error {
	value, err := d.ReadValue()
	if err != nil || !pod.QuantityReadable(value) {
		return err
	}
	return q.UnmarshalJSON(value)
})

// decode reads a tree into an object, and names every value that does not fit its field, in the order of their places:
// the decoder stops at the first, so that one is left out and the rest is read again.
func decode(w *walker, root *yaml.Node, object any) []mismatch {
	var found []mismatch
	without := map[*yaml.Node]bool{}
	for len(found) < maxMismatches {
		text := jsonWriter{walker: w, without: without, out: make([]byte, 0, 3<<10)} // most need no more
		if err := text.append(root); err != nil {
			return []mismatch{{root, err.Error()}}
		}
		err := json.Unmarshal(text.out, object, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true),
			json.WithUnmarshalers(quantities))
		if err == nil {
			break
		}
		one, value := explain(w, root, err)
		found = append(found, one)
		if value == nil || without[value] {
			break
		}
		without[value] = true
	}
	more := len(found) == maxMismatches
	slices.SortStableFunc(found, func(a, b mismatch) int {
		return cmp.Or(a.place.Line-b.place.Line, a.place.Column-b.place.Column)
	})
	if more {
		found = append(found, mismatch{root, "may hold more values that do not fit: fix these first"})
	}
	return found
}

// explain says what the decoder stopped at, and which value that is, where it is one.
func explain(w *walker, root *yaml.Node, err error) (mismatch, *yaml.Node) {
	semantic, ok := errors.AsType[*json.SemanticError](err)
	if !ok {
		return mismatch{root, "cannot be read: write it as the Kubernetes API reference does"}, nil
	}
	steps := slices.Collect(semantic.JSONPointer.Tokens())
	place, value := w.find(root, steps)
	if value == nil || len(steps) == 0 {
		text := " does not fit its field: write it as the Kubernetes API reference does"
		return mismatch{place, pathOf(steps) + text}, nil
	}
	value = strict.Resolve(value)
	return mismatch{place, pathOf(steps) + " " + strict.Misfit(value, semantic.GoType)}, value
}
