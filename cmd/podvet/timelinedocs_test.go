package main

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestTimelineIsDocumented: docs/timeline.md shows what TestScripts shows, and names each field of the JSON.
func TestTimelineIsDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/timeline.md")
	if err != nil {
		t.Fatal(err)
	}
	script, err := os.ReadFile("testdata/timeline.txtar")
	if err != nil {
		t.Fatal(err)
	}
	_, shown, _ := strings.Cut(string(script), "-- deleted.txt --\n")
	shown, _, _ = strings.Cut(shown, "-- job.txt")
	if shown == "" || !strings.Contains(string(page), "web.yaml\n"+shown+"```\n") {
		t.Errorf("the page does not show\n%s", shown)
	}
	var out bytes.Buffer
	root := newRoot("podvet")
	root.SetOut(&out)
	root.SetArgs([]string{"timeline", "-o", "json", "--delete-at", "10m", "--crash-after", "2m",
		"../../rules/catalogue/prestop-exceeds-grace/bad.yaml"})
	if err := root.Execute(); err != nil {
		t.Fatal(err)
	}
	fields := regexp.MustCompile(`"(\w+)": `).FindAllStringSubmatch(out.String(), -1)
	kinds := regexp.MustCompile(`"kind": "(\w+)",\n\s+"container"`).FindAllStringSubmatch(out.String(), -1)
	if len(fields) < 100 || len(kinds) < 10 {
		t.Errorf("only %d fields and %d events", len(fields), len(kinds))
	}
	for _, word := range append(fields, kinds...) {
		if !strings.Contains(string(page), "`"+word[1]+"`") {
			t.Errorf("the page does not name %s", word[1])
		}
	}
}
