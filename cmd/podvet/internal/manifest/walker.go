package manifest

import (
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/podvet/podvet/cmd/podvet/internal/stream"
	"github.com/podvet/podvet/rules/policy/strict"
)

// walker walks the nodes of a chunk, and bounds its steps: aliases and merge keys can multiply them without end.
type walker struct{ left int }

// maxSteps is far above what a chunk of the greatest length takes without aliases.
const maxSteps = 1 << 27

const tooLarge = "is too large once its aliases are expanded"

func newWalker() *walker { return &walker{left: maxSteps} }

// step tells whether so many steps were left.
func (w *walker) step(n int) bool {
	w.left -= n
	return w.left >= 0
}

// tired tells whether more steps were asked for than were left.
func (w *walker) tired() bool { return w.left < 0 }

// maxObjects bounds the objects of one document, which aliases could multiply.
const maxObjects = 100_000

// each visits the objects of a tree, those of a List one by one, and returns false when there is no end to them.
func (w *walker) each(n *yaml.Node, in stream.Listed, visit func(*yaml.Node, stream.Listed)) bool {
	left := maxObjects
	return w.eachWithin(n, in, 100, &left, visit)
}

func (w *walker) eachWithin(
	n *yaml.Node, in stream.Listed, depth int, left *int, visit func(*yaml.Node, stream.Listed),
) bool {
	if *left--; depth == 0 || *left < 0 {
		return false
	}
	n = strict.Resolve(n)
	list := n
	if kind := w.scalar(n, "kind"); n.Kind == yaml.MappingNode && strings.HasSuffix(kind, "List") {
		// Where the first item is no object, this is some kind with a field of this name, or a list with a mistake.
		if items := w.field(n, "items"); items != nil && holdsObjects(strict.Resolve(items)) {
			if list = strict.Resolve(items); list.Kind != yaml.SequenceNode {
				return true // none
			}
			in = stream.ItemsOf(w.scalar(n, "apiVersion"), kind)
		}
	}
	if list.Kind != yaml.SequenceNode {
		visit(n, in)
		return true
	}
	for _, item := range list.Content {
		if !w.eachWithin(item, in, depth-1, left, visit) {
			return false
		}
	}
	return true
}

// holdsObjects tells whether items are those of a list. There may be none, and a template may leave an empty one.
func holdsObjects(items *yaml.Node) bool {
	if items.Kind != yaml.SequenceNode {
		return items.Tag == "!!null"
	}
	for _, item := range items.Content {
		if item = strict.Resolve(item); item.Tag != "!!null" {
			return item.Kind != yaml.ScalarNode
		}
	}
	return true
}

// field is the value of a key in a mapping, also one that a merge key brings; nil when there is none.
func (w *walker) field(n *yaml.Node, key string) *yaml.Node {
	_, value := w.pair(n, key, 0)
	return value
}

// pair is a key and its value. Where a key stands twice the last one counts, as it does for kubectl.
func (w *walker) pair(n *yaml.Node, key string, depth int) (k, v *yaml.Node) {
	n = strict.Resolve(n)
	if n.Kind != yaml.MappingNode || depth > 100 || !w.step(1+len(n.Content)) {
		return nil, nil
	}
	for i := len(n.Content) - 2; i >= 0; i -= 2 {
		if n.Content[i].Value == key && n.Content[i].Tag != "!!merge" {
			return n.Content[i], n.Content[i+1]
		}
	}
	for _, one := range merged(n) {
		if k, v := w.pair(one, key, depth+1); v != nil {
			return k, v
		}
	}
	return nil, nil
}

// merged are what the merge keys of a mapping name, in their order: mappings, where the text is sound.
func merged(n *yaml.Node) (list []*yaml.Node) {
	for i := 0; i < len(n.Content); i += 2 {
		if n.Content[i].Tag != "!!merge" {
			continue
		}
		if one := strict.Resolve(n.Content[i+1]); one.Kind == yaml.SequenceNode {
			list = append(list, one.Content...)
		} else {
			list = append(list, one)
		}
	}
	return list
}

func (w *walker) scalar(n *yaml.Node, key string) string {
	if v := w.field(n, key); v != nil && strict.Resolve(v).Kind == yaml.ScalarNode {
		return strict.Resolve(v).Value
	}
	return ""
}
