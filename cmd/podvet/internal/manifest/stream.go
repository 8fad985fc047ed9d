// Package manifest reads Kubernetes manifests, YAML and JSON, with the place of every field, and splices
// fixes into their text.
package manifest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"go.yaml.in/yaml/v3"
)

// maxDocument is the longest document in bytes that is looked at. The API server takes objects of 3 MiB.
const maxDocument = 16 << 20

// Chunk is the text of one document of a stream.
type Chunk struct {
	File string
	Line int // of its first byte, from 1
	Text []byte
	JSON bool

	odd bool // ends lines as only YAML does; Parse finds out
}

// Problem is input that cannot be used, and where.
type Problem struct {
	File string
	Line int // 0 where unknown
	Text string

	// Unsafe: a fix that is left to people; all else in the file is well.
	Unsafe bool
}

func (p Problem) Error() string {
	if p.Line > 0 {
		return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Text)
	}
	return p.File + ": " + p.Text
}

// Split reads a stream and yields its documents one by one, and what of it cannot be read, so that memory does
// not grow with the stream. The items of a JSON List are documents of their own.
func Split(file string, r io.Reader, yield func(Chunk, error) bool) {
	reader := bufio.NewReaderSize(r, 256<<10)
	if mark, _ := reader.Peek(3); bytes.Equal(mark, bom) {
		_, _ = reader.Discard(3)
	}
	head, err := reader.Peek(64 << 10)
	if len(head) == 0 {
		if err != nil && !errors.Is(err, io.EOF) {
			yield(Chunk{}, Unreadable(file, 0, err))
		}
		return
	}
	if looksLikeJSON(head, errors.Is(err, io.EOF)) {
		splitJSON(file, reader, yield)
	} else {
		splitYAML(file, 1, reader, yield)
	}
}

// looksLikeJSON: a brace or bracket, and then a quote, another of them or the end. That may still be YAML's flow
// style: of a whole text, what is YAML and no JSON is YAML.
func looksLikeJSON(head []byte, whole bool) bool {
	text := bytes.TrimSpace(head)
	if len(text) == 0 || text[0] != '{' && text[0] != '[' {
		return false
	}
	second, follows := bytes.TrimSpace(text[1:]), `"}` // a template starts with {{
	if text[0] == '[' {
		follows = `"{[]`
	}
	if len(second) == 0 || !strings.ContainsRune(follows, rune(second[0])) {
		return false
	}
	return !whole || isJSON(text) || yaml.Unmarshal(text, new(yaml.Node)) != nil
}

// isJSON tells whether a text is one JSON value or several.
func isJSON(text []byte) bool {
	d := newDecoder(bytes.NewReader(text))
	for {
		if err := d.SkipValue(); err != nil {
			return errors.Is(err, io.EOF)
		}
	}
}

// newDecoder reads JSON as the API server does.
func newDecoder(r io.Reader) *jsontext.Decoder {
	return jsontext.NewDecoder(r, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
}

// splitYAML cuts at the lines that start with "---", which YAML allows nowhere else.
func splitYAML(file string, line int, r *bufio.Reader, yield func(Chunk, error) bool) {
	doc := Chunk{File: file, Line: line}
	tooLong := false
	flush := func() bool {
		done := doc
		doc = Chunk{File: file, Line: line}
		if tooLong {
			tooLong = false
			return yield(Chunk{}, Problem{File: file, Line: done.Line, Text: fmt.Sprintf("a document of more than %d MiB: podvet looks at none so long", maxDocument>>20)})
		}
		return len(bytes.TrimSpace(done.Text)) == 0 || yield(done, nil)
	}
	startOfLine := true
	for {
		text, err := r.ReadSlice('\n')
		if startOfLine && isSeparator(text) && !onlyDirectives(doc.Text) {
			if !flush() {
				return
			}
			doc.Line = line
		}
		if len(doc.Text)+len(text) > maxDocument {
			tooLong, doc.Text = true, nil
		}
		if !tooLong {
			doc.Text = append(doc.Text, text...)
		}
		startOfLine = len(text) > 0 && text[len(text)-1] == '\n'
		if startOfLine {
			line++
		}
		switch {
		case err == nil || errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF):
			flush()
			return
		default:
			yield(Chunk{}, Unreadable(file, line, err))
			return
		}
	}
}

// onlyDirectives: "%YAML 1.1" and the like belong to the document whose marker follows.
func onlyDirectives(text []byte) bool {
	directive := false
	for line := range bytes.Lines(text) {
		if line = bytes.TrimSpace(line); len(line) > 0 && line[0] == '%' {
			directive = true
		} else if len(line) > 0 && line[0] != '#' {
			return false
		}
	}
	return directive
}

func isSeparator(line []byte) bool {
	return bytes.HasPrefix(line, []byte("---")) && (len(line) == 3 || bytes.IndexByte([]byte(" \t\r\n"), line[3]) >= 0)
}

