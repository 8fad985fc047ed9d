package manifest

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// isAlias says of what text the value of a key is an alias.
func (d *Document) isAlias(key string, alias *yaml.Node) string {
	return fmt.Sprintf("%s is the alias *%s of line %d: write it out", key, alias.Value, d.chunk.LineOf(alias.Alias))
}

// broughtBy says which merge key brings a mapping a key.
func (d *Document) broughtBy(parent *yaml.Node, key string) string {
	for _, n := range parent.Content {
		if n.Tag == "!!merge" {
			return fmt.Sprintf("%s comes by the merge key of line %d: write it out", key, d.chunk.LineOf(n))
		}
	}
	return "its place is not found"
}

// maxAliases is how many aliases of one text are named.
const maxAliases = 5

// shared names the aliases that use a text in which nodes are.
func (d *Document) shared(within map[*yaml.Node]bool) string {
	var holds func(n *yaml.Node) bool
	holds = func(n *yaml.Node) bool {
		for _, child := range n.Content {
			if holds(child) {
				within[n] = true
			}
		}
		return within[n]
	}
	holds(d.tree)
	var names []string
	var find func(n *yaml.Node)
	find = func(n *yaml.Node) {
		if n.Kind == yaml.AliasNode && within[n.Alias] {
			names = append(names, fmt.Sprintf("*%s in line %d", n.Value, d.chunk.LineOf(n)))
		}
		for _, child := range n.Content {
			find(child)
		}
	}
	find(d.tree)
	switch {
	case len(names) == 0:
		return "its text cannot be changed without changing something else: do it by hand"
	case len(names) > maxAliases:
		names = append(names[:maxAliases], fmt.Sprintf("%d more", len(names)-maxAliases))
	}
	return "its text is also used by " + strings.Join(names, ", ") + ": write them out"
}
