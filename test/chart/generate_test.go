package chart

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

var update = flag.Bool("update", false, "write values.schema.json and the README's table again")

const chartDir = "../../charts/podvet"

// TestGenerated holds values.schema.json and the README's table against the comments of values.yaml and the rules.
func TestGenerated(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(chartDir, "values.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	values, err := readValues(text)
	if err != nil {
		t.Fatal(err)
	}
	schema, err := values.schema()
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile(filepath.Join(chartDir, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- make generate writes what follows -->\n", "<!-- until here -->\n"
	head, rest, found := strings.Cut(string(readme), begin)
	_, tail, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatalf("README.md lacks %q or %q", begin, end)
	}
	for name, want := range map[string]string{
		"values.schema.json": schema,
		"README.md":          head + begin + values.table() + end + tail,
	} {
		path := filepath.Join(chartDir, name)
		if *update {
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("%s is stale: run make generate", path)
		}
	}
}

// A value is a key of values.yaml with what its comment says.
type value struct {
	path     string
	key      string
	section  string
	text     string         // for people
	extra    map[string]any // what @schema adds
	node     *yaml.Node
	children []*value // of a mapping whose keys have comments
}

// readValues reads values.yaml. Each key has a comment, stands below one that has, or is a mapping whose keys have.
func readValues(text []byte) (*value, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, err
	}
	r := valuesReader{lines: strings.Split(string(text), "\n")}
	root := &value{node: doc.Content[0]}
	r.read(root)
	if r.trouble != nil {
		return nil, fmt.Errorf("values.yaml:\n%s", strings.Join(r.trouble, "\n"))
	}
	return root, nil
}

type valuesReader struct {
	lines   []string
	trouble []string
}

func (r *valuesReader) read(v *value) {
	for i := 0; i+1 < len(v.node.Content); i += 2 {
		child := &value{key: v.node.Content[i].Value, node: v.node.Content[i+1]}
		child.path = strings.TrimPrefix(v.path+"."+child.key, ".")
		r.comment(child, v.node.Content[i].Line)
		if child.node.Kind == yaml.MappingNode && (child.text == "" || r.isCommented(child.node)) {
			r.read(child)
		}
		if child.text == "" && child.children == nil {
			r.trouble = append(r.trouble, child.path+" has no comment")
		}
		v.children = append(v.children, child)
	}
}

func (r *valuesReader) isCommented(mapping *yaml.Node) bool {
	return len(mapping.Content) > 0 && strings.HasPrefix(strings.TrimSpace(r.lines[mapping.Content[0].Line-2]), "#")
}

// comment takes the comment that ends above a line, and the last section above it.
func (r *valuesReader) comment(v *value, line int) {
	var text []string
	for at := line - 2; at >= 0; at-- {
		said, is := strings.CutPrefix(strings.TrimSpace(r.lines[at]), "# ")
		if !is {
			break
		}
		if extra, is := strings.CutPrefix(said, "@schema "); is {
			if err := yaml.Unmarshal([]byte(extra), &v.extra); err != nil {
				r.trouble = append(r.trouble, fmt.Sprintf("%s: @schema: %v", v.path, err))
			}
			continue
		}
		text = append([]string{said}, text...)
	}
	v.text = strings.Join(text, " ")
	for at := line - 2; at >= 0 && v.section == ""; at-- {
		v.section, _ = strings.CutPrefix(r.lines[at], "# @section ")
		if v.section == r.lines[at] {
			v.section = ""
		}
	}
}

// table is the values as Markdown, by section.
func (v *value) table() string {
	var out strings.Builder
	section := ""
	var row func(v *value)
	row = func(v *value) {
		if v.text != "" {
			if v.section != section {
				section = v.section
				fmt.Fprintf(&out, "\n### %s\n\n| value | default | meaning |\n|---|---|---|\n", section)
			}
			written := ""
			if v.children == nil {
				var plain any
				_ = v.node.Decode(&plain) // it was read before
				data, _ := json.Marshal(plain)
				written = "`" + string(data) + "`"
			}
			fmt.Fprintf(&out, "| `%s` | %s | %s |\n", v.path, written, strings.ReplaceAll(v.text, "|", `\|`))
		}
		for _, child := range v.children {
			row(child)
		}
	}
	row(v)
	return out.String() + "\n"
}

// schema is the JSON schema by which Helm checks the values. Draft 7 is what every Helm 3 knows.
func (v *value) schema() (string, error) {
	root := v.jsonSchema()
	root["$schema"] = "http://json-schema.org/draft-07/schema#"
	root["definitions"] = definitions
	// A name is needed where the certificate is the user's.
	root["if"] = property("certificates", property("mode", map[string]any{"const": "existingSecret"}))
	root["then"] = property("certificates", property("existingSecret",
		property("name", map[string]any{"minLength": 1})))
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", " ")
	err := encoder.Encode(root)
	return out.String(), err
}

func (v *value) jsonSchema() map[string]any {
	if v.extra["policy"] == true {
		schema := policySchema()
		schema["description"] = v.text
		return schema
	}
	if v.children != nil {
		schema := map[string]any{"type": "object", "additionalProperties": false}
		properties, required := map[string]any{}, []string{}
		for _, child := range v.children {
			properties[child.key] = child.jsonSchema()
			if child.extra["ref"] == nil && child.extra["go"] == nil {
				required = append(required, child.key) // null takes a key away: the templates need it
			}
		}
		schema["properties"], schema["required"] = properties, required
		if v.text != "" {
			schema["description"] = v.text
		}
		return schema
	}
	if name, is := v.extra["go"].(string); is {
		if kubernetesTypes[name] == nil {
			panic("values.yaml: " + v.path + ": no type " + name)
		}
		return map[string]any{"description": v.text, "allOf": []any{kubernetesSchema(kubernetesTypes[name])}}
	}
	if name, is := v.extra["ref"].(string); is {
		if definitions[name] == nil {
			panic("values.yaml: " + v.path + ": no definition " + name)
		}
		return map[string]any{"description": v.text, "allOf": []any{ref(name)}}
	}
	schema := map[string]any{"description": v.text, "type": map[string]string{
		"!!str": "string", "!!int": "integer", "!!bool": "boolean", "!!seq": "array", "!!map": "object"}[v.node.Tag]}
	maps.Copy(schema, v.extra)
	if pattern, is := formats[fmt.Sprint(schema["format"])]; is {
		schema["pattern"] = pattern
		delete(schema, "format")
	}
	return schema
}

// formats are the patterns that values.yaml has names for. All take the empty text, for what the chart chooses then.
var formats = map[string]string{
	"name":     `^(` + subdomain + `)?$`, // of a ConfigMap, Secret, ServiceAccount
	"label":    `^(` + dnsLabel + `)?$`,
	"service":  `^([a-z]([-a-z0-9]{0,61}[a-z0-9])?)?$`, // a Service has it, too
	"duration": `^([1-9][0-9]*h)?([1-9][0-9]*m)?([1-9][0-9]*s)?$`,
}
