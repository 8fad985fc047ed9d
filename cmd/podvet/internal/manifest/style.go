package manifest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
	sigsyaml "sigs.k8s.io/yaml"
)

// inBraces writes a key and its value as they stand in braces, in JSON with quotes, in YAML without.
func inBraces(key string, value any, asJSON bool) string {
	text, err := json.Marshal(value)
	if err != nil {
		return ""
	}
	if asJSON {
		return fmt.Sprintf("%q: %s", key, text)
	}
	var doc yaml.Node
	if yaml.Unmarshal(text, &doc) != nil { // JSON is YAML
		return ""
	}
	unquote(&doc)
	text, err = yaml.Marshal(&doc)
	if err != nil {
		return ""
	}
	return key + ": " + strings.TrimSpace(string(text))
}

// unquote leaves it to the library which words need quotes.
func unquote(n *yaml.Node) {
	n.Style &^= yaml.DoubleQuotedStyle | yaml.SingleQuotedStyle
	for _, child := range n.Content {
		unquote(child)
	}
}

// inBlock writes a key and its value as they stand on lines of their own.
func inBlock(key string, value any) (string, error) {
	block, err := sigsyaml.Marshal(map[string]any{key: value})
	return strings.TrimRight(string(ordered(block)), "\n"), err
}

// ordered puts a probe's handler before its numbers, as people write them; the library sorts by name.
func ordered(block []byte) []byte {
	lines := bytes.SplitAfter(block, []byte("\n"))
	if len(lines) < 3 {
		return block
	}
	var handlers, numbers [][]byte
	inHandler := false
	for _, line := range lines[1:] {
		if !bytes.HasPrefix(line, []byte("   ")) {
			inHandler = bytes.HasSuffix(bytes.TrimSpace(line), []byte(":"))
		}
		if inHandler {
			handlers = append(handlers, line)
		} else {
			numbers = append(numbers, line)
		}
	}
	return bytes.Join(append(append(lines[:1:1], handlers...), numbers...), nil)
}
