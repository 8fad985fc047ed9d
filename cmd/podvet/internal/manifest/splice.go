package manifest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	sigsyaml "sigs.k8s.io/yaml"

	"github.com/podvet/podvet/rules"
)

// Repaired says what was repaired in one object.
type Repaired struct {
	Line  int
	Kind  string
	Name  string
	Fixed []rules.Fixed
}

// Repair works out the edits of a file's text that apply the fixes which the plan of each object turns on. Every byte
// that no fix touches stays. An object whose fixes cannot be spliced in safely is left alone, with a Problem that
// names the line. The text is read as Split reads it, and no more of it is held; progress is told of each document.
func Repair(file string, r io.Reader, planFor func(*rules.Subject) *rules.Plan, progress func()) (edits []Edit, repaired []Repaired, problems []Problem) {
	Split(file, r, func(chunk Chunk, err error) bool {
		progress()
		if err != nil {
			problems = append(problems, AsProblem(file, err))
			return true
		}
		all, errs := repairChunk(chunk, planFor)
		problems = append(problems, errs...)
		for _, e := range editsOf(all) {
			e.Offset += chunk.offset
			edits = append(edits, e)
		}
		for _, r := range all {
			repaired = append(repaired, Repaired{Line: r.doc.Line, Kind: r.doc.Kind, Name: r.doc.Name(), Fixed: r.fixed})
		}
		return true
	})
	return edits, repaired, problems
}

func repairChunk(chunk Chunk, planFor func(*rules.Subject) *rules.Plan) (all []repair, problems []Problem) {
	docs, problems := Parse(chunk)
	seen := map[*yaml.Node]bool{}
	for _, doc := range docs {
		if doc.Object == nil || seen[doc.root] { // an alias: it is the text of the one before
			continue
		}
		seen[doc.root] = true
		r, problem := doc.repair(planFor)
		if problem != nil {
			problems = append(problems, *problem)
		} else if r != nil {
			all = append(all, *r)
		}
	}
	// All at once, and only where that goes wrong one by one: each look reads the whole chunk.
	if !verify(chunk, all) {
		all = slices.DeleteFunc(all, func(r repair) bool {
			safe := verify(chunk, []repair{r})
			if !safe {
				problems = append(problems, *r.unsafe(r.doc.chunk.Line+newlines(chunk.Text[:r.edits[0].Offset]),
					"its text cannot be changed without changing something else: do it by hand"))
			}
			return !safe
		})
	}
	return all, problems
}

// repair is what fixes one object: operations, and the edits of the text that make them.
type repair struct {
	doc   *Document
	fixed []rules.Fixed
	ops   []rules.Operation
	edits []Edit
}

// unsafe says why and where the object is left to people.
func (r *repair) unsafe(line int, reason string) *Problem {
	var ids []string
	for _, f := range r.fixed {
		if !slices.Contains(ids, f.Rule.ID) {
			ids = append(ids, f.Rule.ID)
		}
	}
	return &Problem{File: r.doc.File, Line: line, Unsafe: true,
		Text: fmt.Sprintf("%s %s is not fixed (%s): %s", r.doc.Kind, r.doc.Name(), strings.Join(ids, ", "), reason)}
}

// bom is the byte order mark that some editors put before a text.
var bom = []byte("\xef\xbb\xbf")

// Edit replaces Length bytes at an offset.
type Edit struct {
	Offset, Length int
	Text           string
}

// editsOf are the repairs' edits in the order of their places. Of two insertions at one place the first comes first.
func editsOf(repairs []repair) []Edit {
	var edits []Edit
	for _, r := range repairs {
		edits = append(edits, r.edits...)
	}
	slices.SortStableFunc(edits, func(a, b Edit) int { return a.Offset - b.Offset })
	return edits
}

// Splice is the text with the edits made, which are in the order of their places.
func Splice(text []byte, edits []Edit) []byte {
	out := make([]byte, 0, len(text)+256*len(edits))
	at := 0
	for _, e := range edits {
		out = append(out, text[at:e.Offset]...)
		out = append(out, e.Text...)
		at = e.Offset + e.Length
	}
	return append(out, text[at:]...)
}

