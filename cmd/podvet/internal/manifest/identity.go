package manifest

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/podvet/podvet/rules/custom"
	"github.com/podvet/podvet/rules/pod"
	"github.com/podvet/podvet/rules/policy/strict"
)

// fault says what is wrong with the apiVersion and kind of an object, and where; "" where nothing is, and where both
// are missing. title names the object.
func (w *walker) fault(root *yaml.Node, apiVersion, kind, title string) (at *yaml.Node, text string) {
	for _, key := range []string{"apiVersion", "kind"} {
		if wrong := misspelt(root, key); wrong != nil && !w.has(root, key) {
			return wrong, fmt.Sprintf("has the key %s, which Kubernetes does not know. Write %s.", wrong.Value, key)
		}
	}
	for _, key := range []string{"apiVersion", "kind"} {
		if k, value := w.pair(root, key, 0); value != nil {
			if words := strict.Placeholder(strict.Resolve(value)); words != "" {
				return k, prefixed(title) + key + " " + words
			}
		}
	}
	if at, text := w.notText(root, title); text != "" {
		return at, text
	}
	known := pod.OwnerKindLike(kind)
	current := pod.APIVersion(known)
	if current == "" {
		return w.ownFault(root, apiVersion, kind, title)
	}
	switch {
	case apiVersion == "":
		return root, fmt.Sprintf("%s has no apiVersion. Write apiVersion: %s.", title, current)
	case !OfKubernetes(apiVersion):
		return nil, ""
	case kind != known:
		return w.key(root, "kind"), fmt.Sprintf("%s: there is no kind %q. Write kind: %s.", title, kind, known)
	case apiVersion != current && custom.TemplatesOf(apiVersion, known) == nil: // nor had ever
		return w.key(root, "apiVersion"),
			fmt.Sprintf("%s: %s has no kind %s. Write apiVersion: %s.", title, apiVersion, known, current)
	}
	return nil, ""
}

// ownFault is fault for a kind that podvet does not judge: it may be Kubernetes' own, a list, or anyone's.
func (w *walker) ownFault(root *yaml.Node, apiVersion, kind, title string) (at *yaml.Node, text string) {
	own, suffix := ownKindLike(kind), ""
	if item, isList := strings.CutSuffix(strings.ToLower(kind), "list"); own == nil && isList {
		own, suffix = ownKindLike(item), "List"
	}
	switch {
	case kind == "" && apiVersion == "":
		return nil, ""
	case kind == "":
		return root, "has no kind. Write it beside apiVersion."
	case apiVersion == "" && own == nil:
		return root, "has no apiVersion. Write it beside kind."
	case own == nil:
		return nil, ""
	case apiVersion == "":
		return root, fmt.Sprintf("%s has no apiVersion. Write apiVersion: %s.", title, own.apiVersions[0])
	case !OfKubernetes(apiVersion):
		return nil, ""
	case kind != own.name+suffix:
		return w.key(root, "kind"),
			fmt.Sprintf("%s: there is no kind %q. Write kind: %s.", title, kind, own.name+suffix)
	case !own.takes(apiVersion):
		return w.key(root, "apiVersion"),
			fmt.Sprintf("%s: %s has no kind %s. Write apiVersion: %s.", title, apiVersion, kind, own.apiVersions[0])
	case strings.HasSuffix(kind, "List"):
		return w.badList(root, title)
	}
	return nil, ""
}

// notText says so of an apiVersion or a kind that is not text, "" where either is missing.
func (w *walker) notText(root *yaml.Node, title string) (at *yaml.Node, text string) {
	if !w.has(root, "apiVersion") || !w.has(root, "kind") {
		return nil, ""
	}
	for _, key := range []struct{ name, such string }{{"apiVersion", "apps/v1"}, {"kind", "Deployment"}} {
		k, value := w.pair(root, key.name, 0)
		if value = strict.Resolve(value); value.Kind != yaml.ScalarNode || value.Tag != "!!str" {
			return k, fmt.Sprintf("%s%s is %s. Write one such as %s.", prefixed(title), key.name,
				strict.Describe(value), key.such)
		}
	}
	return nil, ""
}

// badList says what is wrong with the items of a list that is not unpacked.
func (w *walker) badList(root *yaml.Node, title string) (at *yaml.Node, text string) {
	k, items := w.pair(root, "items", 0)
	switch wrong := misspelt(root, "items"); {
	case items == nil && wrong != nil:
		return wrong, fmt.Sprintf("%s has the key %s, which Kubernetes does not know. Write items.", title, wrong.Value)
	case items == nil:
		return root, title + " has no items. Write objects as a list under items."
	}
	items = strict.Resolve(items)
	place := "items"
	if items.Kind == yaml.SequenceNode {
		first := slices.IndexFunc(items.Content, func(n *yaml.Node) bool { return strict.Resolve(n).Tag != "!!null" })
		place, items = strict.Entry(place, first), strict.Resolve(items.Content[first])
	}
	return k, fmt.Sprintf("%s: %s is %s. Write objects as a list under items.", title, place, strict.Describe(items))
}

// prefixed is a title in front of what is said of its object.
func prefixed(title string) string {
	if title == "" {
		return ""
	}
	return title + ": "
}

// misspelt is a key that differs from one in its letter case alone; nil for none.
func misspelt(root *yaml.Node, key string) *yaml.Node {
	if root.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i < len(root.Content); i += 2 {
		if k := root.Content[i]; k.Value != key && strings.EqualFold(k.Value, key) {
			return k
		}
	}
	return nil
}

// has tells whether a key is written and has a value.
func (w *walker) has(n *yaml.Node, key string) bool {
	value := w.field(n, key)
	return value != nil && strict.Resolve(value).Tag != "!!null"
}

// key is the node of a key, the mapping where that is not written.
func (w *walker) key(n *yaml.Node, key string) *yaml.Node {
	if k, _ := w.pair(n, key, 0); k != nil {
		return k
	}
	return n
}
