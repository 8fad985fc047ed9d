package manifest

import (
	"cmp"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/podvet/podvet/cmd/podvet/internal/stream"
	"github.com/podvet/podvet/rules/pod"
	"github.com/podvet/podvet/rules/policy/strict"
)

// Document is one object of a manifest.
type Document struct {
	File       string
	Line       int // of the object
	APIVersion string
	Kind       string
	Object     pod.Object // nil for a kind that podvet does not vet, and when it is broken
	Broken     bool       // it is invalid; a Problem says why
	Other      bool       // it has neither apiVersion nor kind: it is not a Kubernetes object
	Source     string     // the template that it comes from, where helm says so in a comment

	root   *yaml.Node
	tree   *yaml.Node   // of the YAML document that the object is in
	chunk  stream.Chunk // that the nodes' places are in
	walker *walker      // of the chunk
	index  int          // among the objects of the chunk
}

// Parse reads the objects of a chunk, of a List each of its items. What cannot be read is a Problem; the rest
// is still returned.
func Parse(c stream.Chunk) ([]*Document, []Problem) {
	roots, problem := parseTrees(c)
	p := parser{Chunk: c.WithLineEnds(), walker: newWalker()}
	for _, root := range roots {
		p.tree = root
		if !p.walker.each(root, c.Listed, p.object) {
			p.fail(root, "holds more than %d objects once its aliases are expanded, or itself", maxObjects)
		}
		if p.walker.tired() {
			p.docs, p.problems = nil, nil
			p.fail(root, tooLarge)
			break
		}
	}
	if problem != nil {
		p.problems = append(p.problems, *problem)
	}
	return p.docs, slices.Compact(p.problems) // an alias may stand for thousands
}

type parser struct {
	stream.Chunk
	tree     *yaml.Node // that is read
	walker   *walker
	docs     []*Document
	mappings int // among the documents
	problems []Problem
}

func (p *parser) fail(n *yaml.Node, format string, args ...any) {
	p.problems = append(p.problems, Problem{File: p.File, Line: p.LineOf(n), Text: fmt.Sprintf(format, args...),
		Unsafe: true})
}

// object reads one object.
func (p *parser) object(n *yaml.Node, in stream.Listed) {
	d := &Document{File: p.File, Line: p.LineOf(n), Source: p.Source, root: n, tree: p.tree, chunk: p.Chunk,
		walker: p.walker, index: p.mappings}
	switch {
	case n.Kind == yaml.MappingNode:
		p.mappings++
		d.APIVersion, d.Kind = p.walker.scalar(n, "apiVersion"), p.walker.scalar(n, "kind")
		if d.Kind == "" || d.APIVersion == "" && d.Kind == in.Kind {
			d.APIVersion, d.Kind = cmp.Or(d.APIVersion, in.APIVersion), cmp.Or(d.Kind, in.Kind)
		}
	case n.Tag == "!!null":
		return
	}
	p.docs = append(p.docs, d)
	if d.HelmValues() { // where kind may be that of the chart's workload
		d.Kind, d.Other = "", true
		return
	}
	if at, fault := d.walker.fault(n, d.APIVersion, d.Kind, d.Title()); fault != "" {
		d.Broken = true
		p.fail(at, "%s", fault)
		return
	}
	d.Other = d.Kind == ""
	object := pod.NewObject(d.APIVersion, d.Kind)
	if object == nil {
		return
	}
	for _, wrong := range decode(p.walker, n, object) {
		d.Broken = true
		who := ""
		if wrong.place != n { // else it is about all of the object
			who = d.Title() + ": "
		}
		p.fail(wrong.place, "%s%s", who, wrong.text)
	}
	if !d.Broken {
		d.Object = object
	}
}

// Root is the whole object.
func (d *Document) Root() Node { return Node{d.root, d.walker} }

// Decode reads a part of the object, which stands at a path, into one of Kubernetes' types, and says what does not fit.
func (d *Document) Decode(path string, part Node, into any) (problems []Problem) {
	for _, wrong := range decode(d.walker, part.node, into) {
		joint := "."
		if wrong.place == part.node { // it is about all of the part
			joint = " "
		}
		problems = append(problems, Problem{File: d.File, Line: d.chunk.LineOf(wrong.place), Unsafe: true,
			Text: d.Title() + ": " + path + joint + wrong.text})
	}
	return problems
}

// At is the value at a path, and false where none is written.
func (d *Document) At(path string) (Node, bool) {
	_, value := d.walker.find(d.root, steps(path))
	return Node{value, d.walker}, value != nil
}

// LineOf is the line of the field at a path, or of what would hold it.
func (d *Document) LineOf(path string) int {
	place, _ := d.walker.find(d.root, steps(path))
	return d.chunk.LineOf(place)
}

// Placeholder says so of the value at a path that was left for a tool to replace, "" of any other.
func (d *Document) Placeholder(path string) string {
	if _, value := d.walker.find(d.root, steps(path)); value != nil {
		return strict.Placeholder(strict.Resolve(value))
	}
	return ""
}

// valuesFile is how people name files with values for a Helm chart.
var valuesFile = regexp.MustCompile(`(?i)^(.*[-_.])?values([-_.].*)?\.(ya?ml|json)$`)

// HelmValues tells whether the document holds values for a Helm chart and no object.
func (d *Document) HelmValues() bool {
	return d.root.Kind == yaml.MappingNode && !d.Has("apiVersion") && !d.Has("metadata") &&
		valuesFile.MatchString(filepath.Base(d.File))
}

// Title is the kind and the name, as far as they are known.
func (d *Document) Title() string { return strings.TrimSpace(d.Kind + " " + d.Name()) }

// Name is metadata.name, or what it will be generated from.
func (d *Document) Name() string { return d.metadata("name", "generateName") }

// Namespace is metadata.namespace.
func (d *Document) Namespace() string { return d.metadata("namespace") }

func (d *Document) metadata(keys ...string) string {
	metadata := d.walker.field(d.root, "metadata")
	if metadata == nil {
		return ""
	}
	for _, key := range keys {
		if value := d.walker.scalar(metadata, key); value != "" {
			return value
		}
	}
	return ""
}

// Has tells whether a key is written and has a value.
func (d *Document) Has(key string) bool { return d.walker.has(d.root, key) }
