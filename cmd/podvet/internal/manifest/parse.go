package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"go.yaml.in/yaml/v3"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/policy"
)

// Document is one object of a manifest.
type Document struct {
	File       string
	Line       int // of the object
	APIVersion string
	Kind       string
	Object     rules.Object // nil for a kind that podvet does not vet, and when it is broken
	Broken     bool         // it cannot be read; a Problem says why

	root   *yaml.Node
	chunk  Chunk   // that the nodes' places are in
	effort *effort // that is left for the chunk
	index  int     // among the objects of the chunk
}

// maxNodes bounds what the aliases of an object can expand to.
const maxNodes = 1 << 20

// effort bounds the visits to the nodes of a chunk, which aliases and merge keys can multiply without end. It is far
// above what a chunk of the greatest length costs without them.
type effort int

const maxEffort effort = 1 << 27

func newEffort() *effort {
	e := maxEffort
	return &e
}

// spend tells whether so much is left.
func (e *effort) spend(n int) bool {
	*e -= effort(n)
	return *e >= 0
}

const tooLarge = "is too large once its aliases are expanded"

// Parse reads the objects of a chunk, of a List each of its items. What cannot be read is a Problem; the rest
// is still returned.
func Parse(c Chunk) ([]*Document, []Problem) {
	roots, problem := parseNodes(c)
	c.odd = !c.JSON && slices.ContainsFunc(oddBreaks, func(b []byte) bool { return bytes.Contains(c.Text, b) })
	p := parser{Chunk: c, effort: newEffort()}
	for _, root := range roots {
		if !p.effort.each(root, p.object) {
			p.fail(root, "holds more than %d objects once its aliases are expanded, or itself", maxObjects)
		}
		if *p.effort < 0 {
			p.docs, p.problems = nil, nil
			p.fail(root, tooLarge)
			break
		}
	}
	if problem != nil {
		p.problems = append(p.problems, *problem)
	}
	return p.docs, p.problems
}

type parser struct {
	Chunk
	effort   *effort
	docs     []*Document
	problems []Problem
}

func (p *parser) fail(n *yaml.Node, format string, args ...any) {
	p.problems = append(p.problems, Problem{File: p.File, Line: p.line(n), Text: fmt.Sprintf(format, args...)})
}

// maxObjects bounds the objects of one document, which aliases could multiply.
const maxObjects = 100_000

// each visits the objects of a tree, those of a List one by one, and returns false when there is no end to them.
func (e *effort) each(n *yaml.Node, visit func(*yaml.Node)) bool {
	left := maxObjects
	return e.eachWithin(n, 100, &left, visit)
}

func (e *effort) eachWithin(n *yaml.Node, depth int, left *int, visit func(*yaml.Node)) bool {
	if *left--; depth == 0 || *left < 0 {
		return false
	}
	n = resolve(n)
	list := n
	if n.Kind == yaml.MappingNode && strings.HasSuffix(e.scalar(n, "kind"), "List") {
		// Where the first item is no object, this is some kind with a field of this name.
		if items := e.field(n, "items"); items != nil && !startsWithScalar(resolve(items)) {
			list = resolve(items)
		}
	}
	if list.Kind != yaml.SequenceNode {
		visit(n)
		return true
	}
	for _, item := range list.Content {
		if !e.eachWithin(item, depth-1, left, visit) {
			return false
		}
	}
	return true
}

func startsWithScalar(list *yaml.Node) bool {
	if list.Kind != yaml.SequenceNode {
		return false
	}
	for _, item := range list.Content {
		if item = resolve(item); item.Tag != "!!null" { // a template may leave an empty item
			return item.Kind == yaml.ScalarNode
		}
	}
	return false
}