// repair works out the edits that fix an object; nil where there is nothing to fix.
func (d *Document) repair(planFor func(*rules.Subject) *rules.Plan) (*repair, *Problem) {
	object := d.Object.DeepCopyObject().(rules.Object)
	rules.Default(object)
	if invalid := rules.Invalid(object); len(invalid) > 0 {
		return nil, d.Refused(invalid[0])
	}
	subject, ok := rules.SubjectOf(object)
	if !ok {
		return nil, nil
	}
	plan := planFor(subject)
	result := rules.Vet(subject, plan)
	if plan.Dry() || len(result.Fixed) == 0 {
		return nil, nil
	}
	r := &repair{doc: d, fixed: result.Fixed, ops: rules.Patch(subject.Spec, result.Spec, &metav1.ObjectMeta{}, result.Fixed)}
	r.ops = r.ops[:len(r.ops)-1] // the annotation is for pods in a cluster
	base := strings.TrimSuffix(subject.Path(), "spec")
	for i := range r.ops {
		if probe, ok := r.ops[i].Value.(*corev1.Probe); ok {
			r.ops[i].Value = withoutDefaults(probe)
		}
		r.ops[i].Path = "/" + strings.ReplaceAll(base, ".", "/") + strings.TrimPrefix(r.ops[i].Path, "/")
		e, line, reason := d.edit(r.ops[i])
		if reason != "" {
			return nil, r.unsafe(line, reason)
		}
		r.edits = append(r.edits, e)
	}
	return r, nil
}

// Refused says of the object that the API server refuses it.
func (d *Document) Refused(p rules.Problem) *Problem {
	return &Problem{File: d.File, Line: d.LineOf(p.Path), Text: "the API server refuses " + d.Kind + " " + d.Name() + ": " + p.Path + " " + p.Text}
}

// withoutDefaults leaves out of a probe what the API server fills in, as people write probes.
func withoutDefaults(p *corev1.Probe) *corev1.Probe {
	p = p.DeepCopy()
	unset := func(field *int32, value int32) {
		if *field == value {
			*field = 0
		}
	}
	unset(&p.TimeoutSeconds, 1)
	unset(&p.PeriodSeconds, 10)
	unset(&p.SuccessThreshold, 1)
	unset(&p.FailureThreshold, 3)
	if p.HTTPGet != nil && p.HTTPGet.Scheme == corev1.URISchemeHTTP {
		p.HTTPGet.Scheme = ""
	}
	if p.GRPC != nil && p.GRPC.Service != nil && *p.GRPC.Service == "" {
		p.GRPC.Service = nil
	}
	return p
}

// edit turns an operation into an edit of the text. Where that is not safe it says why, and on which line.
func (d *Document) edit(op rules.Operation) (e Edit, line int, reason string) {
	steps := strings.Split(strings.TrimPrefix(op.Path, "/"), "/")
	parent := d.root
	for _, step := range steps[:len(steps)-1] {
		var next *yaml.Node
		if parent.Kind == yaml.SequenceNode {
			index := 0
			if _, err := fmt.Sscan(step, &index); err != nil || index >= len(parent.Content) {
				return Edit{}, d.chunk.line(parent), "its place is not found"
			}
			next = parent.Content[index]
		} else if next = own(parent, step); next == nil {
			return Edit{}, d.chunk.line(parent), step + " comes by a merge key: write it out"
		}
		if next.Kind == yaml.AliasNode {
			return Edit{}, d.chunk.line(next), step + " is an alias: write it out"
		}
		parent = next
	}
	key := steps[len(steps)-1]
	if parent.Kind != yaml.MappingNode {
		return Edit{}, d.chunk.line(parent), "its place is not found"
	}
	if value := own(parent, key); value != nil {
		return d.replace(value, key, op.Value)
	}
	return d.insert(parent, key, op.Value)
}

// own is the value of a key that stands in the mapping itself.
func own(n *yaml.Node, key string) *yaml.Node {
	for i := len(n.Content) - 2; i >= 0 && n.Kind == yaml.MappingNode; i -= 2 {
		if n.Content[i].Value == key && n.Content[i].Tag != "!!merge" {
			return n.Content[i+1]
		}
	}
	return nil
}

