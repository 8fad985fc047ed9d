package stream

import (
	"bytes"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"go.yaml.in/yaml/v3"
)

// ParseJSON reads a chunk of JSON as the tree that YAML has: a YAML parser takes most JSON, but not all of it.
func ParseJSON(c Chunk) (*yaml.Node, *Problem) {
	text := bytes.TrimPrefix(c.Text, ByteOrderMark)
	b := jsonBuilder{d: NewDecoder(bytes.NewReader(text)), text: text, line: 1, column: 1}
	n, err := b.value()
	if err != nil {
		at := min(int(b.d.InputOffset()), len(text))
		return nil, &Problem{File: c.File, Line: c.Line - 1 + b.line, Text: NotJSON(err, text[:at], text[at:])}
	}
	return n, nil
}

type jsonBuilder struct {
	d            *jsontext.Decoder
	text         []byte
	at           int // up to where lines and columns are counted
	line, column int
}

// node is a new node at the place of the token or value that was read last.
func (b *jsonBuilder) node(kind yaml.Kind, tag, value string, length int) *yaml.Node {
	offset := int(b.d.InputOffset()) - length
	for b.at < offset {
		character, size := utf8.DecodeRune(b.text[b.at:offset])
		b.at += size
		b.column++
		if character == '\n' {
			b.line++
			b.column = 1
		}
	}
	return &yaml.Node{Kind: kind, Tag: tag, Value: value, Style: yaml.FlowStyle, Line: b.line, Column: b.column}
}

func (b *jsonBuilder) value() (*yaml.Node, error) {
	switch kind := b.d.PeekKind(); kind {
	case '{':
		return b.children(yaml.MappingNode, "!!map")
	case '[':
		return b.children(yaml.SequenceNode, "!!seq")
	default:
		return b.scalar(kind)
	}
}

// children reads a mapping or a list with all that it holds.
func (b *jsonBuilder) children(kind yaml.Kind, tag string) (*yaml.Node, error) {
	if _, err := b.d.ReadToken(); err != nil {
		return nil, err
	}
	n := b.node(kind, tag, "", 1)
	for b.d.PeekKind() != '}' && b.d.PeekKind() != ']' {
		child, err := b.value()
		if err != nil {
			return nil, err
		}
		n.Content = append(n.Content, child)
	}
	_, err := b.d.ReadToken()
	return n, err
}

func (b *jsonBuilder) scalar(kind jsontext.Kind) (*yaml.Node, error) {
	raw, err := b.d.ReadValue()
	if err != nil {
		return nil, err
	}
	n := b.node(yaml.ScalarNode, "!!null", string(raw), len(raw))
	switch kind {
	case '"':
		// The error tells of what is no character, such as half a pair: read as the replacement character.
		unquoted, _ := jsontext.AppendUnquote(nil, raw)
		n.Tag, n.Value, n.Style = "!!str", string(unquoted), yaml.DoubleQuotedStyle
	case '0':
		n.Tag = "!!int"
		if bytes.ContainsAny(raw, ".eE") {
			n.Tag = "!!float"
		}
	case 't', 'f':
		n.Tag = "!!bool"
	}
	return n, nil
}
