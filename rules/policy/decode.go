package policy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/agnivade/levenshtein"
	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/podvet/podvet/rules"
)

// Error is one mistake in a policy: where it is and what to write instead.
type Error struct {
	File string
	Line int    // from 1; 0 for the document as a whole
	Path string // such as rules.no-startup-probe.level
	Text string
}

func (e Error) Error() string {
	place := e.File
	if e.Line > 0 {
		place += ":" + strconv.Itoa(e.Line)
	}
	if e.Path != "" {
		place += ": " + e.Path
	}
	return place + ": " + e.Text
}

// Errors are all mistakes of a policy, in the order of their lines.
type Errors []Error

func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i := range e {
		lines[i] = e[i].Error()
	}
	return strings.Join(lines, "\n")
}

// maxErrors is how many mistakes are named: aliases can make one a million times.
const maxErrors = 100

// maxAliased bounds what aliases can expand to: a few lines of them could fill the memory of every replica. (Depth
// needs no bound: the document's types end an alias to itself.)
const maxAliased = 10_000

// maxEntries and maxNodes bound a list and the whole document: a policy of 1 MiB could otherwise be half a million scopes,
// which take more memory than a replica may.
const (
	maxEntries = 20_000
	maxNodes   = 200_000
)

// decoder reads YAML into Go values by their JSON tags, strictly, and collects every mistake with its place.
// (Strict decoders of YAML libraries stop at the first mistake, or know no paths.)
type decoder struct {
	file string
	kind string // of the document
	errs Errors
	// unknown are the places of rules that this version does not know.
	unknown Errors
	at      map[string]*yaml.Node // what stands at each path, to place what is found after decoding

	inAlias  int  // aliases that what is read stands in
	aliased  int  // nodes that were read in aliases
	nodes    int  // that were read
	tooLarge bool // said once
	more     bool // than maxErrors
}

func (d *decoder) fail(n *yaml.Node, path, format string, args ...any) {
	if len(d.errs) == maxErrors {
		d.more = true
		return
	}
	d.errs = append(d.errs, Error{File: d.file, Line: n.Line, Path: path, Text: fmt.Sprintf(format, args...)})
}

// document parses the text as one YAML document.
func (d *decoder) document(text []byte) *yaml.Node {
	reader := yaml.NewDecoder(bytes.NewReader(text))
	var doc, second yaml.Node
	switch err := reader.Decode(&doc); {
	case errors.Is(err, io.EOF):
		d.errs = append(d.errs, Error{File: d.file, Text: "is empty: write apiVersion: " + APIVersion + " and kind: " + d.kind})
		return nil
	case err != nil:
		d.syntax(err)
		return nil
	}
	switch err := reader.Decode(&second); {
	case errors.Is(err, io.EOF):
	case err != nil:
		d.syntax(err)
	default:
		d.fail(&second, "", "a second document: a policy is one document, write the other into a file of its own")
	}
	root := doc.Content[0]
	if root.Kind != yaml.MappingNode {
		what := describe(root)
		d.fail(root, "", "is %s: write apiVersion: %s and kind: %s", what, APIVersion, d.kind)
		return nil
	}
	return root
}

// syntax takes the line out of the library's message.
func (d *decoder) syntax(err error) {
	line, text := SyntaxError(err)
	d.errs = append(d.errs, Error{File: d.file, Line: line, Text: "is not YAML: " + text})
}

// SyntaxError takes the line, from 1, and the rest out of the YAML library's message; 0 where it has no line.
func SyntaxError(err error) (line int, text string) {
	text = strings.TrimPrefix(err.Error(), "yaml: ")
	rest, found := strings.CutPrefix(text, "line ")
	number, what, _ := strings.Cut(rest, ": ")
	line, atoi := strconv.Atoi(number)
	if !found || atoi != nil {
		return 0, text
	}
	// The library counts the lines of its parser's errors from 0, those of its scanner's from 1.
	if expected, parser := strings.CutPrefix(what, "did not find expected "); parser && !strings.Contains(expected, "character") && !strings.Contains(expected, "URI") && !strings.Contains(expected, "line break") {
		line++
	}
	return line, what
}

// enum is a type of which only some words are values.
type enum interface{ words() []string }

// word is a type of text that says what is wrong with a value, "" for nothing.
type word interface{ problem() string }

