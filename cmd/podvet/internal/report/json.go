package report

import (
	"bytes"
	"encoding/json"
	"io"
	"iter"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// JSON writes the report as Write does in the format json.
func (r *Report) JSON(w io.Writer) error {
	s := newStream(w)
	s.put(jsontext.BeginObject)
	s.field("apiVersion", "podvet.dev/v1alpha1")
	s.field("kind", "Report")
	s.field("summary", r.Summary)
	writeList(s, "subjects", r.Subjects)
	writeList(s, "skipped", slices.Values(r.Skipped))
	writeList(s, "invalid", r.Invalid)
	writeList(s, "notes", slices.Values(r.Notes))
	s.put(jsontext.EndObject)
	return s.err
}

// stream writes a JSON document piece by piece, so that no more than one is held. The first error stays.
type stream struct {
	out *jsontext.Encoder
	err error
}

func newStream(w io.Writer) *stream {
	return &stream{out: jsontext.NewEncoder(w, jsontext.WithIndent("  "), jsontext.PreserveRawStrings(true),
		jsontext.AllowDuplicateNames(true))}
}

func (s *stream) put(tokens ...jsontext.Token) {
	for _, token := range tokens {
		if s.err == nil {
			s.err = s.out.WriteToken(token)
		}
	}
}

func (s *stream) value(v any) {
	if s.err != nil {
		return
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if s.err = encoder.Encode(v); s.err == nil {
		s.err = s.out.WriteValue(text.Bytes())
	}
}

func (s *stream) field(name string, v any) {
	s.put(jsontext.String(name))
	s.value(v)
}

// writeList writes a field with a list, item by item.
func writeList[T any](s *stream, name string, items iter.Seq[T]) {
	s.put(jsontext.String(name), jsontext.BeginArray)
	for item := range items {
		if s.value(item); s.err != nil {
			return
		}
	}
	s.put(jsontext.EndArray)
}
