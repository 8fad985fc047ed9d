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
)

// maxDocument is the longest document in bytes that is looked at. The API server takes objects of 3 MiB.
const maxDocument = 16 << 20

// Chunk is the text of one document of a stream.
type Chunk struct {
	File string
	Line int // of its first byte, from 1
	Text []byte
	JSON bool

	offset int  // in the file
	odd    bool // ends lines as only YAML does; Parse finds out
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

// AsProblem is what Split says of a file.
func AsProblem(file string, err error) Problem {
	if problem, ok := err.(Problem); ok { //nolint:errorlint // as it is yielded
		return problem
	}
	return Problem{File: file, Text: err.Error()}
}

// Split reads a stream and yields its documents one by one, and what of it cannot be read, so that memory does
// not grow with the stream. The items of a JSON List are documents of their own.
func Split(file string, r io.Reader, yield func(Chunk, error) bool) {
	s := &source{file: file, r: bufio.NewReaderSize(r, 256<<10), line: 1}
	if mark, _ := s.r.Peek(len(bom)); bytes.Equal(mark, bom) {
		s.offset, _ = s.r.Discard(len(bom))
	}
	for s.ahead != nil || s.err == nil {
		if !s.document(yield) {
			return
		}
	}
	if !errors.Is(s.err, io.EOF) {
		line := s.line
		if s.offset == 0 {
			line = 0
		}
		yield(Chunk{}, Unreadable(file, line, s.err))
	}
}

// source reads a stream up to the next line that starts with "---", which stands within no YAML and no JSON. So
// whatever is wrong with a document, those after it are found.
type source struct {
	file   string
	r      *bufio.Reader
	line   int    // that comes next, from 1
	offset int    // of what comes next
	inLine bool   // what was read last did not end a line
	ahead  []byte // the line that starts the next document
	unread []byte // of a piece, by Read
	err    error  // that ended the stream
}

// piece is the next line of a document that starts with a text, or a part of one; nothing at its end.
func (s *source) piece(document []byte) []byte {
	text := s.ahead
	if text == nil {
		if s.err != nil {
			return nil
		}
		var err error
		if text, err = s.r.ReadSlice('\n'); err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			s.err = err
		}
		if !s.inLine && isSeparator(text) && !onlyDirectives(document) {
			s.ahead = text
			return nil
		}
	}
	s.ahead = nil
	s.offset += len(text)
	if s.inLine = !bytes.HasSuffix(text, []byte{'\n'}); !s.inLine {
		s.line++
	}
	return text
}

// Read reads on to the end of the document.
func (s *source) Read(p []byte) (int, error) {
	if len(s.unread) == 0 && s.ahead == nil {
		s.unread = s.piece(nil)
	}
	if len(s.unread) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.unread)
	s.unread = s.unread[n:]
	return n, nil
}

// document yields what the next document holds. Up to maxDocument its whole text decides whether it is JSON;
// beyond that it is JSON that is read value by value, or too long.
func (s *source) document(yield func(Chunk, error) bool) bool {
	doc := Chunk{File: s.file, Line: s.line, offset: s.offset}
	for len(doc.Text) <= maxDocument {
		piece := s.piece(doc.Text)
		if len(piece) == 0 {
			break
		}
		doc.Text = append(doc.Text, piece...)
	}
	if s.err != nil && !errors.Is(s.err, io.EOF) {
		return true
	}
	whole := len(doc.Text) <= maxDocument
	content := bytes.TrimLeft(afterMarker(doc.Text), " \t\r\n")
	goOn := true
	switch {
	case len(bytes.TrimSpace(doc.Text)) == 0 && whole: // nothing
	case looksLikeJSON(content) && (!whole || isJSON(content) || !isYAML(doc.Text)):
		before := doc.Text[:len(doc.Text)-len(content)]
		doc.Line += bytes.Count(before, []byte{'\n'})
		doc.offset += len(before)
		goOn = s.json(doc, io.MultiReader(bytes.NewReader(content), s), yield)
	case whole:
		return yield(doc, nil)
	default:
		goOn = yield(Chunk{}, tooLong(s.file, doc.Line))
	}
	s.unread = nil // of what could not be used, and the rest of that:
	for goOn && s.ahead == nil && len(s.piece(nil)) > 0 {
	}
	return goOn
}

func tooLong(file string, line int) Problem {
	return Problem{File: file, Line: line, Text: fmt.Sprintf("a document of more than %d MiB: podvet looks at none so long", maxDocument>>20)}
}

// afterMarker is a document without the line "---" that starts it; nothing when more stands on that line.
func afterMarker(text []byte) []byte {
	if !isSeparator(text) {
		return text
	}
	marker, rest, _ := bytes.Cut(text, []byte{'\n'})
	if more := bytes.TrimSpace(bytes.TrimPrefix(marker, bom)[3:]); len(more) > 0 && more[0] != '#' {
		return nil
	}
	return rest
}

// looksLikeJSON: a brace or bracket, and then a quote, another of them or the end. That may still be YAML's flow
// style; a template starts with {{.
func looksLikeJSON(text []byte) bool {
	if len(text) == 0 || text[0] != '{' && text[0] != '[' {
		return false
	}
	follows := `"}`
	if text[0] == '[' {
		follows = `"{[]`
	}
	second := bytes.TrimLeft(text[1:], " \t\r\n")
	return len(second) > 0 && strings.IndexByte(follows, second[0]) >= 0
}

