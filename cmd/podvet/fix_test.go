package main

import (
	"hash/maphash"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/podvet/podvet/cmd/podvet/internal/manifest"
)

// TestChangedWhileRead: an editor that saves between podvet's reading and its writing wins.
func TestChangedWhileRead(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a.yaml")
	const saved = "saved: meanwhile\n"
	if err := os.WriteFile(name, []byte(saved), 0o600); err != nil {
		t.Fatal(err)
	}
	seed := maphash.MakeSeed()
	r, err := newReplacement(fixable{name: name, sum: maphash.String(seed, "what: was read\n")}, seed, []byte("what: was fixed\n"))
	if err != nil {
		t.Fatal(err)
	}
	err = r.replace()
	r.forget()
	if err == nil || !strings.Contains(err.Error(), "has changed while it was read: run podvet fix again") {
		t.Errorf("%v", err)
	}
	if now, _ := os.ReadFile(name); string(now) != saved {
		t.Errorf("the file is %q", now)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(name), ".podvet-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestNothingIsWrittenWhereOneCannotBe: what shows only when it is written leaves every file as it was.
func TestNothingIsWrittenWhereOneCannotBe(t *testing.T) {
	dir := t.TempDir()
	const before = "a: 1\n"
	name := filepath.Join(dir, "a.yaml")
	if err := os.WriteFile(name, []byte(before), 0o600); err != nil {
		t.Fatal(err)
	}
	f := fixer{write: true, seed: maphash.MakeSeed()}
	edit := manifest.Edit{Offset: 3, Length: 1, Text: "2"}
	f.files = []fixable{{name: name, sum: maphash.String(f.seed, before), edits: []manifest.Edit{edit}},
		{name: filepath.Join(dir, "gone.yaml"), sum: 1, edits: []manifest.Edit{edit}}}
	f.finish()
	if len(f.problems) != 1 || !strings.HasSuffix(f.problems[0].Text, ": no file is written") {
		t.Errorf("%v", f.problems)
	}
	entries, _ := os.ReadDir(dir)
	if now, _ := os.ReadFile(name); string(now) != before || len(entries) != 1 {
		t.Errorf("the file is %q, the folder holds %v", now, entries)
	}
}
