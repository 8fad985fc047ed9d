package stream

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// jsonSplitter yields each value of a stream; of a List, in whatever order its fields stand, each item.
type jsonSplitter struct {
	*jsontext.Decoder
	tape    *tape
	start   Chunk // where the stream starts
	chunk   func(Chunk)
	problem func(Problem)
}

// splitJSON yields the values of the document that starts at a place. It returns what ends it before its end.
func splitJSON(start Chunk, r io.Reader, chunk func(Chunk), problem func(Problem)) *Problem {
	t := &tape{r: r, line: start.Line}
	j := jsonSplitter{Decoder: NewDecoder(t), tape: t, start: start, chunk: chunk, problem: problem}
	var err error
	for err == nil {
		err = j.next()
	}
	if errors.Is(err, io.EOF) && len(bytes.TrimSpace(t.text)) == 0 {
		return nil
	}
	place := j.InputOffset()
	if syntactic, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		place = syntactic.ByteOffset
	}
	before, after := t.around(place)
	if len(after) == 0 { // the last line is the one that lacks something
		before = bytes.TrimRight(before, betweenValues)
	}
	return &Problem{File: start.File, Line: t.line + Newlines(before), Text: NotJSON(err, before, after)}
}

// next yields what the next value of the stream holds.
func (j *jsonSplitter) next() error {
	switch j.PeekKind() {
	case '[': // several objects, as some tools print them
		_, _ = j.ReadToken()
		j.cut()
		return j.list(Listed{})
	case '{':
		return j.object()
	}
	if _, err := j.ReadToken(); err != nil {
		return err
	}
	return errNoObject
}

// value yields the value that was read last and starts at or after a place, an item of what is listed.
func (j *jsonSplitter) value(from int64, in Listed) {
	end := j.InputOffset()
	if j.tape.long {
		j.cut()
		j.problem(tooLong(j.start.File, j.tape.from))
		return
	}
	before := j.tape.text[:end-j.tape.at]
	text := bytes.TrimLeft(before[max(from-j.tape.at, 0):], betweenValues)
	c := Chunk{File: j.start.File, Line: j.tape.line + Newlines(before[:len(before)-len(text)]), JSON: true,
		Source: j.start.Source, Listed: in, Offset: j.start.Offset + int(end) - len(text), Text: bytes.Clone(text)}
	j.cut()
	if len(text) > MaxDocument {
		j.problem(tooLong(c.File, c.Line))
		return
	}
	j.chunk(c)
}

func (j *jsonSplitter) cut() {
	j.tape.cut(j.InputOffset())
	j.tape.long = false
}

// list yields the items that are left of a list.
func (j *jsonSplitter) list(in Listed) error {
	for j.PeekKind() != ']' {
		if err := j.SkipValue(); err != nil {
			return err
		}
		j.value(0, in)
	}
	_, err := j.ReadToken()
	j.cut()
	return err
}

// object yields an object, or of a List the items as they come: kubectl writes the field kind after them.
func (j *jsonSplitter) object() error {
	if _, err := j.ReadToken(); err != nil {
		return err
	}
	isList, apiVersion, kind := false, "", ""
	for j.PeekKind() != '}' {
		token, err := j.ReadToken()
		if err != nil {
			return err
		}
		switch name := token.String(); {
		case name == "kind" && j.PeekKind() == '"':
			token, err = j.ReadToken()
			kind = token.String()
		case name == "apiVersion" && j.PeekKind() == '"':
			token, err = j.ReadToken()
			apiVersion = token.String()
		case name == "items" && j.PeekKind() == '[' && (kind == "" || strings.HasSuffix(kind, "List")):
			var found bool
			found, err = j.items(apiVersion, kind)
			isList = isList || found
		default:
			err = j.SkipValue()
		}
		if err != nil {
			return err
		}
	}
	if _, err := j.ReadToken(); err != nil {
		return err
	}
	if isList {
		j.cut()
	} else {
		j.value(0, Listed{})
	}
	return nil
}

// items reads the field items. Where they are objects this is a list, because kubectl writes the kind last, and they
// are yielded. Items that do not say what they are have to wait for the kind of their list: they are read with it.
func (j *jsonSplitter) items(apiVersion, kind string) (isList bool, err error) {
	if _, err := j.ReadToken(); err != nil {
		return false, err
	}
	from := j.InputOffset()
	switch first := j.PeekKind(); {
	case first == '{' && kind == "":
		item, err := j.ReadValue()
		if err != nil {
			return false, err
		}
		if saysKind(item) {
			j.value(from, Listed{})
			return true, j.list(Listed{})
		}
	case first == '{' || first == 'n':
		j.cut()
		return true, j.list(ItemsOf(apiVersion, kind))
	}
	for j.PeekKind() != ']' { // nothing, or not a list: some kind with a field of this name
		if err := j.SkipValue(); err != nil {
			return false, err
		}
	}
	_, err = j.ReadToken()
	return false, err
}

// saysKind tells whether an object has the field kind.
func saysKind(object jsontext.Value) bool {
	d := NewDecoder(bytes.NewReader(object))
	_, _ = d.ReadToken() // the brace
	for d.PeekKind() == '"' {
		if name, err := d.ReadToken(); err != nil || name.String() == "kind" {
			return err == nil
		}
		if d.SkipValue() != nil {
			return false
		}
	}
	return false
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

const betweenValues = " \t\r\n,:"

func (t *tape) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	if len(t.text) > MaxDocument { // and no value ends before what is read now, or no more would be asked for
		if !t.long {
			blank := t.text[:len(t.text)-len(bytes.TrimLeft(t.text, betweenValues))]
			t.long, t.from = true, t.line+Newlines(blank)
		}
		t.cut(t.at + int64(len(t.text)))
	}
	t.text = append(t.text, p[:n]...)
	return n, err
}

// cut forgets what stands before a place.
func (t *tape) cut(to int64) {
	n := to - t.at
	t.line += Newlines(t.text[:n])
	t.at = to
	t.text = append(t.text[:0], t.text[n:]...)
}

// around is the text before and after a place, as far as it is kept.
func (t *tape) around(place int64) (before, after []byte) {
	at := min(max(place-t.at, 0), int64(len(t.text)))
	return t.text[:at], t.text[at:]
}
