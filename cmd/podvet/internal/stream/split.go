package stream

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
	"sync"
)

// readers are used again: with one for each of thousands of small files, their buffers would take half of the time.
var readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 256<<10) }}

// Split reads a stream and hands over its documents one by one, and what of it cannot be read, so that memory does not
// grow with the stream. The items of a JSON List are documents of their own. It tells whether all of the text is on one
// line: then lines say nothing.
func Split(file string, r io.Reader, chunk func(Chunk), problem func(Problem)) (oneLine bool) {
	reader := readers.Get().(*bufio.Reader)
	defer readers.Put(reader)
	reader.Reset(r)
	defer reader.Reset(nil)
	s := &source{file: file, r: reader, line: 1, room: 4 << 10}
	if start, _ := s.r.Peek(len("ab") * 2); isUTF16(start) {
		problem(Problem{File: file, Line: 1, Text: "is UTF-16: convert it to UTF-8"})
		_, _ = io.Copy(io.Discard, s.r) // what is read is counted and kept by whoever handed it over
		return
	}
	if mark, _ := s.r.Peek(len(ByteOrderMark)); bytes.Equal(mark, ByteOrderMark) {
		s.offset, _ = s.r.Discard(len(ByteOrderMark))
	}
	for s.ahead != nil || s.err == nil {
		s.document(chunk, problem)
	}
	if s.failed() {
		line := s.line
		if s.offset == 0 {
			line = 0
		}
		problem(Unreadable(file, line, s.err))
	}
	return s.written < 2
}

// isUTF16 tells whether a text starts as UTF-16 does: with its byte order mark, or with two characters of ASCII, which
// have a zero beside them.
func isUTF16(start []byte) bool {
	switch {
	case bytes.HasPrefix(start, []byte("\xff\xfe")) || bytes.HasPrefix(start, []byte("\xfe\xff")):
		return true
	case len(start) < len("ab")*2:
		return false
	}
	return start[0] != 0 && start[1] == 0 && start[2] != 0 && start[3] == 0 ||
		start[0] == 0 && start[1] != 0 && start[2] == 0 && start[3] != 0
}

// source reads a stream up to the next line that starts with "---", which stands within no YAML and no JSON. So
// whatever is wrong with a document, those after it are found.
type source struct {
	file     string
	r        *bufio.Reader
	line     int    // that comes next, from 1
	offset   int    // of what comes next
	inLine   bool   // what was read last did not end a line
	blank    bool   // what was read of the last line holds nothing
	written  int    // lines that hold something, 2 for more
	template string // that the documents come from, by helm's comment
	room     int    // bytes that the next document is given at once, by the last one; most files are one short document
	ahead    []byte // the line that starts the next document
	unread   []byte // of a piece, by Read
	err      error  // that ended the stream
}

// failed tells whether something other than its end ended the stream.
func (s *source) failed() bool { return s.err != nil && !errors.Is(s.err, io.EOF) }

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
	if !s.inLine {
		s.blank = true
	}
	if s.written < 2 && s.blank && len(bytes.TrimSpace(text)) > 0 {
		s.written++
		s.blank = false
	}
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

// document hands over what the next document holds. Up to MaxDocument its whole text decides whether it is JSON;
// beyond that it is JSON that is read value by value, or too long.
func (s *source) document(chunk func(Chunk), problem func(Problem)) {
	doc := Chunk{File: s.file, Line: s.line, Offset: s.offset}
	doc.Text = make([]byte, 0, min(s.r.Buffered(), s.room))
	for len(doc.Text) <= MaxDocument {
		piece := s.piece(doc.Text)
		if len(piece) == 0 {
			break
		}
		doc.Text = append(doc.Text, piece...)
	}
	s.room = 2 * len(doc.Text)
	if s.failed() {
		return
	}
	doc.Source = s.origin(doc.Text)
	whole := len(doc.Text) <= MaxDocument
	content := bytes.TrimLeft(afterMarker(doc.Text), " \t\r\n")
	switch {
	case len(bytes.TrimSpace(doc.Text)) == 0 && whole: // nothing
	case looksLikeJSON(content) && (!whole || isJSON(content) || !isYAML(doc.Text)):
		before := doc.Text[:len(doc.Text)-len(content)]
		doc.Line += Newlines(before)
		doc.Offset += len(before)
		broken := splitJSON(doc, io.MultiReader(bytes.NewReader(content), s), chunk, problem)
		if broken != nil && !s.failed() {
			problem(*broken)
		}
	case whole:
		chunk(doc)
	default:
		problem(tooLong(s.file, doc.Line))
	}
	s.unread = nil // of what could not be used, and the rest of that:
	for s.ahead == nil && len(s.piece(nil)) > 0 {
	}
}

// origin is the template that helm says a document comes from. The comment may stand alone between two markers before
// the document.
func (s *source) origin(text []byte) string {
	template := s.template
	s.template = ""
	for line := range bytes.Lines(text) {
		line = bytes.TrimSpace(line)
		if name, ok := bytes.CutPrefix(line, []byte("# Source: ")); ok {
			template = string(name)
		}
		if len(line) > 0 && line[0] != '#' && !isSeparator(line) {
			return template
		}
	}
	s.template = template
	return ""
}

// afterMarker is a document without the line "---" that starts it; nothing when more stands on that line.
func afterMarker(text []byte) []byte {
	if !isSeparator(text) {
		return text
	}
	marker, rest, _ := bytes.Cut(text, []byte{'\n'})
	if more := bytes.TrimSpace(bytes.TrimPrefix(marker, ByteOrderMark)[3:]); len(more) > 0 && more[0] != '#' {
		return nil
	}
	return rest
}

// looksLikeJSON: a brace or bracket, and then a quote, another of them or the end, with or without the comments that
// some tools take in JSON. That may still be YAML's flow style; a template starts with {{.
func looksLikeJSON(text []byte) bool {
	text = afterComments(text)
	if len(text) == 0 || text[0] != '{' && text[0] != '[' {
		return false
	}
	follows := `"}`
	if text[0] == '[' {
		follows = `"{[]`
	}
	second := afterComments(text[1:])
	return len(second) > 0 && strings.IndexByte(follows, second[0]) >= 0
}

// afterComments is what follows blanks and the comments // and /* */.
func afterComments(text []byte) []byte {
	for {
		text = bytes.TrimLeft(text, " \t\r\n")
		end := "\n"
		switch {
		case bytes.HasPrefix(text, []byte("/*")):
			end = "*/"
		case !bytes.HasPrefix(text, []byte("//")):
			return text
		}
		_, text, _ = bytes.Cut(text, []byte(end))
	}
}

func isYAML(text []byte) bool {
	_, err := ParseYAML(text)
	return err == nil
}

// isJSON tells whether a text is one JSON value or several.
func isJSON(text []byte) bool {
	d := NewDecoder(bytes.NewReader(text))
	for {
		if err := d.SkipValue(); err != nil {
			return errors.Is(err, io.EOF)
		}
	}
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
	line = bytes.TrimPrefix(line, ByteOrderMark) // of a file that was joined to others
	return bytes.HasPrefix(line, []byte("---")) && (len(line) == 3 || bytes.IndexByte([]byte(" \t\r\n"), line[3]) >= 0)
}