func isYAML(text []byte) bool {
	_, err := parseYAML(text)
	return err == nil
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

// onlyDirectives: "%YAML 1.1" and the like belong to the document whose marker follows; they stand at the start
// or after the line "..." that ends another document.
func onlyDirectives(text []byte) bool {
	if end := []byte("\n..."); bytes.Contains(text, end) { // far faster than LastIndex
		_, text, _ = bytes.Cut(text[bytes.LastIndex(text, end)+1:], []byte{'\n'})
	}
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
	line = bytes.TrimPrefix(line, bom) // of a file that was joined to others
	return bytes.HasPrefix(line, []byte("---")) && (len(line) == 3 || bytes.IndexByte([]byte(" \t\r\n"), line[3]) >= 0)
}

// tape keeps what is read through it since the last cut, so that a value is seen as it is written.
type tape struct {
	r    io.Reader
	text []byte
	at   int64 // of the text
	line int   // of the text

	long bool // what belongs before the text was too long to keep
	from int  // the line where it starts
}

func (t *tape) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	if len(t.text) > maxDocument { // and no value ends before what is read now, or no more would be asked for
		if !t.long {
			t.long, t.from = true, t.line+newlines(t.text[:len(t.text)-len(bytes.TrimLeft(t.text, betweenValues))])
		}
		t.cut(t.at + int64(len(t.text)))
	}
	t.text = append(t.text, p[:n]...)
	return n, err
}

const betweenValues = " \t\r\n,:"

func newlines(text []byte) int { return bytes.Count(text, []byte{'\n'}) }

// cut forgets what stands before a place.
func (t *tape) cut(to int64) {
	n := to - t.at
	t.line += newlines(t.text[:n])
	t.at = to
	t.text = append(t.text[:0], t.text[n:]...)
}

// lineAt is the line of a place in the text.
func (t *tape) lineAt(place int64) int {
	return t.line + newlines(t.text[:min(max(place-t.at, 0), int64(len(t.text)))])
}

// jsonSplitter yields each value of a stream; of a List, in whatever order its fields stand, each item.
type jsonSplitter struct {
	*jsontext.Decoder
	tape  *tape
	start Chunk // where the stream starts
	yield func(Chunk, error) bool
}

// json yields the values of the document that starts at a place. It returns false when yield does.
func (s *source) json(start Chunk, r io.Reader, yield func(Chunk, error) bool) bool {
	t := &tape{r: r, line: start.Line}
	j := jsonSplitter{Decoder: newDecoder(t), tape: t, start: start, yield: yield}
	goOn, err := true, error(nil)
	for goOn && err == nil {
		switch j.PeekKind() {
		case '[': // several objects, as some tools print them
			_, _ = j.ReadToken()
			goOn, err = j.list()
		case '{':
			goOn, err = j.object()
		default:
			if _, err = j.ReadToken(); err == nil {
				err = errors.New("a document must be an object")
			}
		}
	}
	if !goOn || errors.Is(err, io.EOF) && len(bytes.TrimSpace(t.text)) == 0 || s.err != nil && !errors.Is(s.err, io.EOF) {
		return goOn
	}
	place, text := j.InputOffset(), err.Error()
	if syntactic, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		place, text = syntactic.ByteOffset, syntactic.Err.Error()
	}
	return yield(Chunk{}, Problem{File: s.file, Line: t.lineAt(place), Text: "is not JSON: " + text})
}

// value yields the value that was read last.
func (j *jsonSplitter) value() bool {
	end := j.InputOffset()
	if j.tape.long {
		j.cut()
		return j.yield(Chunk{}, tooLong(j.start.File, j.tape.from))
	}
	before := j.tape.text[:end-j.tape.at]
	text := bytes.TrimLeft(before, betweenValues)
	c := Chunk{File: j.start.File, Line: j.tape.line + newlines(before[:len(before)-len(text)]), JSON: true,
		offset: j.start.offset + int(end) - len(text), Text: bytes.Clone(text)}
	j.cut()
	if len(text) > maxDocument {
		return j.yield(Chunk{}, tooLong(c.File, c.Line))
	}
	return j.yield(c, nil)
}

func (j *jsonSplitter) cut() {
	j.tape.cut(j.InputOffset())
	j.tape.long = false
}

// list yields the items of a list whose bracket was read.
func (j *jsonSplitter) list() (goOn bool, err error) {
	j.cut()
	for j.PeekKind() != ']' {
		if err := j.SkipValue(); err != nil {
			return true, err
		}
		if !j.value() {
			return false, nil
		}
	}
	_, err = j.ReadToken()
	j.cut()
	return true, err
}

// object yields an object, or of a List the items as they come: kubectl writes the field kind after them.
func (j *jsonSplitter) object() (goOn bool, err error) {
	if _, err := j.ReadToken(); err != nil {
		return true, err
	}
	isList, kind := false, ""
	for j.PeekKind() != '}' {
		token, err := j.ReadToken()
		if err != nil {
			return true, err
		}
		name := token.String()
		if name == "kind" && j.PeekKind() == '"' {
			if token, err = j.ReadToken(); err != nil {
				return true, err
			}
			kind = token.String()
			continue
		}
		if name != "items" || j.PeekKind() != '[' || kind != "" && !strings.HasSuffix(kind, "List") {
			if err := j.SkipValue(); err != nil {
				return true, err
			}
			continue
		}
		if _, err := j.ReadToken(); err != nil {
			return true, err
		}
		if first := j.PeekKind(); first == '{' || first == 'n' { // kubectl writes the kind last
			isList = true
			if goOn, err := j.list(); !goOn || err != nil {
				return goOn, err
			}
			continue
		}
		for j.PeekKind() != ']' { // nothing, or no List: some kind with a field of this name
			if err := j.SkipValue(); err != nil {
				return true, err
			}
		}
		if _, err := j.ReadToken(); err != nil {
			return true, err
		}
	}
	if _, err := j.ReadToken(); err != nil {
		return true, err
	}
	if isList || strings.HasSuffix(kind, "List") {
		j.cut()
		return true, nil
	}
	return j.value(), nil
}