// lines counts the lines of what is read through it, so that a place in bytes can be told as a line.
type lines struct {
	r        io.Reader
	read     int64
	newlines []int64 // places of those not yet passed
	passed   int
}

func (l *lines) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	for i, b := range p[:n] {
		if b == '\n' {
			l.newlines = append(l.newlines, l.read+int64(i))
		}
	}
	l.read += int64(n)
	return n, err
}

// at is the line of a place that is not before the last one asked for.
func (l *lines) at(offset int64) int {
	n := 0
	for n < len(l.newlines) && l.newlines[n] < offset {
		n++
	}
	l.passed += n
	l.newlines = append(l.newlines[:0], l.newlines[n:]...)
	return l.passed + 1
}

// splitJSON yields each value of the stream; of a List, in whatever order its fields stand, each item.
func splitJSON(file string, r io.Reader, yield func(Chunk, error) bool) {
	counted := &lines{r: r}
	d := newDecoder(counted)
	value := func() (Chunk, error) {
		raw, err := d.ReadValue()
		if err != nil {
			return Chunk{}, err
		}
		text := bytes.Clone(raw)
		return Chunk{File: file, Line: counted.at(d.InputOffset() - int64(len(text))), Text: text, JSON: true}, nil
	}
	list := func() bool { // after its bracket
		for d.PeekKind() != ']' {
			item, err := value()
			if err != nil {
				yield(Chunk{}, notJSON(file, counted, d, err))
				return false
			}
			if !yield(item, nil) {
				return false
			}
		}
		_, _ = d.ReadToken()
		return true
	}
	for {
		switch d.PeekKind() {
		case '[': // several objects, as some tools print them
			_, _ = d.ReadToken()
			if !list() {
				return
			}
		case '{':
			if !splitObject(file, d, counted, list, yield) {
				return
			}
		default:
			if rest := bytes.TrimLeft(d.UnreadBuffer(), " \t\r\n"); isSeparator(rest) { // YAML goes on where JSON was one document
				line := counted.at(d.InputOffset() + int64(len(d.UnreadBuffer())-len(rest)))
				splitYAML(file, line, bufio.NewReader(io.MultiReader(bytes.NewReader(rest), counted.r)), yield)
				return
			}
			if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
				if err == nil {
					err = errors.New("a document must be an object")
				}
				yield(Chunk{}, notJSON(file, counted, d, err))
			}
			return
		}
	}
}

// splitObject reads an object and passes the items of a List on as they come: kubectl writes the field kind
// after them.
func splitObject(file string, d *jsontext.Decoder, counted *lines, list func() bool, yield func(Chunk, error) bool) bool {
	fail := func(err error) bool {
		yield(Chunk{}, notJSON(file, counted, d, err))
		return false
	}
	_, _ = d.ReadToken()
	object := Chunk{File: file, Line: counted.at(d.InputOffset() - 1), JSON: true}
	object.Text = append(object.Text, '{')
	line, items := object.Line, false
	for d.PeekKind() == '"' {
		name, err := d.ReadValue()
		if err != nil {
			return fail(err)
		}
		// The text between the fields is not seen; empty lines keep the lines of what follows right.
		at := counted.at(d.InputOffset() - int64(len(name)))
		isItems := string(name) == `"items"`
		if len(object.Text) > 1 {
			object.Text = append(object.Text, ',')
		}
		for ; line < at; line++ {
			object.Text = append(object.Text, '\n')
		}
		object.Text = append(append(object.Text, name...), ':')
		if isItems && d.PeekKind() == '[' {
			_, _ = d.ReadToken()
			object.Text = append(object.Text, "[]"...)
			if kind := d.PeekKind(); kind != '{' && kind != ']' { // no List: some kind with a field of this name
				for d.PeekKind() != ']' {
					if err := d.SkipValue(); err != nil {
						return fail(err)
					}
				}
				_, _ = d.ReadToken()
				line = counted.at(d.InputOffset())
				continue
			}
			items = true
			if !list() {
				return false
			}
			line = counted.at(d.InputOffset())
			continue
		}
		field, err := d.ReadValue()
		if err != nil {
			return fail(err)
		}
		if len(object.Text)+len(field) > maxDocument {
			return fail(fmt.Errorf("a document of more than %d MiB", maxDocument>>20))
		}
		for at = counted.at(d.InputOffset() - int64(len(field))); line < at; line++ {
			object.Text = append(object.Text, '\n')
		}
		object.Text = append(object.Text, field...)
		line += bytes.Count(field, []byte{'\n'})
	}
	if _, err := d.ReadToken(); err != nil {
		return fail(err)
	}
	object.Text = append(object.Text, '}')
	return items || yield(object, nil)
}

func notJSON(file string, counted *lines, d *jsontext.Decoder, err error) Problem {
	text := err.Error()
	if syntactic, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		text = syntactic.Err.Error()
	}
	return Problem{File: file, Line: counted.at(d.InputOffset()), Text: "is not JSON: " + text}
}
