package kustomize

import (
	"os"
	"path/filepath"
	"testing"
)

// TestFluxFinder: the group is found also where a read ends in it.
func TestFluxFinder(t *testing.T) {
	for text, want := range map[string]bool{
		"apiVersion: kustomize.toolkit.fluxcd.io/v1\n": true,
		"apiVersion: kustomize.config.k8s.io/v1beta1":  false,
		"": false,
	} {
		var f FluxFinder
		for i := range text {
			_, _ = f.Write([]byte(text[i : i+1]))
		}
		if f.Found != want {
			t.Errorf("%q: %t", text, f.Found)
		}
	}
}

// TestFluxFolder: a path starts at the root of the repository, and leads to nothing above that.
func TestFluxFolder(t *testing.T) {
	root := resolved(t.TempDir())
	from := filepath.Join(root, "repo", "clusters")
	for _, folder := range []string{from, filepath.Join(root, "repo", "apps"), filepath.Join(root, "apps")} {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	want := func(path, want string) {
		t.Helper()
		if got := fluxFolder(from, path); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
	want("./apps", filepath.Join(root, "repo", "apps")) // the nearest
	want("none", "")
	if err := os.Mkdir(filepath.Join(root, "repo", ".git"), 0o700); err != nil {
		t.Fatal(err)
	}
	want("apps", filepath.Join(root, "repo", "apps"))
	want("../apps", filepath.Join(root, "repo", "apps"))
	want("", filepath.Join(root, "repo"))
}
