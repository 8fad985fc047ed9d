package main

import (
	goversion "go/version"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

type workflow struct {
	Jobs map[string]struct {
		Needs any
		Steps []map[string]any
	}
}

func readWorkflow(t *testing.T, name string) (w workflow) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../.github/workflows", name))
	if err == nil {
		err = yaml.Unmarshal(text, &w)
	}
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// TestWorkflows: a release is tested as every change is, and people see it when all of it is there.
func TestWorkflows(t *testing.T) {
	ci, release := readWorkflow(t, "ci.yml"), readWorkflow(t, "release.yml")
	if test := ci.Jobs["test"].Steps; len(test) == 0 || !reflect.DeepEqual(test, release.Jobs["test"].Steps) {
		t.Errorf("ci.yml tests by\n%v\nrelease.yml by\n%v", test, release.Jobs["test"].Steps)
	}
	before := map[string]bool{}
	var walk func(job string)
	walk = func(job string) {
		needs, isList := release.Jobs[job].Needs.([]any)
		if one, is := release.Jobs[job].Needs.(string); is && !isList {
			needs = []any{one}
		}
		for _, need := range needs {
			before[need.(string)] = true
			walk(need.(string))
		}
	}
	published := 0
	for job := range release.Jobs {
		for _, step := range release.Jobs[job].Steps {
			if run, _ := step["run"].(string); strings.Contains(run, "gh release create") {
				published++
				walk(job)
				before[job] = true
			}
		}
	}
	if published != 1 || len(before) != len(release.Jobs) {
		t.Errorf("the release is published %d times, after %v", published, before)
	}
}

// TestGoVersion: CI and releases use the toolchain of go.mod, where no other module may need a later one, and the image
// is built with the same.
func TestGoVersion(t *testing.T) {
	toolchains := regexp.MustCompile(`(?m)^toolchain (\S+)$`)
	line := regexp.MustCompile(`(?m)^(?:go|toolchain) (?:go)?(\S+)$`)
	root, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	match := toolchains.FindSubmatch(root)
	if match == nil {
		t.Fatal("go.mod has no toolchain: CI would take the version in the line go")
	}
	toolchain := string(match[1])
	modules := 0
	for _, pattern := range []string{"../../go.mod", "../../test/*/go.mod", "../../test/*/*/go.mod"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			modules++
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, asked := range line.FindAllSubmatch(text, -1) {
				if goversion.Compare("go"+string(asked[1]), toolchain) > 0 {
					t.Errorf("%s asks for Go %s, CI has %s", file, asked[1], toolchain)
				}
			}
		}
	}
	if modules < 10 {
		t.Errorf("only %d modules were found", modules)
	}
	for file, handsOver := range map[string]string{
		"../../Makefile":                      "--build-arg GO_VERSION=$$(sed -n 's/^toolchain go//p' go.mod)",
		"../../.github/workflows/release.yml": "GO_VERSION=${{ steps.commit.outputs.go }}",
	} {
		text, err := os.ReadFile(file)
		if err != nil || !strings.Contains(string(text), handsOver) {
			t.Errorf("%s does not hand the version of Go to the image's build by %s: %v", file, handsOver, err)
		}
	}
	read := exec.CommandContext(t.Context(), "sed", "-n", "s/^toolchain go//p", "../../go.mod")
	if out, err := read.Output(); err != nil || "go"+strings.TrimSpace(string(out)) != toolchain {
		t.Errorf("sed finds %q, want %s: %v", out, toolchain, err)
	}
}
