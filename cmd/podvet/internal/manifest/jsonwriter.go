package manifest

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"go.yaml.in/yaml/v3"

	"github.com/podvet/podvet/cmd/podvet/internal/stream"
	"github.com/podvet/podvet/rules/policy/strict"
)

// maxNodes bounds what the aliases of an object can expand to.
const maxNodes = 1 << 20

// fields are those of an object by the steps to them: those under a step, nil for all that is there.
type fields map[string]fields

// with adds one.
func (f fields) with(steps []string) fields {
	if len(steps) == 0 {
		return nil
	}
	if f == nil {
		f = fields{}
	}
	f[steps[0]] = f[steps[0]].with(steps[1:])
	return f
}

// jsonWriter writes a tree as JSON with aliases and merge keys resolved, reading scalars as kubectl does.
type jsonWriter struct {
	walker  *walker
	without map[*yaml.Node]bool // written as null
	leftOut fields              // of what is written next
	out     []byte
	nodes   int
	depth   int
}

// visit counts a node of so many children, and what is written.
func (j *jsonWriter) visit(n int) error {
	if j.nodes++; j.nodes > maxNodes || len(j.out) > 2*stream.MaxDocument || !j.walker.step(1+n) {
		return errors.New(tooLarge)
	}
	return nil
}

func (j *jsonWriter) append(n *yaml.Node) error {
	n = strict.Resolve(n)
	if err := j.visit(len(n.Value)); err != nil {
		return err
	}
	if j.depth++; j.depth > 1000 {
		return errors.New("is nested too deep, or holds itself by an alias")
	}
	defer func() { j.depth-- }()
	if j.without[n] {
		j.out = append(j.out, "null"...)
		return nil
	}
	switch n.Kind {
	case yaml.MappingNode:
		j.out = append(j.out, '{')
		var written map[string]bool
		if len(n.Content) > 2*fewKeys || len(merged(n)) > 0 {
			written = map[string]bool{}
		}
		if err := j.fields(n, written); err != nil {
			return err
		}
		if j.out[len(j.out)-1] == ',' {
			j.out = j.out[:len(j.out)-1]
		}
		j.out = append(j.out, '}')
	case yaml.SequenceNode:
		return j.items(n.Content)
	case yaml.ScalarNode:
		j.scalar(n)
	default:
		j.out = append(j.out, "null"...)
	}
	return nil
}

func (j *jsonWriter) items(list []*yaml.Node) error {
	j.out = append(j.out, '[')
	leftOut := j.leftOut
	for i, item := range list {
		if i > 0 {
			j.out = append(j.out, ',')
		}
		if j.leftOut = nil; leftOut != nil {
			j.leftOut = leftOut[strconv.Itoa(i)]
		}
		if err := j.append(item); err != nil {
			return err
		}
	}
	j.out = append(j.out, ']')
	return nil
}

// fields writes a mapping's own fields, then those that its merge keys bring and it has not. Each field ends with a
// comma. What is written is remembered unless that is nil, which is for few keys and none of another mapping.
func (j *jsonWriter) fields(n *yaml.Node, written map[string]bool) error {
	if err := j.visit(len(n.Content)); err != nil {
		return err
	}
	leftOut := j.leftOut
	for i := len(n.Content) - 2; i >= 0; i -= 2 {
		key := n.Content[i]
		if key.Tag == "!!merge" || written[key.Value] || written == nil && isKey(key.Value, n.Content[i+2:]) {
			continue
		}
		if written != nil {
			written[key.Value] = true
		}
		below, is := leftOut[key.Value]
		if is && below == nil {
			continue
		}
		j.quote(key.Value)
		j.out = append(j.out, ':')
		j.leftOut = below
		if err := j.append(n.Content[i+1]); err != nil {
			return err
		}
		j.out = append(j.out, ',')
	}
	j.leftOut = leftOut
	for _, one := range merged(n) {
		if one = strict.Resolve(one); one.Kind == yaml.MappingNode {
			if err := j.fields(one, written); err != nil {
				return err
			}
		}
	}
	return nil
}

// fewKeys are so few that to look at all takes less than to remember those that were written.
const fewKeys = 32

func isKey(name string, content []*yaml.Node) bool {
	for i := 0; i < len(content); i += 2 {
		if content[i].Value == name {
			return true
		}
	}
	return false
}

func (j *jsonWriter) scalar(n *yaml.Node) {
	switch n.Tag {
	case "!!null":
		j.out = append(j.out, "null"...)
	case "!!int", "!!float":
		j.number(n)
	case "!!bool":
		j.out = strconv.AppendBool(j.out, strings.EqualFold(n.Value, "true"))
	default:
		if n.Style == 0 { // plain: kubectl reads YAML 1.1
			if word, ok := strict.Bool(n.Value); ok {
				j.out = strconv.AppendBool(j.out, word)
				return
			}
		}
		j.quote(n.Value)
	}
}

func (j *jsonWriter) number(n *yaml.Node) {
	f, err := strconv.ParseFloat(n.Value, 64)
	if err == nil && n.Tag == "!!float" && f == math.Trunc(f) && math.Abs(f) < 1<<53 {
		j.out = strconv.AppendInt(j.out, int64(f), 10) // 10.0 and 1e1 are whole numbers to kubectl
		return
	}
	if jsontext.Value(n.Value).IsValid() {
		j.out = append(j.out, n.Value...)
		return
	}
	var number any // octal, hexadecimal, with underscores, .inf
	_ = n.Decode(&number)
	if text := fmt.Sprint(number); number != nil && jsontext.Value(text).IsValid() {
		j.out = append(j.out, text...)
	} else {
		j.quote(n.Value)
	}
}

func (j *jsonWriter) quote(s string) {
	quoted, err := jsontext.AppendQuote(j.out, s)
	if err != nil { // broken UTF-8 is replaced, and the error tells
		quoted, _ = jsontext.AppendQuote(j.out, strings.ToValidUTF8(s, "\uFFFD"))
	}
	j.out = quoted
}
