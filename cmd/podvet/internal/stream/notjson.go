package stream

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// Unrendered is what keeps a template from being read.
const Unrendered = "a template has to be rendered first"

// NotJSON says what a JSON error means: before is the text up to its place, after what stands there.
func NotJSON(err error, before, after []byte) string {
	const not = "is not valid JSON, "
	next, _ := utf8.DecodeRune(after)
	last := bytes.TrimRight(before, " \t\r\n")
	syntactic, _ := errors.AsType[*jsontext.SyntacticError](err)
	switch {
	case errors.Is(err, errNoObject):
		return err.Error()
	case bytes.HasPrefix(after, []byte("{{")) || bytes.HasSuffix(last, []byte("{")) && next == '{':
		return "is not valid JSON: " + Unrendered
	case errors.Is(err, io.ErrUnexpectedEOF) || len(after) == 0:
		return not + "it ends too early: close its quotes, brackets and braces"
	case syntactic == nil:
		return not + "it cannot be read to its end: see that the file is whole"
	case next == '/' || next == '#':
		return not + "JSON has no comments: remove this one"
	case bytes.HasSuffix(last, []byte(",")) && (next == '}' || next == ']' || next == ','):
		return not + "a comma is not followed by anything: remove it"
	case next == '\'':
		return not + `single quotes do not quote: write "`
	case next == '"':
		return not + "two values follow one another: write a comma or a colon between them"
	case next == utf8.RuneError:
		return not + "it holds bytes that are not UTF-8: convert it to UTF-8"
	case next < ' ':
		return not + `text holds a control character or a line break: write it as \n, \t or \u00XX`
	}
	return not + fmt.Sprintf("%q cannot stand here: see whether a quote, comma or brace before it is missing", next)
}

// errNoObject is JSON that no manifest can be.
var errNoObject = errors.New("is not a Kubernetes object: write apiVersion, kind and metadata")
