package main

import (
	"bytes"
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/podvet/podvet/cmd/podvet/internal/why"
)

// TestWhyIsDocumented: the sessions in docs/why.md and the README are what podvet says of the recorded pods, and the
// page names each diagnosis and each field of the JSON.
func TestWhyIsDocumented(t *testing.T) {
	session := regexp.MustCompile("(?s)```console\n\\$ podvet why (?:deploy/)?(\\S+)\n(.*?)```\n")
	sessions := 0
	for _, file := range []string{"docs/why.md", "README.md", "README.ko.md"} {
		page, err := os.ReadFile("../../" + file)
		if err != nil {
			t.Fatal(err)
		}
		for _, shown := range session.FindAllStringSubmatch(string(page), -1) {
			sessions++
			want, err := os.ReadFile("internal/why/testdata/" + shown[1] + ".txt")
			if err != nil || string(want) != shown[2] {
				t.Errorf("%s: of %s podvet says\n%s\nand not\n%s", file, shown[1], want, shown[2])
			}
			page = bytes.ReplaceAll(page, []byte(shown[2]), want)
		}
		if os.Getenv("UPDATE_SCRIPTS") != "" {
			if err := os.WriteFile("../../"+file, page, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	if sessions < 6 {
		t.Errorf("only %d sessions", sessions)
	}
	page, _ := os.ReadFile("../../docs/why.md")
	for _, id := range why.IDs {
		if !strings.Contains(string(page), "\n| `"+id+"` |") {
			t.Errorf("the page does not name %s", id)
		}
	}
	var out bytes.Buffer
	root := newRoot("podvet")
	root.SetOut(&out)
	root.SetArgs([]string{"why", "-o", "json", "-f", "internal/why/testdata/no-progress.json"})
	if err := root.Execute(); !errors.Is(err, errFound) {
		t.Fatal(err)
	}
	for _, field := range regexp.MustCompile(`"(\w+)": `).FindAllStringSubmatch(out.String(), -1) {
		if !strings.Contains(string(page), "`"+field[1]+"`") {
			t.Errorf("the page does not name the field %s", field[1])
		}
	}
}
