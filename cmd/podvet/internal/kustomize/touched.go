package kustomize

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/podvet/podvet/cmd/podvet/internal/stream"
	"github.com/podvet/podvet/rules/pod"
	"github.com/podvet/podvet/rules/policy/strict"
)

// touched is what a patch changes of what fixes stand on, and in which object, if the patch says so.
type touched struct {
	kind, name string   // "" for any
	containers []string // anyContainer for all of the pod; empty for nothing
	resources  []string // likewise containers whose resources it replaces: one loses its accelerator by that
	lists      bool     // it has a list of containers
	renames    renamed
}

const anyContainer = "*"

// anything is what a patch that cannot be read may change.
var anything = []touched{{containers: []string{anyContainer}, renames: renamed{true, true, true}}}

// touches tells whether the patch changes what fixes of an object's containers stand on. Of kinds whose schema it does
// not know kustomize replaces lists.
func (t touched) touches(o Object, id identity) meant {
	some := func(named, of []string) bool {
		return len(of) > 0 && slices.ContainsFunc(named, func(c string) bool {
			return c == anyContainer || slices.Contains(of, c)
		})
	}
	switch {
	case t.lists && pod.APIVersion(o.Kind) != o.APIVersion,
		some(t.containers, o.Containers), some(t.resources, o.Accelerated):
		return surely
	case t.lists && id.any.kind, id.any.containers &&
		(len(t.containers) > 0 || len(t.resources) > 0 && len(o.Accelerated) > 0):
		return perhaps
	}
	return no
}

// means tells whether a patch without a target is about an object.
func (t touched) means(o Object, id identity) meant {
	kind := t.kind == "" || t.kind == o.Kind
	name := t.name == "" || slices.Contains(id.names, t.name)
	switch {
	case !kind && !id.any.kind, !name && !id.any.name:
		return no
	case kind && name && t.kind+t.name != "":
		return surely
	}
	return perhaps
}

// judged are the fields of pods, containers and workloads that decide what is fixed, or that fixes write.
var judged = map[string]bool{
	"startupProbe": true, "livenessProbe": true, "readinessProbe": true, "lifecycle": true, "ports": true,
	"command": true, "args": true, "restartPolicy": true, "restartPolicyRules": true,
	"terminationGracePeriodSeconds": true, "activeDeadlineSeconds": true, "progressDeadlineSeconds": true, "os": true,
}

// above are the fields that hold judged ones.
var above = map[string]bool{"spec": true, "template": true, "jobTemplate": true}

var containerLists = map[string]bool{"containers": true, "initContainers": true}

// touchedBy reads a patch: strategic merge patches, each of which names its object, or a list of JSON 6902 operations.
func touchedBy(text []byte) []touched {
	roots, err := stream.ParseYAML(text)
	if err != nil {
		return anything
	}
	var all []touched
	for i := 0; i < len(roots); i++ {
		root := strict.Resolve(roots[i])
		if items := fieldOf(root, "items"); items != nil && strings.HasSuffix(valueOf(root, "kind"), "List") {
			if roots = append(roots, strict.Resolve(items).Content...); len(roots) > maxPatchSteps {
				return anything
			}
			continue
		}
		r := patchReader{left: maxPatchSteps}
		if root.Kind == yaml.SequenceNode {
			r.operations(root)
		} else {
			r.kind = valueOf(root, "kind")
			if metadata := fieldOf(root, "metadata"); metadata != nil {
				r.name = valueOf(metadata, "name")
			}
			if valueOf(root, "$patch") != "delete" { // of an object that is not there nothing is wrong
				r.merge(root, anyContainer)
			}
		}
		if r.left < 0 {
			return anything
		}
		all = append(all, r.touched)
	}
	return all
}

// maxPatchSteps bounds the values that are looked at: aliases can multiply them without end.
const maxPatchSteps = 100_000

type patchReader struct {
	touched
	left int
}

func (r *patchReader) touch(container string) {
	if !slices.Contains(r.containers, container) {
		r.containers = append(r.containers, container)
	}
}

