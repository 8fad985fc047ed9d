package manifest

import (
	"bytes"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// replace puts another value in the place of one that is there: a number, or a mapping such as a hook.
func (d *Document) replace(parent, value *yaml.Node, key string, to any) (Edit, *obstacle) {
	if value.Kind == yaml.AliasNode {
		return Edit{}, d.obstacle(value, d.isAlias(key, value))
	}
	if value.Tag == "!!null" {
		return Edit{}, d.obstacle(value, key+" is written without a value: remove it")
	}
	offset, ok := d.chunk.OffsetOf(value)
	if ok && value.Kind == yaml.MappingNode {
		return d.replaceMapping(parent, value, key, offset, to)
	}
	if value.Kind != yaml.ScalarNode || !ok || value.Value == "" ||
		!bytes.HasPrefix(d.chunk.Text[offset:], []byte(value.Value)) {
		return Edit{}, d.obstacle(value, key+" is not a plain number: write it as one")
	}
	return Edit{offset, len(value.Value), fmt.Sprint(to)}, nil
}

// replaceMapping replaces all of a mapping, where no comment, anchor or template would go with it.
func (d *Document) replaceMapping(parent, value *yaml.Node, key string, offset int, to any) (Edit, *obstacle) {
	start, end, text := offset, d.endOfBraces(offset), strings.TrimPrefix(inBraces(key, to, d.chunk.JSON), key+": ")
	if d.chunk.JSON {
		text = strings.TrimPrefix(text, fmt.Sprintf("%q: ", key))
	}
	if value.Style&yaml.FlowStyle == 0 {
		at := keyOf(parent, value)
		block, err := inBlock(key, to)
		var ok bool
		if start, ok = d.chunk.OffsetOf(at); err != nil || !ok {
			return Edit{}, d.obstacle(value, "the new text cannot be written: write it by hand")
		}
		end = d.endOfBlock(at)
		end -= len(d.chunk.Text[start:end]) - len(bytes.TrimRight(d.chunk.Text[start:end], " \r\n"))
		newline := "\n"
		if bytes.Contains(d.chunk.Text[start:end], []byte("\r\n")) {
			newline = "\r\n"
		}
		text = strings.ReplaceAll(block, "\n", newline+strings.Repeat(" ", at.Column-1))
	}
	if end < start || bytes.ContainsAny(d.chunk.Text[start:end], "#&*!") ||
		bytes.Contains(d.chunk.Text[start:end], []byte("{{")) {
		return Edit{}, d.obstacle(value, key+" holds more than its fields: write the new one by hand")
	}
	return Edit{start, end - start, text}, nil
}

// keyOf is the key of a value in a mapping.
func keyOf(parent, value *yaml.Node) *yaml.Node {
	for i := 1; i < len(parent.Content); i += 2 {
		if parent.Content[i] == value {
			return parent.Content[i-1]
		}
	}
	return nil
}

// endOfBraces is where the braces or brackets close that open at a place, -1 where they do not or none open there.
func (d *Document) endOfBraces(start int) int {
	depth, quote := 0, byte(0)
	for i := start; i < len(d.chunk.Text); i++ {
		c := d.chunk.Text[i]
		switch {
		case quote == '"' && c == '\\':
			i++
		case quote != 0:
			if c == quote { // a quote within single quotes is written twice, and so opens them again
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
		if depth == 0 {
			return -1
		}
	}
	return -1
}