// object reads one object.
func (p *parser) object(n *yaml.Node) {
	if n.Kind != yaml.MappingNode {
		if n.Tag != "!!null" {
			p.fail(n, "is no object: a manifest has apiVersion, kind and metadata")
		}
		return
	}
	d := &Document{File: p.File, Line: p.line(n), root: n, chunk: p.Chunk, effort: p.effort, index: len(p.docs),
		APIVersion: p.effort.scalar(n, "apiVersion"), Kind: p.effort.scalar(n, "kind")}
	p.docs = append(p.docs, d)
	if d.Object = rules.NewObject(d.APIVersion, d.Kind); d.Object == nil {
		return
	}
	text := toJSON{effort: p.effort}
	if err := text.append(n); err != nil {
		d.Object, d.Broken = nil, true
		p.fail(n, "%v", err)
		return
	}
	err := json.Unmarshal(text.out, d.Object, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if err == nil {
		return
	}
	d.Object, d.Broken = nil, true
	at, reason := n, err.Error()
	if semantic, ok := errors.AsType[*json.SemanticError](err); ok {
		path := pathOf(semantic.JSONPointer)
		at = d.find(path)
		reason = path + " cannot be read"
		if semantic.JSONKind != 0 {
			reason = path + " is " + kindWords[semantic.JSONKind] + ", which does not fit the field"
			if bytes.Contains(p.Text, []byte("{{")) {
				reason += " (a template has to be rendered first)"
			}
		}
		if semantic.Err != nil {
			reason += ": " + semantic.Err.Error()
		}
	}
	p.fail(at, "%s", reason)
}

var kindWords = map[jsontext.Kind]string{'n': "null", 't': "true", 'f': "false", '"': "a string", '0': "a number", '{': "a mapping", '[': "a list"}

// parseNodes reads the chunk as trees: of one document mostly, of none in comments, of several where lines end as
// only YAML ends them, or where "..." ends a document. Those before a problem are still returned.
func parseNodes(c Chunk) ([]*yaml.Node, *Problem) {
	if c.JSON {
		root, problem := parseJSON(c)
		if problem != nil {
			return nil, problem
		}
		return []*yaml.Node{root}, nil
	}
	text := c.Text
	if bytes.LastIndex(text, bom) > 0 { // of a file that was joined to others
		text = bytes.ReplaceAll(text, bom, nil)
	}
	roots, err := parseYAML(text)
	if err == nil {
		return roots, nil
	}
	line, reason := policy.SyntaxError(err)
	if strings.Contains(reason, "tab character") {
		line = tabLine(text, line)
	}
	line = c.Line - 1 + min(max(line, 1), bytes.Count(c.Text, []byte("\n"))+1) // the library may name a line after the last
	switch {
	case bytes.Contains(c.Text, []byte("{{")):
		reason += " (a template has to be rendered first)"
	case strings.Contains(reason, "tab character") || strings.Contains(reason, "cannot start any token"):
		reason += " (indent with spaces)"
	case strings.Contains(reason, "expected <document start>"):
		reason = "text follows the end of the document: write --- on a line between documents"
	}
	return roots, &Problem{File: c.File, Line: line, Text: "is not YAML: " + reason}
}

// tabLine is the first line from about where the library says that is indented with a tab: it names the line before.
func tabLine(text []byte, about int) int {
	line := 0
	for content := range bytes.Lines(text) {
		line++
		if indent := content[:len(content)-len(bytes.TrimLeft(content, " \t"))]; line >= about && bytes.IndexByte(indent, '\t') >= 0 {
			return line
		}
	}
	return about
}

func parseYAML(text []byte) (roots []*yaml.Node, err error) {
	d := yaml.NewDecoder(bytes.NewReader(text))
	for {
		var doc yaml.Node
		switch err := d.Decode(&doc); {
		case errors.Is(err, io.EOF):
			return roots, nil
		case err != nil:
			return roots, err
		case len(doc.Content) > 0:
			roots = append(roots, doc.Content[0])
		}
	}
}

// parseJSON builds the same tree from JSON: a YAML parser takes most JSON, but not all of it.
func parseJSON(c Chunk) (*yaml.Node, *Problem) {
	text := bytes.TrimPrefix(c.Text, bom)
	b := jsonBuilder{d: newDecoder(bytes.NewReader(text)), text: text, line: 1}
	n, err := b.value()
	if err != nil {
		return nil, &Problem{File: c.File, Line: c.Line - 1 + b.line, Text: "is not JSON: " + err.Error()}
	}
	return n, nil
}

type jsonBuilder struct {
	d           *jsontext.Decoder
	text        []byte
	at          int // up to where lines are counted
	line        int
	startOfLine int
}

// node is a new node at the place of the token or value that was read last.
func (b *jsonBuilder) node(kind yaml.Kind, tag, value string, length int) *yaml.Node {
	offset := int(b.d.InputOffset()) - length
	for ; b.at < offset; b.at++ {
		if b.text[b.at] == '\n' {
			b.line++
			b.startOfLine = b.at + 1
		}
	}
	return &yaml.Node{Kind: kind, Tag: tag, Value: value, Style: yaml.FlowStyle,
		Line: b.line, Column: len([]rune(string(b.text[b.startOfLine:offset]))) + 1}
}

func (b *jsonBuilder) value() (*yaml.Node, error) {
	switch kind := b.d.PeekKind(); kind {
	case '{', '[':
		if _, err := b.d.ReadToken(); err != nil {
			return nil, err
		}
		n := b.node(yaml.MappingNode, "!!map", "", 1)
		if kind == '[' {
			n.Kind, n.Tag = yaml.SequenceNode, "!!seq"
		}
		for b.d.PeekKind() != '}' && b.d.PeekKind() != ']' {
			child, err := b.value()
			if err != nil {
				return nil, err
			}
			n.Content = append(n.Content, child)
		}
		_, err := b.d.ReadToken()
		return n, err
	default:
		raw, err := b.d.ReadValue()
		if err != nil {
			return nil, err
		}
		n := b.node(yaml.ScalarNode, "!!null", string(raw), len(raw))
		switch kind {
		case '"':
			// The error tells of what is no character, such as half a pair: read as the replacement character.
			unquoted, _ := jsontext.AppendUnquote(nil, raw)
			n.Tag, n.Value, n.Style = "!!str", string(unquoted), yaml.DoubleQuotedStyle
		case '0':
			n.Tag = "!!int"
			if bytes.ContainsAny(raw, ".eE") {
				n.Tag = "!!float"
			}
		case 't', 'f':
			n.Tag = "!!bool"
		}
		return n, nil
	}
}

func resolve(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

// field is the value of a key in a mapping, also one that a merge key brings; nil when there is none.
func (e *effort) field(n *yaml.Node, key string) *yaml.Node {
	_, value := e.pair(n, key, 0)
	return value
}

// pair is a key and its value. Where a key stands twice the last one counts, as it does for kubectl.
func (e *effort) pair(n *yaml.Node, key string, depth int) (k, v *yaml.Node) {
	n = resolve(n)
	if n.Kind != yaml.MappingNode || depth > 100 || !e.spend(1+len(n.Content)) {
		return nil, nil
	}
	for i := len(n.Content) - 2; i >= 0; i -= 2 {
		if n.Content[i].Value == key && n.Content[i].Tag != "!!merge" {
			return n.Content[i], n.Content[i+1]
		}
	}
	for i := 0; i < len(n.Content); i += 2 {
		if n.Content[i].Tag != "!!merge" {
			continue
		}
		merged := resolve(n.Content[i+1])
		if merged.Kind == yaml.SequenceNode {
			for _, one := range merged.Content {
				if k, v := e.pair(one, key, depth+1); v != nil {
					return k, v
				}
			}
		} else if k, v := e.pair(merged, key, depth+1); v != nil {
			return k, v
		}
	}
	return nil, nil
}

func (e *effort) scalar(n *yaml.Node, key string) string {
	if v := e.field(n, key); v != nil && resolve(v).Kind == yaml.ScalarNode {
		return resolve(v).Value
	}
	return ""
}

// find is the node at a path such as spec.containers[0].livenessProbe, for a mapping its key; where that is
// absent the closest one above it that is written.
func (d *Document) find(path string) *yaml.Node {
	place, n := d.root, d.root
	for _, step := range steps(path) {
		n = resolve(n)
		if index, err := strconv.Atoi(step); err == nil && n.Kind == yaml.SequenceNode {
			if index >= len(n.Content) {
				return place
			}
			place, n = n.Content[index], n.Content[index]
			continue
		}
		key, value := d.effort.pair(n, step, 0)
		if value == nil {
			return place
		}
		place, n = key, value
	}
	return place
}

// LineOf is the line of the field at a path, or of what would hold it.
func (d *Document) LineOf(path string) int { return d.chunk.line(d.find(path)) }

// line is the line in the file of a node, as editors count.
func (c Chunk) line(n *yaml.Node) int {
	if !c.odd {
		return c.Line - 1 + n.Line
	}
	return c.Line + bytes.Count(c.Text[:c.start(n.Line)], []byte{'\n'})
}

// oddBreaks are what ends a line in YAML beside the line feed. (A carriage return before one is the same end.)
var oddBreaks = [][]byte{{'\r'}, []byte("\u0085"), []byte("\u2028"), []byte("\u2029")}

// start is where a line begins in the text, lines counted from 1 as the chunk's parser counts them.
func (c Chunk) start(line int) int {
	offset := 0
	for ; line > 1 && offset < len(c.Text); line-- {
		next := bytes.IndexByte(c.Text[offset:], '\n')
		if next < 0 {
			next = len(c.Text) - offset
		} else {
			next++
		}
		if c.odd {
			for _, b := range oddBreaks {
				// A carriage return that a line feed follows ends the line with it.
				if i := bytes.Index(c.Text[offset:offset+next], b); i >= 0 && i+len(b) < next-1 || i >= 0 && b[0] != '\r' {
					next = i + len(b)
				}
			}
		}
		offset += next
	}
	return min(offset, len(c.Text))
}

// steps takes a.b[2].c apart. Keys of maps, which may hold dots, are not needed.
func steps(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == '.' || r == '[' || r == ']' })
}

