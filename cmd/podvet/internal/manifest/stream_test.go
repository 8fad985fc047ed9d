package manifest

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
	Split("f", strings.NewReader(whole), func(c Chunk, err error) bool {
		if err != nil {
			problems = append(problems, err.Error())
			return true
		}
		if whole[c.offset:c.offset+len(c.Text)] != string(c.Text) {
			t.Fatalf("%.40q is not what stands at %d", c.Text, c.offset)
		}
		if line += strings.Count(whole[at:c.offset], "\n"); c.Line != line {
			t.Fatalf("document %d is at line %d, not %d", len(found), line, c.Line)
		}
		at = c.offset
		found = append(found, c)
		return true
	})
	if len(found) != items+2 || string(found[5].Text) != item || string(found[items+1].Text) != "---\nkind: Last\n" {
		t.Errorf("%d documents", len(found))
	}
	if want := fmt.Sprintf("f:%d: a document of more than 16 MiB: podvet looks at none so long", longAt); strings.Join(problems, "\n") != want {
		t.Errorf("problems %q, want %q", problems, want)
	}
}

// TestRepairWritesInTheStyleThatIsRead: what starts like JSON and is none is YAML, for check and for fix.
func TestRepairWritesInTheStyleThatIsRead(t *testing.T) {
	const spec = `"spec": {"containers": [{"name": "app", "image": "i", "readinessProbe": {"exec": {"command": ["x"]}}}]}}`
	remark := strings.Repeat("# a remark\n", 10_000)
	for _, c := range []struct{ name, text, want string }{
		{"JSON", `{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, ` + spec, `{"timeoutSeconds": 5, "exec"`},
		{"JSON, then YAML", `{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, ` + spec + "\n---\n" + remark + "kind: Other\n", `{"timeoutSeconds": 5, "exec"`},
		{"flow style", `{"apiVersion": v1, "kind": "Pod", "metadata": {"name": "p"}, ` + spec + "\n" + remark, `{timeoutSeconds: 5, "exec"`},
		{"JSON with a remark", `{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, ` + spec + " # one\n" + remark, `{timeoutSeconds: 5, "exec"`},
	} {
		out, repaired, problems := fixed(c.text, always(plans(t)["default"]))
		if len(repaired) != 1 || len(problems) > 0 || !strings.Contains(string(out), c.want) {
			t.Errorf("%s: %v %v\n%.300s", c.name, repaired, problems, out)
		}
		if again, repaired, problems := fixed(string(out), always(plans(t)["default"])); len(repaired)+len(problems) > 0 || string(again) != string(out) {
			t.Errorf("%s, again: %v %v", c.name, repaired, problems)
		}
	}
}

// TestSplitBrokenLong: long JSON that is broken in the middle leaves nothing of itself to the documents after it.
func TestSplitBrokenLong(t *testing.T) {
	item := `{"kind": "ConfigMap", "data": {"a": "` + strings.Repeat("x", 2000) + `"}},`
	broken := `{"kind": "List", "items": [` + strings.Repeat(item, 8700) + ` {"bad": tru!}, ` + strings.Repeat(item, 3000) + "0]}\n"
	for _, after := range []string{"{\"kind\": \"After\"}\n", `{"items": [` + strings.Repeat(item, 8700) + "{\"kind\": \"After\"}]}\n"} {
		var problems []string
		last := ""
		Split("f", strings.NewReader(broken+"---\n"+after+"---\nkind: Last\n"), func(c Chunk, err error) bool {
			if err != nil {
				problems = append(problems, err.Error())
			}
			if strings.Contains(string(c.Text), "After") || strings.Contains(string(c.Text), "Last") {
				last += strings.TrimSpace(string(c.Text)) + ";"
			}
			return true
		})
		if len(problems) != 1 || !strings.HasPrefix(problems[0], "f:1: is not JSON: ") || last != "{\"kind\": \"After\"};---\nkind: Last;" {
			t.Errorf("%q, problems %q", last, problems)
		}
	}
}
