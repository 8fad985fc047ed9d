package input

import (
	"hash/maphash"
	"os"
	"path/filepath"
	"testing"

	"github.com/podvet/podvet/cmd/podvet/internal/manifest"
)

// TestOthersAreWrittenWhereOneCannotBe: what shows only when it is written keeps no other file from being written.
func TestOthersAreWrittenWhereOneCannotBe(t *testing.T) {
	dir := t.TempDir()
	const before = "a: 1\n"
	name := filepath.Join(dir, "a.yaml")
	if err := os.WriteFile(name, []byte(before), 0o600); err != nil {
		t.Fatal(err)
	}
	f := Fixer{Write: true, seed: maphash.MakeSeed()}
	edit := manifest.Edit{Offset: 3, Length: 1, Text: "2"}
	f.files = []fixable{
		{name: filepath.Join(dir, "gone.yaml"), sum: 1, Repairs: manifest.Repairs{Edits: []manifest.Edit{edit}}},
		{name: name, sum: maphash.String(f.seed, before), Repairs: manifest.Repairs{Edits: []manifest.Edit{edit}}},
	}
	f.Finish()
	if len(f.Problems) != 1 || f.Problems[0].Text != "cannot be read: no such file or directory" {
		t.Errorf("%v", f.Problems)
	}
	entries, _ := os.ReadDir(dir)
	if now, _ := os.ReadFile(name); string(now) != "a: 2\n" || len(entries) != 1 {
		t.Errorf("the file is %q, the folder holds %v", now, entries)
	}
}