// pathOf turns /spec/containers/0 into spec.containers[0].
func pathOf(pointer jsontext.Pointer) string {
	var path strings.Builder
	for token := range pointer.Tokens() {
		if _, err := strconv.Atoi(token); err == nil {
			path.WriteString("[" + token + "]")
			continue
		}
		if path.Len() > 0 {
			path.WriteByte('.')
		}
		path.WriteString(token)
	}
	return path.String()
}

// toJSON writes a tree as JSON with aliases and merge keys resolved, reading scalars as kubectl does.
type toJSON struct {
	effort *effort
	out    []byte
	nodes  int
	depth  int
}

// visit counts a node of so many children, and what is written.
func (t *toJSON) visit(n int) error {
	if t.nodes++; t.nodes > maxNodes || len(t.out) > 2*maxDocument || !t.effort.spend(1+n) {
		return errors.New(tooLarge)
	}
	return nil
}

func (t *toJSON) append(n *yaml.Node) error {
	n = resolve(n)
	if err := t.visit(len(n.Value)); err != nil {
		return err
	}
	if t.depth++; t.depth > 1000 {
		return errors.New("is nested too deep, or holds itself by an alias")
	}
	defer func() { t.depth-- }()
	switch n.Kind {
	case yaml.MappingNode:
		t.out = append(t.out, '{')
		if err := t.fields(n, map[string]bool{}); err != nil {
			return err
		}
		if t.out[len(t.out)-1] == ',' {
			t.out = t.out[:len(t.out)-1]
		}
		t.out = append(t.out, '}')
	case yaml.SequenceNode:
		t.out = append(t.out, '[')
		for i, item := range n.Content {
			if i > 0 {
				t.out = append(t.out, ',')
			}
			if err := t.append(item); err != nil {
				return err
			}
		}
		t.out = append(t.out, ']')
	case yaml.ScalarNode:
		return t.scalar(n)
	default:
		t.out = append(t.out, "null"...)
	}
	return nil
}

