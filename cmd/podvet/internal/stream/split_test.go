package stream

import (
	"fmt"
	"strings"
	"testing"
)

// TestSplitLong: beyond what is read as a whole, JSON is still cut at its values, at their places; what is too long is
// named and loses none of the others.
func TestSplitLong(t *testing.T) {
	var text strings.Builder
	text.WriteString("# first\n---\n{\"apiVersion\": \"v1\", \"items\": [\n")
	item := `{"kind": "ConfigMap", "data": {"a": "` + strings.Repeat("some text ", 400) + `"}}`
	const items = 5000 // 20 MB
	for i := range items {
		if i == 10 {
			text.WriteString("\n{\"kind\": \"Long\", \"data\": [")
			for range 300_000 {
				text.WriteString("\"a field of a long object that nobody will ever read\",\n")
			}
			text.WriteString("0, " + strings.Repeat("1234567890, ", 300_000) + "0]},\n")
		}
		text.WriteString(item)
		if i < items-1 {
			text.WriteString(",\n")
		}
	}
	text.WriteString("], \"kind\": \"List\"}\n---\nkind: Last\n")
	whole := text.String()
	beforeLong, _, _ := strings.Cut(whole, `{"kind": "Long"`)
	longAt := 1 + strings.Count(beforeLong, "\n")

	var found []Chunk
	var problems []string
	line, at := 1, 0
	Split("f", strings.NewReader(whole), func(c Chunk) {
		if whole[c.Offset:c.Offset+len(c.Text)] != string(c.Text) {
			t.Fatalf("%.40q is not what stands at %d", c.Text, c.Offset)
		}
		if line += strings.Count(whole[at:c.Offset], "\n"); c.Line != line {
			t.Fatalf("document %d is at line %d, not %d", len(found), line, c.Line)
		}
		at = c.Offset
		found = append(found, c)
	}, func(p Problem) { problems = append(problems, p.Error()) })
	if len(found) != items+2 || string(found[5].Text) != item ||
		string(found[items+1].Text) != "---\nkind: Last\n" {
		t.Errorf("%d documents", len(found))
	}
	want := fmt.Sprintf("f:%d: holds a document of more than 16 MiB, which is not read: split it", longAt)
	if strings.Join(problems, "\n") != want {
		t.Errorf("problems %q, want %q", problems, want)
	}
}

// TestSplitBrokenLong: long JSON that is broken in the middle leaves nothing of itself to the documents after it.
func TestSplitBrokenLong(t *testing.T) {
	item := `{"kind": "ConfigMap", "data": {"a": "` + strings.Repeat("x", 2000) + `"}},`
	many := strings.Repeat(item, 8700)
	broken := `{"kind": "List", "items": [` + many + ` {"bad": tru!}, ` + strings.Repeat(item, 3000) + "0]}\n"
	for _, after := range []string{`{"kind": "After"}` + "\n", `{"items": [` + many + `{"kind": "After"}]}` + "\n"} {
		var problems []string
		last := ""
		text := strings.NewReader(broken + "---\n" + after + "---\nkind: Last\n")
		Split("f", text, func(c Chunk) {
			if strings.Contains(string(c.Text), "After") || strings.Contains(string(c.Text), "Last") {
				last += strings.TrimSpace(string(c.Text)) + ";"
			}
		}, func(p Problem) { problems = append(problems, p.Error()) })
		if len(problems) != 1 || !strings.HasPrefix(problems[0], "f:1: is not valid JSON, ") ||
			last != `{"kind": "After"};---`+"\nkind: Last;" {
			t.Errorf("%q, problems %q", last, problems)
		}
	}
}