// decode reads a node into a settable value.
func (d *decoder) decode(n *yaml.Node, path string, v reflect.Value) {
	if n.Kind == yaml.AliasNode {
		d.inAlias++
		defer func() { d.inAlias-- }()
	}
	if d.inAlias > 0 {
		d.aliased++
	}
	if d.nodes++; d.nodes > maxNodes {
		if !d.tooLarge {
			d.fail(n, path, "there are more than %d values in this policy: match more with fewer scopes and exemptions", maxNodes)
		}
		d.tooLarge = true
		return
	}
	if d.aliased > maxAliased {
		if !d.tooLarge {
			d.fail(n, path, "aliases make this too large: write it out")
		}
		d.tooLarge = true
		return
	}
	d.at[path] = n
	if later, is := reflect.TypeAssert[**yaml.Node](v.Addr()); is {
		*later = n // an alias too: what it expands to is counted when it is read
		return
	}
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	switch target := v.Addr().Interface().(type) {
	case *intstr.IntOrString:
		if n.Tag == "!!int" {
			d.integer(n, path, reflect.ValueOf(&target.IntVal).Elem(), 1)
		} else if s, ok := d.text(n, path, "a number or a name"); ok {
			*target = intstr.FromString(s)
		}
		return
	case enum:
		d.enum(n, path, v, target.words())
		return
	case *Day:
		if n.Kind == yaml.ScalarNode && n.Tag == "!!timestamp" { // as YAML reads an unquoted date
			*target = Day(n.Value)
		} else if s, ok := d.text(n, path, "a day such as 2027-03-01"); ok {
			*target = Day(s)
		}
		if problem := target.problem(); *target != "" && problem != "" {
			d.fail(n, path, "%s", problem)
		}
		return
	case word:
		if s, ok := d.text(n, path, "text"); ok {
			v.SetString(s)
			if problem := v.Interface().(word).problem(); problem != "" {
				d.fail(n, path, "%s", problem)
			}
		}
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.decode(n, path, v.Elem())
	case reflect.Struct:
		d.structure(n, path, v)
	case reflect.Map:
		d.mapping(n, path, v)
	case reflect.Slice:
		d.list(n, path, v)
	case reflect.String:
		if s, ok := d.text(n, path, "text"); ok {
			v.SetString(s)
		}
	case reflect.Bool:
		if n.Kind != yaml.ScalarNode || n.Tag != "!!bool" || !strings.EqualFold(n.Value, "true") && !strings.EqualFold(n.Value, "false") {
			d.fail(n, path, "is %s: write true or false", describe(n))
			return
		}
		v.SetBool(strings.EqualFold(n.Value, "true"))
	case reflect.Int32: // of a probe
		d.integer(n, path, v, 0)
	case reflect.Int64: // seconds, which may be none where they are the least
		d.integer(n, path, v, leastOf(path[strings.LastIndexByte(path, '.')+1:]))
	default:
		panic("policy: no decoder for " + v.Type().String()) // TestParameterTypes finds it before any user
	}
}

// leastOf is the smallest number that a parameter in seconds may have: those called min may be none.
func leastOf(name string) int64 {
	if strings.HasPrefix(name, "min") {
		return 0
	}
	return 1
}

func (d *decoder) structure(n *yaml.Node, path string, v reflect.Value) {
	fields := map[string]reflect.Value{}
	collect(v, fields)
	d.pairs(n, path, func(key, value *yaml.Node) {
		field, known := fields[key.Value]
		if !known {
			d.fail(key, join(path, key.Value), "%s", unknownKey(key.Value, slices.Sorted(maps.Keys(fields))))
			return
		}
		d.decode(value, join(path, key.Value), field)
	})
}

// unknownKey says what to write instead.
func unknownKey(key string, known []string) string {
	meant := DidYouMean(key, known)
	switch {
	case key == "<<":
		return "merge keys are not read here: write the keys out"
	case meant == "":
		return "unknown key: write " + orList(known)
	}
	return "unknown key" + meant
}

// collect gathers fields by JSON name, those of embedded structs included.
func collect(v reflect.Value, fields map[string]reflect.Value) {
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		switch {
		case v.Type().Field(i).Anonymous:
			collect(v.Field(i), fields)
		case name != "" && name != "-":
			fields[name] = v.Field(i)
		}
	}
}

func (d *decoder) mapping(n *yaml.Node, path string, v reflect.Value) {
	v.Set(reflect.MakeMap(v.Type()))
	d.pairs(n, path, func(key, value *yaml.Node) {
		element := reflect.New(v.Type().Elem()).Elem()
		d.decode(value, join(path, key.Value), element)
		v.SetMapIndex(reflect.ValueOf(key.Value), element)
	})
}

