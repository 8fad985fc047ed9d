package main

import (
	"encoding/json"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/podvet/podvet/cmd/podvet/internal/report"
)

// TestReportIsDocumented: docs/report.md has each field of the JSON report, and no other.
func TestReportIsDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/report.md")
	if err != nil {
		t.Fatal(err)
	}
	fields := map[string]bool{"skipped": true, "invalid": true, "notes": true}
	for _, of := range []reflect.Type{reflect.TypeFor[report.Summary](), reflect.TypeFor[report.Subject](),
		reflect.TypeFor[report.Finding](), reflect.TypeFor[report.Fixed](), reflect.TypeFor[report.Skipped](),
		reflect.TypeFor[report.Problem]()} {
		for field := range of.Fields() {
			if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); name != "-" {
				fields[name] = true
			}
		}
	}
	documented := map[string]bool{}
	for _, row := range regexp.MustCompile(`(?m)^\| .*`).FindAllString(string(text), -1) {
		for _, name := range regexp.MustCompile("`([a-zA-Z]+)`").FindAllStringSubmatch(row, -1) {
			documented[name[1]] = true
		}
	}
	for name := range fields {
		if !documented[name] {
			t.Errorf("%s is in no table", name)
		}
	}
	for _, row := range regexp.MustCompile(`(?m)^\| ([^|]*) \|`).FindAllStringSubmatch(string(text), -1) {
		for _, name := range regexp.MustCompile("`([a-zA-Z]+)`").FindAllStringSubmatch(row[1], -1) {
			if !fields[name[1]] {
				t.Errorf("the report has no %s", name[1])
			}
		}
	}
	_, example, _ := strings.Cut(string(text), "```json\n")
	example, _, _ = strings.Cut(example, "```")
	for _, key := range regexp.MustCompile(`"([a-zA-Z]+)":`).FindAllStringSubmatch(example, -1) {
		if name := key[1]; !fields[name] && name != "summary" && name != "subjects" {
			t.Errorf("the example has the field %s", name)
		}
	}
	if !json.Valid([]byte(example)) {
		t.Errorf("the example is not JSON: %s", example)
	}
}
