package manifest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"go.yaml.in/yaml/v3"

	"github.com/podvet/podvet/cmd/podvet/internal/stream"
	"github.com/podvet/podvet/rules"
)

// Change is what is to be done to one object.
type Change struct {
	Fixed      []rules.Fixed // what it repairs; empty for no change
	Operations []rules.Operation
}

// Repaired says what was repaired in one object.
type Repaired struct {
	Line  int
	Title string // its kind and name, and the template that it comes from where helm says so
	Fixed []rules.Fixed
}

// Repairs are the edits of a text that repair its objects, and what they repair.
type Repairs struct {
	Edits    []Edit
	Repaired []Repaired
	Problems []Problem
}

// Add adds those of a chunk that comes later.
func (r *Repairs) Add(later Repairs) {
	r.Edits = append(r.Edits, later.Edits...)
	r.Repaired = append(r.Repaired, later.Repaired...)
	r.Problems = append(r.Problems, later.Problems...)
}

// Repair works out the edits of a chunk of a file's text that make the changes which changeOf asks for, once for each
// document and each item of a List. Every byte that no change touches stays. A container whose change cannot be spliced
// in safely is left alone, and so is the whole object where the change is to more than its containers, with Problems
// that name all lines that stand in the way.
func Repair(chunk stream.Chunk, changeOf func(*Document) (Change, *Problem)) (done Repairs) {
	all, problems := repairChunk(chunk, changeOf)
	done.Problems = problems
	for _, e := range editsOf(all) {
		e.Offset += chunk.Offset
		done.Edits = append(done.Edits, e)
	}
	for i, r := range all {
		if i > 0 && r.doc == all[i-1].doc {
			last := &done.Repaired[len(done.Repaired)-1]
			last.Fixed = append(last.Fixed, r.Fixed...)
			continue
		}
		title := r.doc.Title()
		if r.doc.Source != "" {
			title += " (" + r.doc.Source + ")"
		}
		done.Repaired = append(done.Repaired, Repaired{r.doc.Line, title, slices.Clone(r.Fixed)})
	}
	return done
}

func repairChunk(chunk stream.Chunk, changeOf func(*Document) (Change, *Problem)) (all []repair, problems []Problem) {
	docs, problems := Parse(chunk)
	var objects []*yaml.Node
	seen := map[*yaml.Node]bool{}
	for _, doc := range docs {
		objects = append(objects, doc.root)
		if seen[doc.root] { // an alias: it is the text of the one before
			continue
		}
		seen[doc.root] = true
		change, problem := changeOf(doc)
		if problem != nil {
			problem.Unsafe = true
			problems = append(problems, *problem)
			continue
		}
		for _, r := range partsOf(doc, change) {
			why := r.splice()
			problems = append(problems, r.leftAlone(why)...)
			if len(why) == 0 {
				all = append(all, r)
			}
		}
	}
	if len(all) > 0 {
		var unsafe []Problem
		all, unsafe = verified(chunk, mappings(objects), all)
		problems = append(problems, unsafe...)
	}
	slices.SortStableFunc(problems, func(a, b Problem) int { return a.Line - b.Line })
	for i := range problems {
		if chunk.Source != "" {
			problems[i].Text = chunk.Source + ": " + problems[i].Text
		}
	}
	return all, problems
}

// verified are the repairs that may be made, and what is to be said of the others.
func verified(chunk stream.Chunk, was []*yaml.Node, all []repair) (safe []repair, problems []Problem) {
	// All at once, and only where that goes wrong one by one: each look reads the whole chunk.
	if verify(chunk, was, all) {
		return all, nil
	}
	for _, r := range all {
		if with := append(slices.Clone(safe), r); verify(chunk, was, with) {
			safe = with
			continue
		}
		line := chunk.Line + stream.Newlines(chunk.Text[:r.edits[0].Offset])
		problems = append(problems, r.leftAlone([]obstacle{{line, r.shared()}})...)
	}
	return safe, problems
}

// repair is what changes an object or one of its containers, and the edits of the text that do it.
type repair struct {
	doc *Document
	Change
	edits []Edit

	part bool // others change the same object
}

var inContainer = regexp.MustCompile(`^/.*?/(?:initC|c)ontainers/\d+/`)