// pairs visits a mapping and refuses a key that stands twice.
func (d *decoder) pairs(n *yaml.Node, path string, visit func(key, value *yaml.Node)) {
	if n.Kind != yaml.MappingNode {
		if n.Tag != "!!null" {
			d.fail(n, path, "is %s: write keys and values", describe(n))
		}
		return
	}
	lines := map[string]int{}
	for i := 0; i < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Kind != yaml.ScalarNode {
			d.fail(key, path, "a key must be a word")
			continue
		}
		if line, twice := lines[key.Value]; twice {
			d.fail(key, join(path, key.Value), "stands here a second time, first in line %d: remove one", line)
			continue
		}
		lines[key.Value] = key.Line
		visit(key, value)
	}
}

func (d *decoder) list(n *yaml.Node, path string, v reflect.Value) {
	if n.Kind != yaml.SequenceNode {
		if n.Tag != "!!null" || n.Kind != yaml.ScalarNode { // all entries may stand in comments
			d.fail(n, path, "is %s: write a list", describe(n))
		}
		return
	}
	if len(n.Content) > maxEntries {
		d.fail(n, path, "has %d entries, more than %d: match more with fewer", len(n.Content), maxEntries)
		d.tooLarge = true
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
	for i, item := range n.Content {
		d.decode(item, fmt.Sprintf("%s[%d]", path, i), v.Index(i))
	}
}

func (d *decoder) text(n *yaml.Node, path, want string) (string, bool) {
	if n.Kind != yaml.ScalarNode || n.Tag != "!!str" {
		if n.Kind == yaml.ScalarNode && n.Tag != "!!null" {
			want += fmt.Sprintf(", in quotes: %q", n.Value)
		}
		d.fail(n, path, "is %s: write %s", describe(n), want)
		return "", false
	}
	return n.Value, true
}

func (d *decoder) integer(n *yaml.Node, path string, v reflect.Value, least int64) {
	if n.Kind != yaml.ScalarNode || n.Tag != "!!int" {
		d.fail(n, path, "is %s: write a whole number", describe(n))
		return
	}
	value, err := strconv.ParseInt(n.Value, 10, 64)
	if err != nil || len(n.Value) > 1 && n.Value[0] == '0' || value < least || value > math.MaxInt32 {
		d.fail(n, path, "is %s: write a whole number from %d to %d", n.Value, least, math.MaxInt32)
		return
	}
	v.SetInt(value)
}

func (d *decoder) enum(n *yaml.Node, path string, v reflect.Value, words []string) {
	// Some read off as false: here it is the word.
	if n.Kind == yaml.ScalarNode && slices.Contains(words, n.Value) {
		v.SetString(n.Value)
		return
	}
	value := ""
	if n.Kind == yaml.ScalarNode {
		value = n.Value
	}
	d.fail(n, path, "is %s: write %s%s", describe(n), orList(words), DidYouMean(value, words))
}

// parameters reads a rule's parameters over others of it: those that are not written stay.
func (d *decoder) parameters(n *yaml.Node, path string, rule *rules.Rule, over any) any {
	if over == nil {
		d.fail(n, path, "rule %s has no parameters: remove this", rule.ID)
		return nil
	}
	params := reflect.New(reflect.TypeOf(over)).Elem()
	params.Set(reflect.ValueOf(over))
	before := len(d.errs)
	d.decode(n, path, params)
	misread := slices.Clone(d.errs[before:])
	if checked, ok := reflect.TypeAssert[interface{ Problems() []rules.Problem }](params); ok {
		for _, problem := range checked.Problems() {
			// Of what could not be read nothing more can be said.
			at := join(path, problem.Path)
			if !slices.ContainsFunc(misread, func(e Error) bool { return strings.HasPrefix(e.Path, at) }) {
				d.fail(d.nearest(at), at, "%s", problem.Text)
			}
		}
	}
	return params.Interface()
}

func (d *decoder) failedAt(path string) bool {
	return slices.ContainsFunc(d.errs, func(e Error) bool { return e.Path == path })
}

// nearest is the node at a path, or at the closest path above it that is written.
func (d *decoder) nearest(path string) *yaml.Node {
	for {
		if n, ok := d.at[path]; ok || path == "" {
			return n
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
}

func join(path, key string) string {
	switch {
	case path == "":
		return key
	case key == "":
		return path
	}
	return path + "." + key
}

func describe(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Tag == "!!null":
		return "empty"
	case n.Tag == "!!str":
		return strconv.Quote(n.Value)
	}
	return n.Value
}

func orList(words []string) string {
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// DidYouMean proposes the nearest of the names, when one is near: two changes or a third of the word, and less
// than half of it.
func DidYouMean(word string, names []string) string {
	best, distance := "", min(max(2, len(word)/3), len(word)/2)+1
	for _, name := range names {
		if d := levenshtein.ComputeDistance(strings.ToLower(word), strings.ToLower(name)); d < distance {
			best, distance = name, d
		}
	}
	if best == "" || word == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %s?)", best)
}
