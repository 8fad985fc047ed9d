package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"sigs.k8s.io/yaml"

	"github.com/podvet/podvet/test/e2e/env"
)

// TestKustomize: what kubectl kustomize builds from a repository after podvet fix --write is what it built before, but
// for fixes that belong there; all of them, where the fixes are made in what it builds. Each file in testdata/kustomize
// is a repository, and says which of its files are fixed, and which are left as their fixes would not fit the patches.
func TestKustomize(t *testing.T) {
	t.Parallel()
	trees, err := filepath.Glob("testdata/kustomize/*.txtar")
	if err != nil || len(trees) < 10 {
		t.Fatalf("%d trees, %v", len(trees), err)
	}
	for _, tree := range trees {
		t.Run(strings.TrimSuffix(filepath.Base(tree), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(tree)
			if err != nil {
				t.Fatal(err)
			}
			repository := t.TempDir()
			if err := txtar.Write(archive, repository); err != nil {
				t.Fatal(err)
			}
			was := builds(t, repository, archive)
			_, said, ok := podvetIn(t, repository, nil, "fix", "--write", ".")
			if !ok {
				t.Fatalf("podvet fix --write: %s", said)
			}
			fixed, left := named(archive, "fixed: "), named(archive, "left: ")
			for _, f := range archive.Files {
				now, err := os.ReadFile(filepath.Join(repository, f.Name))
				if err != nil || bytes.Equal(now, f.Data) == slices.Contains(fixed, f.Name) {
					t.Errorf("%s is now (%v)\n%s", f.Name, err, now)
				}
				line := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(f.Name) + `:1: \w+ web: not fixed`)
				leaves := line.MatchString(said)
				if leaves != slices.Contains(left, f.Name) {
					t.Errorf("%s: said to be left %t: %s", f.Name, leaves, said)
				}
			}
			if fault := compare(t, was, builds(t, repository, archive)); fault != "" {
				t.Error(fault)
			}
			if len(left) > 0 {
				wouldNotFit(t, repository, left, archive, was)
			}
		})
	}
}

// wouldNotFit fails where a fix of files that are left would have done no harm: then they need not be left, or this
// test could not tell.
func wouldNotFit(t *testing.T, repository string, left []string, archive *txtar.Archive, was map[string]built) {
	t.Helper()
	for _, name := range left {
		file := filepath.Join(repository, name)
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		fixed, said, ok := podvetIn(t, t.TempDir(), text, "fix", "-")
		if !ok {
			t.Fatal(said)
		}
		if err := os.WriteFile(file, []byte(fixed), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if compare(t, was, builds(t, repository, archive)) == "" {
		t.Errorf("%v could be fixed", left)
	}
}

// named are the files after a word in the comment of a tree.
func named(archive *txtar.Archive, word string) (files []string) {
	for line := range strings.Lines(string(archive.Comment)) {
		if file, found := strings.CutPrefix(strings.TrimSpace(line), word); found {
			files = append(files, file)
		}
	}
	return files
}

// built is what kubectl kustomize made of a folder, and what podvet fix makes of that.
type built struct {
	err            string
	objects, fixed []any
}

// builds builds all folders with a kustomization.
func builds(t *testing.T, repository string, archive *txtar.Archive) map[string]built {
	t.Helper()
	all := map[string]built{}
	for _, f := range archive.Files {
		folder, name := filepath.Split(f.Name)
		if name != "kustomization.yaml" || bytes.Contains(f.Data, []byte("kind: Component")) {
			continue
		}
		cmd := env.API.KubectlCommand(t.Context(), "kustomize", filepath.Join(repository, folder))
		var out, said bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &said
		if err := cmd.Run(); err != nil {
			all[folder] = built{err: said.String()}
			continue
		}
		fixed, words, ok := podvetIn(t, t.TempDir(), out.Bytes(), "fix", "-")
		if !ok {
			all[folder] = built{err: words}
			continue
		}
		all[folder] = built{objects: objectsIn(t, out.String()), fixed: objectsIn(t, fixed)}
	}
	return all
}

func objectsIn(t *testing.T, text string) (list []any) {
	t.Helper()
	for document := range strings.SplitSeq(text, "\n---\n") {
		var object any
		if err := yaml.Unmarshal([]byte(document), &object); err != nil {
			t.Fatal(err)
		}
		list = append(list, object)
	}
	return list
}

// compare says what differs between two builds that no fix explains.
func compare(t *testing.T, was, is map[string]built) string {
	t.Helper()
	for folder, before := range was {
		after := is[folder]
		switch {
		case before.err != "":
			t.Fatalf("%s cannot be built: %s", folder, before.err)
		case after.err != "":
			return folder + " cannot be built any more: " + after.err
		case !reflect.DeepEqual(before.fixed, after.fixed):
			return fmt.Sprintf("%s, fixed, differs:\n%v\n%v", folder, before.fixed, after.fixed)
		case !between(before.objects, after.objects, before.fixed):
			return fmt.Sprintf("%s has what no fix explains:\n%v\n%v", folder, before.objects, after.objects)
		}
	}
	return ""
}

// between tells whether each value is what it was, or what a fix makes of it.
func between(was, is, fixed any) bool {
	if reflect.DeepEqual(was, is) || reflect.DeepEqual(is, fixed) {
		return true
	}
	if was, ok := was.([]any); ok {
		is, isList := is.([]any)
		fixed, fixedList := fixed.([]any)
		if !isList || !fixedList || len(was) != len(is) || len(is) != len(fixed) {
			return false
		}
		for i := range was {
			if !between(was[i], is[i], fixed[i]) {
				return false
			}
		}
		return true
	}
	a, _ := was.(map[string]any)
	b, _ := is.(map[string]any)
	c, _ := fixed.(map[string]any)
	if a == nil || b == nil || c == nil {
		return false
	}
	for key := range c { // fixes take no key away
		if !between(a[key], b[key], c[key]) {
			return false
		}
	}
	for key := range b {
		if _, known := c[key]; !known {
			return false
		}
	}
	return true
}

// podvetIn runs podvet in a folder.
func podvetIn(t *testing.T, folder string, stdin []byte, args ...string) (stdout, stderr string, ok bool) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), env.Binary, args...)
	var out, said bytes.Buffer
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = folder, bytes.NewReader(stdin), &out, &said
	err := cmd.Run()
	return out.String(), said.String(), err == nil
}