// partsOf are the repairs of an object: of each container one where the fixes change nothing else.
func partsOf(doc *Document, change Change) (parts []repair) {
	if len(change.Fixed) == 0 {
		return nil
	}
	whole := []repair{{doc: doc, Change: change}}
	places := map[string]int{} // of parts, by the names of their containers
	for _, op := range change.Operations {
		at := inContainer.FindString(op.Path)
		_, container := doc.walker.find(doc.root, strings.Split(strings.Trim(at, "/"), "/"))
		if at == "" || container == nil {
			return whole
		}
		name := doc.walker.scalar(container, "name")
		place, known := places[name]
		if !known {
			place = len(parts)
			places[name] = place
			parts = append(parts, repair{doc: doc, part: true})
		}
		parts[place].Operations = append(parts[place].Operations, op)
	}
	for _, fixed := range change.Fixed {
		place, known := places[fixed.Container]
		if !known {
			return whole
		}
		parts[place].Fixed = append(parts[place].Fixed, fixed)
	}
	if len(parts) < 2 {
		return whole
	}
	return parts
}

// splice works out the edits, or all that stands in their way.
func (r *repair) splice() (why []obstacle) {
	for _, op := range r.Operations {
		e, obstacle := r.doc.edit(op)
		switch {
		case obstacle == nil:
			r.edits = append(r.edits, e)
		case !slices.Contains(why, *obstacle):
			why = append(why, *obstacle)
		}
	}
	return why
}

// shared says what else would change with the text that the edits change.
func (r *repair) shared() string {
	changed := map[*yaml.Node]bool{}
	for _, op := range r.Operations {
		if parent, _, why := r.doc.parentOf(op); why == nil {
			changed[parent] = true
		}
	}
	return r.doc.shared(changed)
}

// leftAlone says why and where the object, or the container, is left to people.
func (r *repair) leftAlone(why []obstacle) (problems []Problem) {
	var fixes []string
	for _, f := range r.Fixed {
		name := f.Rule.ID
		if r.part {
			name = f.String()
		}
		if !slices.Contains(fixes, name) {
			fixes = append(fixes, name)
		}
	}
	for _, one := range why {
		problems = append(problems, Problem{File: r.doc.File, Line: one.line, Unsafe: true,
			Text: fmt.Sprintf("%s is not fixed (%s): %s", r.doc.Title(), strings.Join(fixes, ", "), one.reason)})
	}
	return problems
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

// verify reads the spliced chunk again: each operation must have set its value, and all else must be what it was.
func verify(c stream.Chunk, was []*yaml.Node, repairs []repair) bool {
	fixed := c
	if fixed.Text = Splice(c.Text, editsOf(repairs)); len(fixed.Text) > stream.MaxDocument {
		return false
	}
	now, w := mappings(objectsOf(fixed)), newWalker()
	if len(now) != len(was) {
		return false
	}
	set := make([]fields, len(now)) // by the operations, in each object
	for _, r := range repairs {
		i := r.doc.index
		if i >= len(now) {
			return false
		}
		for _, op := range r.Operations {
			steps := stepsOf(op)
			if _, value := w.find(now[i], steps); value == nil || !is(w, value, op.Value) {
				return false
			}
			set[i] = set[i].with(steps)
		}
	}
	for i := range now {
		before, after := jsonWriter{walker: w, leftOut: set[i]}, jsonWriter{walker: w, leftOut: set[i]}
		if before.append(was[i]) != nil || after.append(now[i]) != nil || !same(before.out, after.out) {
			return false
		}
	}
	return true
}

// is tells whether a node says a value.
func is(w *walker, n *yaml.Node, value any) bool {
	want, err := json.Marshal(value)
	got := jsonWriter{walker: w}
	return err == nil && got.append(n) == nil && same(want, got.out)
}

// same tells whether two texts are the same JSON value, in whatever order its keys stand.
func same(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	one, other := jsontext.Value(bytes.Clone(a)), jsontext.Value(bytes.Clone(b))
	return one.Canonicalize() == nil && other.Canonicalize() == nil && bytes.Equal(one, other)
}

// objectsOf are the objects of a chunk, those of a List one by one; none when it cannot be read.
func objectsOf(c stream.Chunk) (list []*yaml.Node) {
	roots, problem := parseTrees(c)
	if problem != nil {
		return nil
	}
	w := newWalker()
	for _, root := range roots {
		w.each(root, stream.Listed{}, func(n *yaml.Node, _ stream.Listed) { list = append(list, n) })
	}
	return list
}

// mappings are those of the objects that are mappings.
func mappings(objects []*yaml.Node) []*yaml.Node {
	return slices.DeleteFunc(objects, func(n *yaml.Node) bool { return n.Kind != yaml.MappingNode })
}
