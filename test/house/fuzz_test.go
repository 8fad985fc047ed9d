package house_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestFuzz: `make fuzz` searches with each fuzz test, where it is.
func TestFuzz(t *testing.T) {
	text, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	var searched, declared []string
	line := regexp.MustCompile(`(?m)^\t\$\(GO\) test \./(\S+) .*-fuzz '\^(\w+)\$\$'`)
	for _, target := range line.FindAllSubmatch(text, -1) {
		searched = append(searched, string(target[1])+" "+string(target[2]))
	}
	function := regexp.MustCompile(`(?m)^func (Fuzz\w+)\(f \*testing\.F`)
	err = filepath.WalkDir(root, func(at string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(at, "_test.go") {
			return err
		}
		text, err := os.ReadFile(at)
		if err != nil {
			return err
		}
		for _, found := range function.FindAllSubmatch(text, -1) {
			folder, err := filepath.Rel(root, filepath.Dir(at))
			if err != nil {
				return err
			}
			declared = append(declared, filepath.ToSlash(folder)+" "+string(found[1]))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(searched)
	slices.Sort(declared)
	if len(declared) < 6 || !slices.Equal(searched, declared) {
		t.Errorf("make fuzz has %q, the repository %q", searched, declared)
	}
}
