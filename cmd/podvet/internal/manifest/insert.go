package manifest

import (
	"bytes"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/podvet/podvet/cmd/podvet/internal/stream"
)

// beside says before which key a new one is put: handlers stand together, numbers with numbers.
var beside = map[string][]string{
	"startupProbe":   {"livenessProbe", "readinessProbe"},
	"readinessProbe": {"livenessProbe", "startupProbe"},
	"livenessProbe":  {"readinessProbe", "startupProbe"},
	"lifecycle":      {"livenessProbe", "readinessProbe", "startupProbe"},
	"timeoutSeconds": {"initialDelaySeconds", "periodSeconds", "failureThreshold", "successThreshold",
		"terminationGracePeriodSeconds"},
	"failureThreshold":              {"successThreshold", "timeoutSeconds", "periodSeconds"},
	"terminationGracePeriodSeconds": {"containers"},
}

// after says after which key a new one of a container is put where none of those is: never between name and image.
var after = []string{"ports", "image", "name"}

// insert puts a new key before one that is there: where a value ends is not always known, where a key starts is.
func (d *Document) insert(parent *yaml.Node, key string, value any) (Edit, *obstacle) {
	if len(parent.Content) == 0 {
		offset, ok := d.chunk.OffsetOf(parent)
		if !ok || d.chunk.Text[offset] != '{' {
			return Edit{}, d.obstacle(parent, "its place is empty: write the field there by hand")
		}
		return Edit{offset + 1, 0, inBraces(key, value, d.chunk.JSON)}, nil
	}
	at, last := neighbour(parent, key)
	offset, ok := d.chunk.OffsetOf(at)
	if !ok || at.Tag == "!!merge" {
		return Edit{}, d.obstacle(parent, "there is no key to put "+key+" beside: write it by hand")
	}
	start, end := d.lineAround(offset)
	if bytes.Contains(d.chunk.Text[start:end], []byte("{{")) {
		return Edit{}, d.obstacle(at, "this line holds {{ }}: "+stream.Unrendered)
	}
	newline := "\n"
	if end > 0 && end < len(d.chunk.Text) && d.chunk.Text[end-1] == '\r' {
		newline = "\r\n"
	}
	indent := strings.Repeat(" ", at.Column-1)
	alone := len(bytes.TrimLeft(d.chunk.Text[start:offset], " ")) == 0 // nothing but spaces before the key
	if parent.Style&yaml.FlowStyle != 0 {
		text := inBraces(key, value, d.chunk.JSON)
		if alone {
			return Edit{offset, 0, strings.ReplaceAll(text, "\n", newline+indent) + "," + newline + indent}, nil
		}
		return Edit{offset, 0, strings.ReplaceAll(text, "\n", " ") + ", "}, nil
	}
	block, err := inBlock(key, value)
	if err != nil {
		return Edit{}, d.obstacle(parent, "the new text cannot be written: write it by hand")
	}
	lines := strings.ReplaceAll(block, "\n", newline+indent)
	if last {
		behind := d.endOfBlock(at)
		if d.chunk.Text[behind-1] != '\n' { // the file's last line is not ended
			return Edit{behind, 0, newline + indent + lines}, nil
		}
		return Edit{behind, 0, indent + lines + newline}, nil
	}
	if !alone { // the first key of a list's item
		return Edit{offset, 0, lines + newline + indent}, nil
	}
	return Edit{d.aboveComments(start, indent), 0, indent + lines + newline}, nil
}

// lineAround is where the line begins and ends that a place is in, without its line feed.
func (d *Document) lineAround(offset int) (start, end int) {
	start, end = bytes.LastIndexByte(d.chunk.Text[:offset], '\n')+1, len(d.chunk.Text)
	if i := bytes.IndexByte(d.chunk.Text[offset:], '\n'); i >= 0 {
		end = offset + i
	}
	return start, end
}

// neighbour is the key before which a new one is put, or that it follows because it is the last of the mapping. The
// first key of a mapping is mostly its name, which should stay first.
func neighbour(parent *yaml.Node, key string) (at *yaml.Node, last bool) {
	keys := make([]*yaml.Node, 0, len(parent.Content)/2)
	for i := 0; i < len(parent.Content); i += 2 {
		keys = append(keys, parent.Content[i])
	}
	index := func(name string) int {
		return slices.IndexFunc(keys, func(k *yaml.Node) bool { return k.Value == name })
	}
	name, image := index("name"), index("image")
	// Nothing new comes between these two, wherever they stand. What has neither is not a container.
	apart := func(i int) bool { return i <= min(name, image) || i > max(name, image) }
	for _, other := range beside[key] {
		if i := index(other); i >= 0 && apart(i) {
			return keys[i], false
		}
	}
	if slices.Contains(beside["lifecycle"], key) || key == "lifecycle" {
		for _, other := range after {
			switch i := index(other); {
			case i < 0 || !apart(i+1):
			case i+1 < len(keys):
				return keys[i+1], false
			default:
				return keys[i], true
			}
		}
	}
	return keys[min(1, len(keys)-1)], false
}

// endOfBlock is where the block of a key ends: behind the last line that is indented deeper than the key or that
// belongs to the key's own list.
func (d *Document) endOfBlock(key *yaml.Node) int {
	column, behind := key.Column-1, d.chunk.StartOf(key.Line)
	behind += d.chunk.LineLength(behind)
	for at := behind; at < len(d.chunk.Text); {
		line := d.chunk.Text[at : at+d.chunk.LineLength(at)]
		at += len(line)
		content := bytes.TrimLeft(line, " ")
		indent := len(line) - len(content)
		switch blank := len(bytes.TrimSpace(content)) == 0; {
		case blank:
		case indent > column,
			indent == column && (bytes.HasPrefix(content, []byte("- ")) || content[0] == ']'):
			behind = at
		case content[0] != '#':
			return behind
		}
	}
	return behind
}

// aboveComments moves a line's start up over the comments that belong to it.
func (d *Document) aboveComments(start int, indent string) int {
	for start > 0 {
		above := bytes.LastIndexByte(d.chunk.Text[:start-1], '\n') + 1
		line := d.chunk.Text[above:start]
		// A condition of a template, which may stand in a comment, must stay around what follows it.
		if !bytes.HasPrefix(line, []byte(indent+"#")) || bytes.Contains(line, []byte("{{")) {
			break
		}
		start = above
	}
	return start
}