// fields writes a mapping's own fields, then those that its merge keys bring and it has not. Each field ends
// with a comma.
func (t *toJSON) fields(n *yaml.Node, written map[string]bool) error {
	if err := t.visit(len(n.Content)); err != nil {
		return err
	}
	for i := len(n.Content) - 2; i >= 0; i -= 2 {
		key := n.Content[i]
		if key.Tag == "!!merge" || written[key.Value] {
			continue
		}
		written[key.Value] = true
		t.quote(key.Value)
		t.out = append(t.out, ':')
		if err := t.append(n.Content[i+1]); err != nil {
			return err
		}
		t.out = append(t.out, ',')
	}
	for i := 0; i < len(n.Content); i += 2 {
		if n.Content[i].Tag != "!!merge" {
			continue
		}
		merged := []*yaml.Node{resolve(n.Content[i+1])}
		if merged[0].Kind == yaml.SequenceNode {
			merged = merged[0].Content
		}
		for _, one := range merged {
			if one = resolve(one); one.Kind == yaml.MappingNode {
				if err := t.fields(one, written); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (t *toJSON) scalar(n *yaml.Node) error {
	switch n.Tag {
	case "!!null":
		t.out = append(t.out, "null"...)
	case "!!int", "!!float":
		if f, err := strconv.ParseFloat(n.Value, 64); err == nil && n.Tag == "!!float" && f == math.Trunc(f) && math.Abs(f) < 1<<53 {
			t.out = strconv.AppendInt(t.out, int64(f), 10) // 10.0 and 1e1 are whole numbers to kubectl
			return nil
		}
		if jsontext.Value(n.Value).IsValid() {
			t.out = append(t.out, n.Value...)
			return nil
		}
		var number any // octal, hexadecimal, with underscores, .inf
		_ = n.Decode(&number)
		if text := fmt.Sprint(number); number != nil && jsontext.Value(text).IsValid() {
			t.out = append(t.out, text...)
		} else {
			t.quote(n.Value)
		}
	case "!!bool":
		t.out = strconv.AppendBool(t.out, strings.EqualFold(n.Value, "true"))
	default:
		if n.Style == 0 { // plain: kubectl reads YAML 1.1
			switch n.Value {
			case "y", "Y", "yes", "Yes", "YES", "on", "On", "ON":
				t.out = append(t.out, "true"...)
				return nil
			case "n", "N", "no", "No", "NO", "off", "Off", "OFF":
				t.out = append(t.out, "false"...)
				return nil
			}
		}
		t.quote(n.Value)
	}
	return nil
}

func (t *toJSON) quote(s string) {
	quoted, err := jsontext.AppendQuote(t.out, s)
	if err != nil { // broken UTF-8 is mended, and the error tells
		quoted, _ = jsontext.AppendQuote(t.out, strings.ToValidUTF8(s, "\uFFFD"))
	}
	t.out = quoted
}

// Name is metadata.name, or what it will be generated from.
func (d *Document) Name() string { return d.metadata("name", "generateName") }

// Namespace is metadata.namespace.
func (d *Document) Namespace() string { return d.metadata("namespace") }

func (d *Document) metadata(keys ...string) string {
	metadata := d.effort.field(d.root, "metadata")
	if metadata == nil {
		return ""
	}
	for _, key := range keys {
		if value := d.effort.scalar(metadata, key); value != "" {
			return value
		}
	}
	return ""
}
