package main

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// TestRecommendOfRealPods: the page shows what podvet says of pods that test/node recorded.
func TestRecommendOfRealPods(t *testing.T) {
	text, err := os.ReadFile("../../docs/recommend.md")
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	root := newRoot("podvet")
	root.SetOut(&out)
	root.SetArgs([]string{"recommend", "-f", "internal/recommend/testdata/two-humps.json"})
	if err := root.Execute(); err != nil {
		t.Fatal(err)
	}
	session := "$ podvet recommend shop/two-humps\n" + out.String() + "```\n"
	if !strings.Contains(string(text), session) {
		t.Errorf("the page does not show\n%s", session)
	}
}

// TestRecommendIsDocumented: docs/recommend.md shows what TestScripts shows, and names each field of the JSON.
func TestRecommendIsDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/recommend.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	archive, err := txtar.ParseFile("testdata/recommend.txtar")
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]string{"all.txt": "pods.yaml", "web.diff": "-o patch web.yaml", "commands.txt": "-o patch"}
	for _, file := range archive.Files {
		if command := shown[file.Name]; command != "" {
			delete(shown, file.Name)
			if !strings.Contains(page, command+"\n"+string(file.Data)+"```\n") {
				t.Errorf("the page does not show\n%s", file.Data)
			}
		}
		if file.Name == "search.json" {
			fields := regexp.MustCompile(`"(\w+)": `).FindAllStringSubmatch(string(file.Data), -1)
			for _, field := range fields {
				if name := field[1]; !strings.Contains(page, "`"+name+"`") && name != "apiVersion" {
					t.Errorf("the page does not name %s", name)
				}
			}
			if len(fields) < 20 {
				t.Errorf("only %d fields", len(fields))
			}
		}
	}
	for _, name := range []string{"README.md", "README.ko.md"} {
		readme, err := os.ReadFile("../../" + name)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range archive.Files {
			session := "$ podvet recommend deploy/web\n" + string(file.Data) + "```\n"
			if file.Name == "web.txt" && !strings.Contains(string(readme), session) {
				t.Errorf("%s does not show\n%s", name, session)
			}
		}
	}
	if len(shown) > 0 {
		t.Errorf("the script does not have %v", shown)
	}
}
