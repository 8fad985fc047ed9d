package strict

import (
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// TestWords: what people get wrong most is said in words of ours, whatever the library says.
func TestWords(t *testing.T) {
	for text, want := range map[string]string{
		"a: 1\n\tb: 2":         "indent with spaces",
		"a:\n\tb: 2":           "indent with spaces",
		"a: @b":                "quote it",
		"a: %b":                "quote it",
		"a: b: c":              "correct the indentation, or quote",
		"a: 1\n b: 2":          "correct the indentation, or quote",
		"a:\n  b: 1\n c: 2":    "correct its indentation",
		"- a\nb: 1":            `begin it with "- "`,
		"a: [b, c":             "write , or ]",
		"a: {b: c":             "write , or }",
		"a: - b":               `begin a new line with the "- "`,
		"a: *b":                "&b there",
		"a: *":                 "quote it",
		"a: \"b":               "close it",
		"a: \"\\d\"":           `write \\`,
		"a: !x!y z":            "quote it",
		"a: 1\nb\nc: 2":        `write ": " after it`,
		"a: {b: ]}":            "quote it",
		"a: \xff":              "convert it to UTF-8",
		"a: \x01":              "remove it",
		"a: 1\n...\nb: 2":      "write --- on a line",
		"%YAML x\n---\na: 1\n": "write %YAML 1.1, or remove",
		"a: |x\n  b":           "put it on the next line",
		"a: |0\n  b":           "write 1 to 9",
	} {
		var n yaml.Node
		d := yaml.NewDecoder(strings.NewReader(text))
		err := d.Decode(&n)
		for err == nil && len(n.Content) > 0 {
			n = yaml.Node{}
			err = d.Decode(&n)
		}
		if err == nil {
			t.Errorf("%q is YAML", text)
			continue
		}
		_, reason := Read(err)
		if _, got := Explain([]byte(text), err); !strings.Contains(got, want) || strings.Contains(got, reason) {
			t.Errorf("%q: %q (the library: %q), want %q in it", text, got, reason, want)
		}
	}
}
