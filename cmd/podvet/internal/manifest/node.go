package manifest

import (
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/podvet/podvet/rules/policy/strict"
)

// Node is a value in a document as kubectl reads it, with aliases and merge keys resolved.
type Node struct {
	node   *yaml.Node
	walker *walker
}

// Field is a key of a mapping and its value.
type Field struct {
	Key   string
	Value Node
}

// Has tells whether a key is written, whatever its value.
func (n Node) Has(key string) bool { return n.walker.field(n.node, key) != nil }

// Field is the value of a key, and false where none is written.
func (n Node) Field(key string) (Node, bool) {
	if !n.walker.has(n.node, key) {
		return Node{}, false
	}
	return Node{n.walker.field(n.node, key), n.walker}, true
}

// Text is the value of a key that is a scalar, "" for none.
func (n Node) Text(key string) string { return n.walker.scalar(n.node, key) }

// Entries are Items one by one.
func (n Node) Entries(yield func(n Node) bool) { slices.Values(n.Items())(yield) }

// Values are Fields one by one.
func (n Node) Values(yield func(key string, n Node) bool) {
	for _, field := range n.Fields() {
		if !yield(field.Key, field.Value) {
			return
		}
	}
}

// Items are the entries of a list; of anything else there are none.
func (n Node) Items() []Node {
	list := strict.Resolve(n.node)
	if list.Kind != yaml.SequenceNode || !n.walker.step(1+len(list.Content)) {
		return nil
	}
	items := make([]Node, len(list.Content))
	for i, item := range list.Content {
		items[i] = Node{item, n.walker}
	}
	return items
}

// Fields are those of a mapping in the order of the text, then those that its merge keys bring and it has not. Of a key
// that is written twice it is the last. Anything but a mapping has none.
func (n Node) Fields() []Field { return n.fields(nil, map[string]bool{}, 0) }

func (n Node) fields(list []Field, written map[string]bool, depth int) []Field {
	mapping := strict.Resolve(n.node)
	if mapping.Kind != yaml.MappingNode || depth > 100 || !n.walker.step(1+len(mapping.Content)) {
		return list
	}
	start := len(list)
	list = slices.Grow(list, len(mapping.Content)/2)
	for i := len(mapping.Content) - 2; i >= 0; i -= 2 {
		key := mapping.Content[i]
		if key.Tag != "!!merge" && !written[key.Value] {
			written[key.Value] = true
			list = append(list, Field{key.Value, Node{mapping.Content[i+1], n.walker}})
		}
	}
	slices.Reverse(list[start:])
	for _, one := range merged(mapping) {
		list = Node{one, n.walker}.fields(list, written, depth+1)
	}
	return list
}
