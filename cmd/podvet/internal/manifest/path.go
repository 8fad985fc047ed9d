package manifest

import (
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/podvet/podvet/rules/policy/strict"
)

// find is the place of the node that steps lead to: of a mapping's field its key. Where that is absent it is the
// closest one above it that is written, and value is nil.
func (w *walker) find(root *yaml.Node, steps []string) (place, value *yaml.Node) {
	place, value = root, root
	for _, step := range steps {
		n := strict.Resolve(value)
		if index, err := strconv.Atoi(step); err == nil && n.Kind == yaml.SequenceNode {
			if index >= len(n.Content) {
				return place, nil
			}
			place, value = n.Content[index], n.Content[index]
			continue
		}
		key, field := w.pair(n, step, 0)
		if field == nil {
			return place, nil
		}
		place, value = key, field
	}
	return place, value
}

// steps takes a.b[2].c[key.with.dots] apart.
func steps(path string) (list []string) {
	for path != "" {
		end := strings.IndexAny(path, ".[")
		switch {
		case end < 0:
			return append(list, path)
		case end > 0:
			list = append(list, path[:end])
		}
		opens := path[end] == '['
		if path = path[end+1:]; opens {
			var inside string
			inside, path, _ = strings.Cut(path, "]")
			list = append(list, inside)
		}
	}
	return list
}

// pathOf writes steps as a.b[2].c, and a key that holds a dot or a slash in brackets, as the API server does.
func pathOf(steps []string) string {
	var path strings.Builder
	for _, step := range steps {
		if _, err := strconv.Atoi(step); err == nil || strings.ContainsAny(step, "./") {
			path.WriteString("[" + step + "]")
			continue
		}
		if path.Len() > 0 {
			path.WriteByte('.')
		}
		path.WriteString(step)
	}
	return path.String()
}
