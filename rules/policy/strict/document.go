package strict

import (
	"bytes"
	"errors"
	"io"
	"reflect"

	"go.yaml.in/yaml/v3"
)

// Head is what a document must say of itself.
type Head struct{ APIVersion, Kind string }

// Decode reads a document into a struct with JSON tags that has the fields APIVersion and Kind. The error is of type
// Errors.
func Decode(file string, text []byte, head Head, into any) error {
	r := NewReader(file)
	r.Document(text, head, into)
	if len(r.errs) > 0 {
		r.errs.Sort()
		return r.errs
	}
	return nil
}

// Document reads a document and demands its head.
func (r *Reader) Document(text []byte, head Head, into any) {
	root := r.root(text, head)
	if root == nil {
		return
	}
	r.Read(root, "", into)
	if r.tooLarge {
		return
	}
	v := reflect.ValueOf(into).Elem()
	r.demand("apiVersion", v.FieldByName("APIVersion").String(), head.APIVersion)
	r.demand("kind", v.FieldByName("Kind").String(), head.Kind)
}

// demand refuses another value of a key.
func (r *Reader) demand(key, value, want string) {
	if value == want || r.FailedAt(key) {
		return
	}
	what := "is missing"
	if value != "" {
		what = "is " + value
	}
	r.Fail(key, "%s: write %s: %s", what, key, want)
}

// root parses the text as one YAML document, nil for none.
func (r *Reader) root(text []byte, head Head) *yaml.Node {
	reader := yaml.NewDecoder(bytes.NewReader(text))
	var doc, second yaml.Node
	remedy := "write apiVersion: " + head.APIVersion + " and kind: " + head.Kind
	switch err := reader.Decode(&doc); {
	case errors.Is(err, io.EOF):
		r.errs = append(r.errs, Error{File: r.file, Text: "is empty: " + remedy})
		return nil
	case err != nil:
		r.notYAML(text, err)
		return nil
	}
	switch err := reader.Decode(&second); {
	case errors.Is(err, io.EOF):
	case err != nil:
		r.notYAML(text, err)
	default:
		r.failAt(&second, "", "a second document: a policy is one document, write the other into a file of its own")
	}
	root := doc.Content[0]
	if root.Kind != yaml.MappingNode {
		r.failAt(root, "", "is %s: %s", Describe(root), remedy)
		return nil
	}
	return root
}

func (r *Reader) notYAML(text []byte, err error) {
	line, words := Explain(text, err)
	r.errs = append(r.errs, Error{File: r.file, Line: line, Text: words})
}