// merge reads a strategic merge patch of what holds containers, or of a container.
func (r *patchReader) merge(n *yaml.Node, container string) {
	n = strict.Resolve(n)
	for i := 0; i+1 < len(n.Content) && n.Kind == yaml.MappingNode; i += 2 {
		if r.left--; r.left < 0 {
			return
		}
		key, value := n.Content[i].Value, strict.Resolve(n.Content[i+1])
		directive := strings.HasPrefix(key, "$") && !strings.HasPrefix(key, "$setElementOrder/")
		switch {
		case key == "lifecycle": // the grace period is fixed for all, also for a container that comes with the patch
			r.touch(anyContainer)
		case judged[key], directive, n.Content[i].Tag == "!!merge",
			(above[key] || containerLists[key]) && value.Tag == "!!null",
			key == "resources" && namesDevice(value):
			r.touch(container)
		case key == "resources" && clears(value):
			r.resources = append(r.resources, container)
		case containerLists[key] && value.Kind == yaml.SequenceNode:
			r.lists = true
			for _, item := range value.Content {
				name := valueOf(item, "name")
				if name == "" {
					name = anyContainer
				}
				r.merge(item, name)
			}
		case above[key]:
			r.merge(value, container)
		}
	}
}

// operations reads the operations of a JSON 6902 patch. They name containers by their place, so any may be meant.
func (r *patchReader) operations(list *yaml.Node) {
	for _, op := range list.Content {
		if r.left--; r.left < 0 {
			return
		}
		steps := func(key string) []string {
			return strings.Split(strings.TrimPrefix(valueOf(op, key), "/"), "/")
		}
		value := fieldOf(op, "value")
		switch valueOf(op, "op") {
		case "remove":
			value = nothing
		case "copy", "move": // what comes is not known
			value = nil
			r.place(steps("from"), nothing)
		}
		r.place(steps("path"), value)
		r.rename(steps("path"))
	}
}

// nothing is the value of what is removed.
var nothing = &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null"}

// place takes up that what is at a path becomes a value, nil for one that is not known.
func (r *patchReader) place(path []string, value *yaml.Node) {
	last := path[len(path)-1]
	inList := len(path) > 1 && containerLists[path[len(path)-2]]
	at := slices.Index(path, "resources")
	whole := at >= 0 && at >= len(path)-2 // or one of its lists
	switch {
	case slices.ContainsFunc(path, func(step string) bool { return judged[step] }),
		last == "", above[last], containerLists[last],
		inList && (last != "-" || value == nil || fieldOf(value, "lifecycle") != nil), // - adds a container
		at >= 0 && slices.ContainsFunc(path[at:], func(step string) bool { return strings.ContainsAny(step, "/~") }),
		whole && (value == nil || namesDevice(value)):
		r.touch(anyContainer)
	case whole:
		r.resources = append(r.resources, anyContainer)
	}
}

// rename takes up that what is at a path changes, where later patches find an object or its containers by it.
func (r *patchReader) rename(path []string) {
	last, all := path[len(path)-1], path[0] == ""
	r.renames = r.renames.or(renamed{
		name:       all || path[0] == "metadata" && (len(path) == 1 || path[1] == "name" || path[1] == "namespace"),
		kind:       all || len(path) == 1 && (last == "kind" || last == "apiVersion"),
		containers: all || len(path) > 2 && containerLists[path[len(path)-3]] && last == "name",
	})
}

// clears tells whether a container's resources, or one of their lists, are taken away.
func clears(resources *yaml.Node) bool {
	return resources.Tag == "!!null" || resources.Kind == yaml.MappingNode &&
		slices.ContainsFunc(resources.Content, func(n *yaml.Node) bool { return strict.Resolve(n).Tag == "!!null" })
}

// namesDevice tells whether a container's resources may have one of a device plugin: these containers boot in minutes.
func namesDevice(n *yaml.Node) bool {
	n = strict.Resolve(n)
	for i := 0; i+1 < len(n.Content) && n.Kind == yaml.MappingNode; i += 2 {
		list := strict.Resolve(n.Content[i+1])
		for j := 0; j < len(list.Content); j += 2 {
			if strings.Contains(list.Content[j].Value, "/") || list.Content[j].Tag == "!!merge" {
				return true
			}
		}
		if key := n.Content[i]; strings.Contains(key.Value, "/") || strings.HasPrefix(key.Value, "$") ||
			key.Tag == "!!merge" {
			return true
		}
	}
	return false
}

// fieldOf is the value of a key of a mapping, nil for none.
func fieldOf(n *yaml.Node, key string) *yaml.Node {
	n = strict.Resolve(n)
	for i := 0; i+1 < len(n.Content) && n.Kind == yaml.MappingNode; i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

// valueOf is the text of a key of a mapping, "" for none.
func valueOf(n *yaml.Node, key string) string {
	if value := fieldOf(n, key); value != nil && strict.Resolve(value).Kind == yaml.ScalarNode {
		return strict.Resolve(value).Value
	}
	return ""
}
