package house_test

import (
	"cmp"
	goversion "go/version"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
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

// TestPinned: actions are pinned by commit, with the version beside it, and docs/security.md names what is not pinned.
func TestPinned(t *testing.T) {
	files, err := filepath.Glob("../../.github/workflows/*.yml")
	if err != nil {
		t.Fatal(err)
	}
	used := 0
	pinned := regexp.MustCompile(`^\s*-? ?uses: [\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+\b`)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if !strings.Contains(line, "uses: ") {
				continue
			}
			used++
			if !pinned.MatchString(line) {
				t.Errorf("%s: %s is not pinned: write ACTION@COMMIT # vVERSION", file, strings.TrimSpace(line))
			}
		}
	}
	if used < 15 {
		t.Errorf("only %d actions were found", used)
	}
	page, err := os.ReadFile("../../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	image, err := os.ReadFile("../../cmd/podvet/Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	for _, from := range regexp.MustCompile(`(?m)^FROM .*?(\w+):\S+ AS`).FindAllSubmatch(image, -1) {
		named := strings.Contains(string(page), "`"+string(from[1])+":VERSION`")
		if !named && !strings.Contains(string(from[0]), "@sha256:") {
			t.Errorf("docs/security.md does not say that %s is not pinned", from[1])
		}
	}
}

// TestClaims: what docs/security.md claims is held by a test that exists.
func TestClaims(t *testing.T) {
	page, err := os.ReadFile("../../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	claims := regexp.MustCompile(`\[(Test\w+)\]\(\.\./([^)]+)\)`).FindAllStringSubmatch(string(page), -1)
	for _, claim := range claims {
		text, err := os.ReadFile(filepath.Join("../..", claim[2]))
		if err != nil || !strings.Contains(string(text), "\nfunc "+claim[1]+"(t *testing.T) {") {
			t.Errorf("%s is not in %s: %v", claim[1], claim[2], err)
		}
	}
	if named := strings.Count(string(page), "[Test"); len(claims) < 30 || named != len(claims) {
		t.Errorf("%d tests are named, and %d are links", named, len(claims))
	}
}

// TestDependabot: each module is in the list of those that are kept new, or people change it.
func TestDependabot(t *testing.T) {
	text, err := os.ReadFile("../../.github/dependabot.yml")
	if err != nil {
		t.Fatal(err)
	}
	_, listed, _ := strings.Cut(string(text), "directories: [")
	listed, _, _ = strings.Cut(listed, "]")
	var got []string
	for folder := range strings.SplitSeq(listed, ",") {
		got = append(got, strings.TrimSpace(folder))
	}
	var want []string
	err = filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		folder := strings.TrimPrefix(filepath.Dir(path), "../..")
		ofKubernetes := regexp.MustCompile(`^/test/(controlplane|node|parity)(/|$)`).MatchString(folder)
		if err == nil && d.Name() == "go.mod" && !ofKubernetes && !strings.Contains(folder, "/.") {
			want = append(want, cmp.Or(folder, "/"))
		}
		return err
	})
	slices.Sort(got)
	slices.Sort(want)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("listed are %v, and there are %v: %v", got, want, err)
	}
}
