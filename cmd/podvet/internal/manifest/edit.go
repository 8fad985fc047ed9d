package manifest

import (
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/podvet/podvet/rules"
)

// edit turns an operation into an edit of the text, where that is safe.
func (d *Document) edit(op rules.Operation) (Edit, *obstacle) {
	parent, key, obstacle := d.parentOf(op)
	if obstacle != nil {
		return Edit{}, obstacle
	}
	if value := own(parent, key); value != nil {
		return d.replace(parent, value, key, op.Value)
	}
	return d.insert(parent, key, op.Value)
}

// unescaped reads a step of a JSON Pointer (RFC 6901).
var unescaped = strings.NewReplacer("~1", "/", "~0", "~")

// stepsOf are those of an operation's path.
func stepsOf(op rules.Operation) []string {
	steps := strings.Split(strings.TrimPrefix(op.Path, "/"), "/")
	for i, step := range steps {
		steps[i] = unescaped.Replace(step)
	}
	return steps
}

// parentOf is the mapping that an operation changes a key of.
func (d *Document) parentOf(op rules.Operation) (parent *yaml.Node, key string, why *obstacle) {
	steps := stepsOf(op)
	parent = d.root
	for _, step := range steps[:len(steps)-1] {
		next := own(parent, step)
		switch {
		case next == nil && parent.Kind == yaml.SequenceNode:
			return nil, "", d.obstacle(parent, "its place is not found")
		case next == nil:
			return nil, "", d.obstacle(parent, d.broughtBy(parent, step))
		case next.Kind == yaml.AliasNode:
			return nil, "", d.obstacle(next, d.isAlias(step, next))
		}
		parent = next
	}
	if parent.Kind != yaml.MappingNode {
		return nil, "", d.obstacle(parent, "its place is not found")
	}
	return parent, steps[len(steps)-1], nil
}

// own is what stands in a node itself: the value of a key, or an entry of a list.
func own(n *yaml.Node, step string) *yaml.Node {
	if n.Kind == yaml.SequenceNode {
		if index, err := strconv.Atoi(step); err == nil && index >= 0 && index < len(n.Content) {
			return n.Content[index]
		}
		return nil
	}
	for i := len(n.Content) - 2; i >= 0 && n.Kind == yaml.MappingNode; i -= 2 {
		if n.Content[i].Value == step && n.Content[i].Tag != "!!merge" {
			return n.Content[i+1]
		}
	}
	return nil
}
