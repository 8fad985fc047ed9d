package strict

import (
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Places is what is written at each path, such as scopes[0].match.
type Places map[string]*yaml.Node

// Nearest is what is written at a path, or at the closest path above it.
func (p Places) Nearest(path string) *yaml.Node {
	for {
		if n, ok := p[path]; ok || path == "" {
			return n
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
}

// Line is where a value is written, 0 where it is not, and where all of it is in comments.
func (p Places) Line(path string) int {
	n := p[path]
	if n == nil || isNull(Resolve(n)) {
		return 0
	}
	return n.Line
}

// Resolve follows an alias to what it stands for, which is no alias: YAML takes no anchor there.
func Resolve(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

func isNull(n *yaml.Node) bool { return n.Tag == "!!null" }

// Describe says in a few words what is written.
func Describe(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case isNull(n):
		return "empty"
	case n.Tag == "!!str":
		return strconv.Quote(n.Value)
	}
	return n.Value
}
