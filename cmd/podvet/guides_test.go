package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// guides are the texts that people follow in a cluster.
func guides(t *testing.T) map[string]string {
	t.Helper()
	files := []string{"README.md", "README.ko.md", "CONTRIBUTING.md", ".github/krew.yaml", "docs/policies/README.md",
		"charts/podvet/README.md", "charts/podvet/templates/NOTES.txt", "charts/podvet/files/alerts.yaml"}
	for _, pattern := range []string{"docs/*.md", "docs/policies/*/policy.yaml", "examples/gitops/*"} {
		more, err := filepath.Glob(pattern)
		if err != nil || len(more) == 0 {
			t.Fatalf("%s: %d files: %v", pattern, len(more), err)
		}
		files = append(files, more...)
	}
	texts := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		texts[file] = string(text)
	}
	helpOf(texts, newRoot("podvet"))
	return texts
}

// helpOf adds what a command and all below it say of themselves.
func helpOf(texts map[string]string, cmd *cobra.Command) {
	texts[cmd.CommandPath()+" --help"] = cmd.Long + "\n" + cmd.Example + "\n" + cmd.LocalFlags().FlagUsages()
	for _, sub := range cmd.Commands() {
		helpOf(texts, sub)
	}
}

// TestGuidesAgree: all guides look at a cluster by podvet's own command. Where that is for kubectl they ask for the
// ReplicaSets, without which the pods of a Deployment count one by one, and for the Namespaces, whose labels policies
// select by. podvet has the same namespace in all of them.
func TestGuidesAgree(t *testing.T) {
	t.Chdir("../..")
	whole := regexp.MustCompile(`kubectl get (\S+) -A -o json \| (?:kubectl )?(podvet [a-z ]+)`)
	elsewhere := regexp.MustCompile(`(?m)(?:(?:-n|--namespace)[ =]|namespace: )podvet(?:$|[^-\w])` +
		"|[ `]podvet/podvet-\\w|\\.podvet\\.svc")
	looks := 0
	for file, text := range guides(t) {
		for _, match := range whole.FindAllStringSubmatch(text, -1) {
			if match[1] != "ns,pods,deploy,rs,sts,ds,jobs,cronjobs" || strings.HasPrefix(match[2], "podvet check") {
				t.Errorf("%s: %s", file, match[0])
			}
		}
		looks += strings.Count(text, "podvet check --cluster")
		if found := elsewhere.FindString(text); found != "" {
			t.Errorf("%s: podvet is in podvet-system, not %q", file, strings.TrimSpace(found))
		}
	}
	if looks < 8 {
		t.Errorf("only %d commands look at a cluster", looks)
	}
}

// TestReadmesAgree: both READMEs show the same commands, tables and links, each in its language.
func TestReadmesAgree(t *testing.T) {
	t.Chdir("../..")
	texts := guides(t)
	comment := regexp.MustCompile(`(?m) *# .*$`)
	for what, parts := range map[string]*regexp.Regexp{
		"a block of code": regexp.MustCompile("(?s)```[a-z]+\n.*?```"),
		"a link":          regexp.MustCompile(`\]\([^)]+\)`),
		"a heading":       regexp.MustCompile(`(?m)^#+ `),
		"a flag":          regexp.MustCompile("(?m)^\\| `--[a-z-]+"),
	} {
		english := parts.FindAllString(strings.Replace(texts["README.md"], "(README.ko.md)", "()", 1), -1)
		korean := parts.FindAllString(strings.Replace(texts["README.ko.md"], "(README.md)", "()", 1), -1)
		if len(english) != len(korean) {
			t.Errorf("README.md has %s %d times, README.ko.md %d times", what, len(english), len(korean))
			continue
		}
		for i := range english {
			if comment.ReplaceAllString(english[i], "") != comment.ReplaceAllString(korean[i], "") {
				t.Errorf("%s differs:\n%s\n%s", what, english[i], korean[i])
			}
		}
	}
}
