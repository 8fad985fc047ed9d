package main

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/podvet/podvet/cmd/podvet/internal/report"
)

// TestFormatsAreDocumented: docs/formats.md has a row for each format, and the table of counts that TestScripts shows.
func TestFormatsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/formats.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rows, _ := strings.Cut(string(text), "| format | for |\n|---|---|\n")
	rows, _, _ = strings.Cut(rows, "\n\n")
	var documented []string
	for row := range strings.Lines(rows) {
		for i, word := range strings.Split(strings.Split(row, "|")[1], "`") {
			if i%2 == 1 {
				documented = append(documented, word)
			}
		}
	}
	if !slices.Equal(documented, report.Formats) {
		t.Errorf("documented are %q, and there are %q", documented, report.Formats)
	}
	script, err := os.ReadFile("testdata/summary.txtar")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(script), "-- by-namespace.txt --\n")
	table, _, _ = strings.Cut(table, "-- ")
	if table == "" || !strings.Contains(string(text), "--summary objects.yaml\n"+table+"```\n") {
		t.Errorf("the guide does not show\n%s", table)
	}
}