// replace puts another number in a number's place.
func (d *Document) replace(value *yaml.Node, key string, to any) (Edit, int, string) {
	line := d.chunk.line(value)
	if value.Kind == yaml.AliasNode {
		return Edit{}, line, key + " is an alias: write it out"
	}
	if value.Tag == "!!null" {
		return Edit{}, line, key + " is written without a value: remove it"
	}
	offset, ok := d.offset(value)
	if value.Kind != yaml.ScalarNode || !ok || value.Value == "" || !bytes.HasPrefix(d.chunk.Text[offset:], []byte(value.Value)) {
		return Edit{}, line, key + " is not a plain number: write it as one"
	}
	return Edit{offset, len(value.Value), fmt.Sprint(to)}, 0, ""
}

// before says before which key a new one is put: handlers stand together, numbers with numbers.
var before = map[string][]string{
	"startupProbe":                  {"livenessProbe"},
	"readinessProbe":                {"livenessProbe", "startupProbe"},
	"livenessProbe":                 {"readinessProbe", "startupProbe"},
	"timeoutSeconds":                {"initialDelaySeconds", "periodSeconds", "failureThreshold", "successThreshold", "terminationGracePeriodSeconds"},
	"failureThreshold":              {"successThreshold", "timeoutSeconds", "periodSeconds"},
	"terminationGracePeriodSeconds": {"containers"},
}

// insert puts a new key before one that is there: where a value ends is not known, where a key starts is.
func (d *Document) insert(parent *yaml.Node, key string, value any) (Edit, int, string) {
	line := d.chunk.line(parent)
	flow := parent.Style&yaml.FlowStyle != 0
	if len(parent.Content) == 0 {
		offset, ok := d.offset(parent)
		if !ok || d.chunk.Text[offset] != '{' {
			return Edit{}, line, "an empty place: write the field there by hand"
		}
		return Edit{offset + 1, 0, d.flow(key, value)}, 0, ""
	}
	at := d.neighbour(parent, key)
	offset, ok := d.offset(at)
	if !ok || at.Tag == "!!merge" {
		return Edit{}, line, "no key to put " + key + " before: write it by hand"
	}
	start := bytes.LastIndexByte(d.chunk.Text[:offset], '\n') + 1
	end := len(d.chunk.Text)
	if i := bytes.IndexByte(d.chunk.Text[offset:], '\n'); i >= 0 {
		end = offset + i
	}
	if bytes.Contains(d.chunk.Text[start:end], []byte("{{")) {
		return Edit{}, d.chunk.line(at), "the line is a template's: render it first"
	}
	newline := "\n"
	if end > 0 && end < len(d.chunk.Text) && d.chunk.Text[end-1] == '\r' {
		newline = "\r\n"
	}
	indent := strings.Repeat(" ", at.Column-1)
	alone := len(bytes.TrimLeft(d.chunk.Text[start:offset], " ")) == 0 // nothing but spaces before the key
	switch {
	case flow && alone:
		return Edit{offset, 0, strings.ReplaceAll(d.flow(key, value), "\n", newline+indent) + "," + newline + indent}, 0, ""
	case flow:
		return Edit{offset, 0, strings.ReplaceAll(d.flow(key, value), "\n", " ") + ", "}, 0, ""
	}
	block, err := sigsyaml.Marshal(map[string]any{key: value})
	if err != nil {
		return Edit{}, line, err.Error()
	}
	lines := strings.ReplaceAll(strings.TrimRight(string(ordered(block)), "\n"), "\n", newline+indent)
	if !alone { // the first key of a list's item
		return Edit{offset, 0, lines + newline + indent}, 0, ""
	}
	return Edit{d.aboveComments(start, indent), 0, indent + lines + newline}, 0, ""
}

// neighbour is the key before which a new one is put. The first key of a container is mostly its name, which
// should stay first.
func (d *Document) neighbour(parent *yaml.Node, key string) *yaml.Node {
	for _, name := range before[key] {
		for i := 0; i < len(parent.Content); i += 2 {
			if parent.Content[i].Value == name {
				return parent.Content[i]
			}
		}
	}
	if len(parent.Content) > 2 {
		return parent.Content[2]
	}
	return parent.Content[0]
}

