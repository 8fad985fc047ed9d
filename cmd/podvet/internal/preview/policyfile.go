package preview

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/podvet/podvet/cmd/podvet/internal/input"
	"github.com/podvet/podvet/cmd/podvet/internal/stream"
	"github.com/podvet/podvet/rules/policy"
	"github.com/podvet/podvet/rules/policy/strict"
)

// ReadPolicyFile reads a policy from a file or, for -, from standard input, unless others are read from there too.
func ReadPolicyFile(file string, stdin io.Reader, others []string) (policy.Source, error) {
	if file != input.Stdin {
		text, err := os.ReadFile(file)
		if err != nil {
			return policy.Source{}, stream.Unreadable(file, 0, err)
		}
		return ReadPolicy(file, text)
	}
	if slices.Contains(others, input.Stdin) {
		return policy.Source{}, errors.New("standard input can be read only once, " +
			"and is asked for the policy and for something else: name a file for one of them")
	}
	text, err := io.ReadAll(stdin)
	if err != nil {
		return policy.Source{}, stream.Unreadable(input.NameOf(file), 0, err)
	}
	return ReadPolicy(input.NameOf(file), text)
}

// ReadPolicy finds the policy in a file: all of it, or the key policy.yaml of a ConfigMap, which may be one of several
// documents or of the items of a List. The error is of type policy.Errors.
func ReadPolicy(file string, text []byte) (policy.Source, error) {
	value, err := inConfigMap(file, text)
	if err != nil {
		return policy.Source{}, err
	}
	if value == nil {
		return policy.Source{File: file, Text: text}, nil
	}
	source := policy.Source{File: file, Text: []byte(value.Value)}
	if value.Style&yaml.LiteralStyle != 0 { // the text starts on the line after the key
		source.Skip = value.Line
	} else { // in quotes, as in JSON
		source.Line = value.Line
	}
	return source, nil
}

// inConfigMap finds the policy that a file holds in a ConfigMap, which may be one of several documents or of
// the items of a List. It is nil where the file is the document itself. The error is of type Errors.
func inConfigMap(file string, text []byte) (*yaml.Node, error) {
	var found []*yaml.Node
	var without *yaml.Node // a ConfigMap or a List that has no such key
	for reader := yaml.NewDecoder(bytes.NewReader(text)); ; {
		var doc yaml.Node
		if err := reader.Decode(&doc); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, nil //nolint:nilerr // whoever reads the document says what is wrong
		}
		values, is := inConfigMaps(doc.Content[0])
		found = append(found, values...)
		if is {
			without = doc.Content[0]
		}
	}
	bad := func(n *yaml.Node, path, format string, args ...any) (*yaml.Node, error) {
		return nil, policy.Errors{{File: file, Line: n.Line, Path: path, Text: fmt.Sprintf(format, args...)}}
	}
	switch {
	case len(found) > 1:
		return bad(found[1], "", "a second %s, after that of line %d: name a file with one policy",
			policy.Key, found[0].Line)
	case len(found) == 1 && (found[0].Kind != yaml.ScalarNode || found[0].Tag != "!!str"):
		return bad(found[0], "data."+policy.Key,
			"is %s, and must be text: write %s: | and the policy below it, indented",
			strict.Describe(found[0]), policy.Key)
	case len(found) == 1:
		return found[0], nil
	case without != nil:
		return bad(without, "", "no ConfigMap here has the key %s: write the policy under it", policy.Key)
	}
	return nil, nil // the file is the document
}

// inConfigMaps finds the policies in a ConfigMap, or in those of a List, and tells whether it is one of these.
func inConfigMaps(object *yaml.Node) (found []*yaml.Node, is bool) {
	switch kind := child(object, "kind"); {
	case kind == nil:
	case kind.Value == "ConfigMap":
		if value := child(child(object, "data"), policy.Key); value != nil {
			found = append(found, value)
		}
		return found, true
	case strings.HasSuffix(kind.Value, "List"):
		items := child(object, "items")
		for i := 0; items != nil && i < len(items.Content); i++ {
			values, _ := inConfigMaps(items.Content[i])
			found = append(found, values...)
		}
		return found, true
	}
	return nil, false
}

// child is the value of a key, nil for none.
func child(n *yaml.Node, key string) *yaml.Node {
	if n != nil {
		n = strict.Resolve(n)
	}
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}
