package manifest

import "go.yaml.in/yaml/v3"

// Edit replaces Length bytes at an offset.
type Edit struct {
	Offset, Length int
	Text           string
}

// Splice is the text with the edits made, which are in the order of their places.
func Splice(text []byte, edits []Edit) []byte {
	out := make([]byte, 0, len(text)+256*len(edits))
	at := 0
	for _, e := range edits {
		out = append(out, text[at:e.Offset]...)
		out = append(out, e.Text...)
		at = e.Offset + e.Length
	}
	return append(out, text[at:]...)
}

// obstacle is why and on which line an operation cannot be spliced in safely.
type obstacle struct {
	line   int
	reason string
}

// obstacle is one on the line of a node.
func (d *Document) obstacle(n *yaml.Node, reason string) *obstacle {
	return &obstacle{d.chunk.LineOf(n), reason}
}
