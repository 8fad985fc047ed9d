package input

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/podvet/podvet/cmd/podvet/internal/manifest"
	"github.com/podvet/podvet/rules/pod"
)

// Selection says what of the input is left out.
type Selection struct {
	Exclude    []string
	SkipOthers bool // files that hold no Kubernetes object, those of Helm charts and templates
	AllowEmpty bool
	Around     bool // kustomizations around the input are read too, which may list it or patch it
}

// Check finds mistakes in patterns.
func (s *Selection) Check() error {
	for _, pattern := range s.Exclude {
		if _, err := path.Match(pattern, ""); err != nil {
			return fmt.Errorf("--exclude %s: close the bracket, or escape it with a backslash", pattern)
		}
	}
	return nil
}

// excludes tells whether a pattern matches a file, a folder above it, or the end of either's path.
func (s *Selection) excludes(name string) bool {
	if len(s.Exclude) == 0 {
		return false
	}
	parts := strings.Split(strings.Trim(filepath.ToSlash(filepath.Clean(name)), "/"), "/")
	for _, pattern := range s.Exclude {
		pattern = strings.Trim(strings.TrimPrefix(strings.TrimPrefix(pattern, "./"), "**/"), "/")
		for end := 1; end <= len(parts); end++ {
			for start := range end {
				if ok, _ := path.Match(pattern, strings.Join(parts[start:end], "/")); ok {
					return true
				}
			}
		}
	}
	return false
}

// Relative is the name from here on, where it is below: patch takes no other from a diff.
func Relative(name string) string {
	if here, err := filepath.Abs("."); err == nil && filepath.IsAbs(name) {
		if below, err := filepath.Rel(here, name); err == nil && !strings.HasPrefix(below, "..") {
			return below
		}
	}
	return name
}

func isChart(folder string) bool {
	info, err := os.Stat(filepath.Join(folder, "Chart.yaml"))
	return err == nil && info.Mode().IsRegular()
}

// chartProblem says what to do with a folder that is a Helm chart.
func chartProblem(folder string) manifest.Problem {
	folder = strings.TrimSuffix(folder, "/")
	return manifest.Problem{File: folder,
		Text: "is a Helm chart. Render it first: helm template " + folder + " | podvet check -"}
}

// charts finds the Helm charts that files belong to, and looks at each folder once.
type charts map[string]string

// above is the chart that a file is below, "" for none.
func (c charts) above(name string) string {
	absolute, err := filepath.Abs(name)
	if err != nil {
		return ""
	}
	return c.of(filepath.Dir(absolute))
}

func (c charts) of(folder string) string {
	chart, known := c[folder]
	if known {
		return chart
	}
	if parent := filepath.Dir(folder); isChart(folder) {
		chart = Relative(folder)
	} else if parent != folder {
		chart = c.of(parent)
	}
	c[folder] = chart
	return chart
}

// manifestsIn calls for each manifest in a folder at any depth.
func manifestsIn(folder string, file func(string)) {
	_ = filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && IsManifest(path) {
			file(path)
		}
		return nil
	})
}

// IsManifest tells whether a file is one by its name; it need not be there.
func IsManifest(path string) bool {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".yaml", ".yml", ".json":
		return true
	}
	return false
}

// glance looks for what tells a manifest from other files, in a text that need not be YAML or JSON.
type glance struct {
	tail                                 []byte
	template, apiVersion, kind, workload bool
}

var (
	apiVersionKey = regexp.MustCompile(`(?i)\bapiVersion["']?\s*:`)
	kindKey       = regexp.MustCompile(`(?i)\bkind["']?\s*:`)
	workloadKind  = regexp.MustCompile(
		`(?i)\bkind["']?\s*:\s*["']?(` + strings.Join(pod.OwnerKinds(), "|") + `)\b`)
)

// overlap is how much of the text before is looked at again: what is looked for may be cut.
const overlap = 256

func (g *glance) Write(p []byte) (int, error) {
	text := slices.Concat(g.tail, bytes.ReplaceAll(p, []byte{0}, nil)) // UTF-16
	g.template = g.template || bytes.Contains(text, []byte("{{"))
	g.apiVersion = g.apiVersion || apiVersionKey.Match(text)
	g.kind = g.kind || kindKey.Match(text)
	g.workload = g.workload || g.kind && workloadKind.Match(text)
	g.tail = append([]byte(nil), text[max(0, len(text)-overlap):]...)
	return len(p), nil
}

// holdsObject tells whether the text may hold a Kubernetes object, also one that lacks its apiVersion.
func (g *glance) holdsObject() bool { return g.apiVersion && g.kind || g.workload }
