package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// documented finds a command of podvet in a text, up to what ends it in a shell or in Markdown.
var documented = regexp.MustCompile(
	`(?m)\bpodvet ((?:check|fix|timeline|why|serve|rules|explain|policy|doctor|certs|version)\b[^|>#\n` + "`" + `]*)`)

// TestDocumentedCommands: every podvet command that the READMEs, the guides and the pre-commit hooks name exists, with
// its flags.
func TestDocumentedCommands(t *testing.T) {
	t.Chdir("../..")
	var lines []string
	guides, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(guides, "README.md", "README.ko.md", "CONTRIBUTING.md", "docs/policies/README.md") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range documented.FindAllStringSubmatch(string(text), -1) {
			lines = append(lines, match[1])
		}
	}
	hooks, err := os.ReadFile(".pre-commit-hooks.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var list []struct{ ID, Entry, Language string }
	if err := yaml.Unmarshal(hooks, &list); err != nil || len(list) != 2 {
		t.Fatalf("%d hooks: %v", len(list), err)
	}
	for _, hook := range list {
		if hook.Language != "golang" {
			t.Errorf("hook %s is for %s", hook.ID, hook.Language)
		}
		lines = append(lines, strings.TrimPrefix(hook.Entry, "podvet "))
	}
	if len(lines) < 15 {
		t.Errorf("only %d commands: %q", len(lines), lines)
	}
	for _, line := range lines {
		cmd, args, err := newRoot("podvet").Find(strings.Fields(line))
		if err != nil || cmd.Name() == "podvet" {
			t.Errorf("podvet %s: %v", line, err)
			continue
		}
		for _, arg := range args {
			name, isFlag := strings.CutPrefix(arg, "--")
			if isFlag && cmd.Flags().Lookup(name) == nil {
				t.Errorf("podvet %s: no flag --%s", line, name)
			}
		}
	}
}

// TestLinks: what the READMEs and docs link to within the repository is there.
func TestLinks(t *testing.T) {
	t.Chdir("../..")
	files, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(append(files, more...), "docs/policies/README.md") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range regexp.MustCompile(`\]\(([^)#:]+)\)`).FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(file), match[1])); err != nil {
				t.Errorf("%s: %v", file, err)
			}
		}
	}
}
