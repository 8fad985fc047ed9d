package stream

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// Chunk is the text of one document of a stream.
type Chunk struct {
	File string
	Line int // of its first byte, from 1
	Text []byte
	JSON bool

	Source string // the template that it comes from, where helm says so in a comment

	Listed Listed // in what list
	Offset int    // in the file

	odd bool // ends lines as only YAML does; WithLineEnds finds out
}

// Listed is what the items of a typed list are, such as a DeploymentList: they need not say it.
type Listed struct{ APIVersion, Kind string }

// ItemsOf are the items of a list. A List says nothing of its items.
func ItemsOf(apiVersion, kind string) Listed {
	if kind == "List" {
		return Listed{}
	}
	return Listed{apiVersion, strings.TrimSuffix(kind, "List")}
}

// ByteOrderMark is what some editors put before a text.
var ByteOrderMark = []byte("\xef\xbb\xbf")

// oddBreaks are what ends a line in YAML beside the line feed. (A carriage return before one is the same end.)
var oddBreaks = [][]byte{{'\r'}, []byte("\u0085"), []byte("\u2028"), []byte("\u2029")}

// WithLineEnds is the chunk that knows whether it has such line ends.
func (c Chunk) WithLineEnds() Chunk {
	c.odd = !c.JSON && slices.ContainsFunc(oddBreaks, func(b []byte) bool { return bytes.Contains(c.Text, b) })
	return c
}

// LineOf is the line in the file of a node, as editors count.
func (c Chunk) LineOf(n *yaml.Node) int {
	if !c.odd {
		return c.Line - 1 + n.Line
	}
	return c.Line + Newlines(c.Text[:c.StartOf(n.Line)])
}

// StartOf is where a line begins in the text, lines counted from 1 as the chunk's parser counts them.
func (c Chunk) StartOf(line int) int {
	offset := 0
	for ; line > 1 && offset < len(c.Text); line-- {
		offset += c.LineLength(offset)
	}
	return min(offset, len(c.Text))
}

// LineLength is the length of the line that begins at an offset, with what ends it.
func (c Chunk) LineLength(offset int) int {
	length := bytes.IndexByte(c.Text[offset:], '\n') + 1
	if length == 0 {
		length = len(c.Text) - offset
	}
	if !c.odd {
		return length
	}
	for _, b := range oddBreaks {
		// A carriage return that a line feed follows ends the line with it.
		i := bytes.Index(c.Text[offset:offset+length], b)
		if i >= 0 && i+len(b) < length-1 || i >= 0 && b[0] != '\r' {
			length = i + len(b)
		}
	}
	return length
}

// OffsetOf is the place of a node in the text. Columns count characters.
func (c Chunk) OffsetOf(n *yaml.Node) (int, bool) {
	offset := c.StartOf(n.Line)
	if n.Line == 1 {
		offset += len(c.Text) - len(bytes.TrimPrefix(c.Text, ByteOrderMark))
	}
	for range n.Column - 1 {
		if offset >= len(c.Text) {
			return 0, false
		}
		_, size := utf8.DecodeRune(c.Text[offset:])
		offset += size
	}
	return offset, offset < len(c.Text)
}

// Newlines counts the line feeds of a text.
func Newlines(text []byte) int { return bytes.Count(text, []byte{'\n'}) }
