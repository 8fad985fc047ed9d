package manifest

import (
	"bytes"

	"go.yaml.in/yaml/v3"

	"github.com/podvet/podvet/cmd/podvet/internal/stream"
	"github.com/podvet/podvet/rules/policy/strict"
)

// parseTrees reads the chunk as trees: of one document mostly, of none in comments, of several where lines end as
// only YAML ends them, or where "..." ends a document. Those before a problem are still returned.
func parseTrees(c stream.Chunk) ([]*yaml.Node, *Problem) {
	if c.JSON {
		root, problem := stream.ParseJSON(c)
		if problem != nil {
			return nil, problem
		}
		return []*yaml.Node{root}, nil
	}
	text := c.Text
	if len(text) > 0 && bytes.Contains(text[1:], stream.ByteOrderMark) { // of a file that was joined to others
		text = bytes.ReplaceAll(text, stream.ByteOrderMark, nil)
	}
	roots, err := stream.ParseYAML(text)
	if err == nil {
		return roots, nil
	}
	line, reason := strict.Explain(text, err)
	return roots, &Problem{File: c.File, Line: c.Line - 1 + line, Text: reason}
}