// aboveComments moves a line's start up over the comments that belong to it.
func (d *Document) aboveComments(start int, indent string) int {
	for start > 0 {
		above := bytes.LastIndexByte(d.chunk.Text[:start-1], '\n') + 1
		line := d.chunk.Text[above:start]
		// A condition of a template, which may stand in a comment, must stay around what follows it.
		if !bytes.HasPrefix(line, []byte(indent+"#")) || bytes.Contains(line, []byte("{{")) {
			break
		}
		start = above
	}
	return start
}

// flow writes a key and its value as they stand in braces, in JSON with quotes, in YAML without.
func (d *Document) flow(key string, value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		return ""
	}
	if d.chunk.JSON {
		return fmt.Sprintf("%q: %s", key, text)
	}
	var doc yaml.Node
	if yaml.Unmarshal(text, &doc) != nil { // JSON is YAML
		return ""
	}
	unquote(&doc)
	text, err = yaml.Marshal(&doc)
	if err != nil {
		return ""
	}
	return key + ": " + strings.TrimSpace(string(text))
}

// unquote leaves it to the library which words need quotes.
func unquote(n *yaml.Node) {
	n.Style &^= yaml.DoubleQuotedStyle | yaml.SingleQuotedStyle
	for _, child := range n.Content {
		unquote(child)
	}
}

// offset is the place of a node in the text. Columns count characters.
func (d *Document) offset(n *yaml.Node) (int, bool) {
	offset := d.chunk.start(n.Line)
	if n.Line == 1 {
		offset += len(d.chunk.Text) - len(bytes.TrimPrefix(d.chunk.Text, bom))
	}
	for range n.Column - 1 {
		if offset >= len(d.chunk.Text) {
			return 0, false
		}
		_, size := utf8.DecodeRune(d.chunk.Text[offset:])
		offset += size
	}
	return offset, offset < len(d.chunk.Text)
}

// ordered puts a probe's handler before its numbers, as people write them; the library sorts by name.
func ordered(block []byte) []byte {
	lines := bytes.SplitAfter(block, []byte("\n"))
	if len(lines) < 3 {
		return block
	}
	var handlers, numbers [][]byte
	inHandler := false
	for _, line := range lines[1:] {
		if !bytes.HasPrefix(line, []byte("   ")) {
			inHandler = bytes.HasSuffix(bytes.TrimSpace(line), []byte(":"))
		}
		if inHandler {
			handlers = append(handlers, line)
		} else {
			numbers = append(numbers, line)
		}
	}
	return bytes.Join(append(append(lines[:1:1], handlers...), numbers...), nil)
}

// verify reads the spliced chunk again: each repaired object must be what its operations make of it, and every
// other object what it was.
func verify(c Chunk, repairs []repair) bool {
	if len(repairs) == 0 {
		return true
	}
	fixed := c
	if fixed.Text = Splice(c.Text, editsOf(repairs)); len(fixed.Text) > maxDocument {
		return false
	}
	want, got := objects(c), objects(fixed)
	if len(want) != len(got) {
		return false
	}
	for _, r := range repairs {
		if r.doc.index >= len(want) {
			return false
		}
		raw, err := json.Marshal(r.ops)
		if err != nil {
			return false
		}
		patch, err := jsonpatch.DecodePatch(raw)
		if err != nil {
			return false
		}
		if want[r.doc.index], err = patch.Apply(want[r.doc.index]); err != nil {
			return false
		}
	}
	for i := range want {
		var w, g any
		if json.Unmarshal(want[i], &w) != nil || json.Unmarshal(got[i], &g) != nil || !reflect.DeepEqual(w, g) {
			return false
		}
	}
	return true
}

// objects are the objects of a chunk as JSON, those of a List one by one; nil when it cannot be read.
func objects(c Chunk) [][]byte {
	roots, problem := parseNodes(c)
	if problem != nil {
		return nil
	}
	e := newEffort()
	var texts [][]byte
	for _, root := range roots {
		e.each(root, func(n *yaml.Node) {
			text := toJSON{effort: e}
			if n.Kind == yaml.MappingNode && text.append(n) == nil {
				texts = append(texts, text.out)
			}
		})
	}
	return texts
}
