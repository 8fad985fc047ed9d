// Package input finds what a command is about: files, folders and standard input, and what of them is left out, or a
// cluster. It opens files, reads them again, and prints them fixed or replaces them; it knows no policy and judges
// nothing.
package input

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/podvet/podvet/cmd/podvet/internal/kustomize"
	"github.com/podvet/podvet/cmd/podvet/internal/manifest"
	"github.com/podvet/podvet/cmd/podvet/internal/report"
	"github.com/podvet/podvet/cmd/podvet/internal/stream"
	"github.com/podvet/podvet/cmd/podvet/internal/vet"
	"github.com/podvet/podvet/rules/pod"
)

// Stdin is standard input as an argument.
const Stdin = "-"

// NameOf is how reports call an argument.
func NameOf(file string) string {
	if file == Stdin {
		return "stdin"
	}
	return file
}

// Nothing says that the input holds nothing to judge: work on nothing must not look like good work.
func (in *Input) Nothing() manifest.Problem {
	args := in.args
	switch {
	case in.leftOut && !in.found:
		return manifest.Problem{File: strings.Join(args, ", "),
			Text: "is left out by --exclude as a whole. Exclude less, or name other files."}
	case slices.Contains(args, Stdin):
		return manifest.Problem{File: NameOf(Stdin),
			Text: "holds no Kubernetes object: did the command before the | fail?"}
	}
	return manifest.Problem{File: strings.Join(args, ", "),
		Text: "holds no Kubernetes object. Name files or folders with manifests."}
}

// OnlyCharts are the problems of arguments that all are Helm charts.
func OnlyCharts(args []string) []manifest.Problem {
	var problems []manifest.Problem
	for _, arg := range args {
		if arg == Stdin || !isChart(arg) {
			return nil
		}
		problems = append(problems, chartProblem(arg))
	}
	return problems
}

// Input is what arguments name: a file, a folder's *.yaml, *.yml and *.json files at any depth, "-" for standard input.
// It can be read again and again, also what comes by a pipe.
type Input struct {
	Selection
	args    []string
	found   bool             // a file
	leftOut bool             // something, by a pattern
	pipes   map[string]*kept // standard input, and pipes, by their arguments
	charts  charts
	built   *kustomize.Files
	skipped map[string]string // files without manifests, with the reason: looked for with SkipOthers
}

// Instead says what to explain in place of a file or folder that holds no whole objects, "" for any other.
func (in *Input) Instead(name string) string {
	const again = " | podvet explain --for -"
	info, err := os.Stat(name)
	folder := err == nil && info.IsDir()
	listed, _ := in.built.Listed(name)
	switch {
	case name == Stdin:
		return ""
	case folder && isChart(name):
		return "is a Helm chart. Run helm template " + name + again
	case folder && in.built.In(name):
		return "is a kustomization. Run kubectl kustomize " + name + again
	case folder:
		return "is a folder: name a file with a pod or a workload"
	case kustomize.IsFile(name):
		return "is a kustomization. Run kubectl kustomize " + filepath.Dir(name) + again
	case listed != "":
		return "is a patch. Run kubectl kustomize " + listed + again
	}
	return ""
}

// Patching says which kustomization takes up an object and may change what its fixes stand on, "" for none.
func (in *Input) Patching(doc *manifest.Document, containers []pod.Container) string {
	if doc.File == NameOf(Stdin) {
		return ""
	}
	o := kustomize.Object{File: doc.File, APIVersion: doc.APIVersion, Kind: doc.Kind, Namespace: doc.Namespace(),
		Name: doc.Name()}
	for _, c := range containers {
		o.Containers = append(o.Containers, c.Name)
		if c.Accelerated() {
			o.Accelerated = append(o.Accelerated, c.Name)
		}
	}
	return in.built.Patching(o)
}

// Unread are kustomizations that cannot be read, though they may be about the input, and what is not known for it.
func (in *Input) Unread() (problems []manifest.Problem) {
	for _, p := range in.built.Unread(in.SkipOthers) {
		p.Text += ". What it may patch is not fixed."
		problems = append(problems, p)
	}
	return problems
}

// Cut says so where there are more files around the input than were searched for kustomizations, and else "".
func (in *Input) Cut() string {
	if !in.Around || !in.built.Cut() {
		return ""
	}
	return fmt.Sprintf("kustomizations were looked for among the nearest %d files and folders. "+
		"If one farther away patches what is fixed, look at what it builds.", kustomize.MaxEntries)
}

// Rewind makes what can be read only once start over.
func (in *Input) Rewind() error {
	err := in.pipes[Stdin].rewind()
	for name, pipe := range in.pipes {
		if failed := pipe.rewind(); failed != nil && name != Stdin {
			err = fmt.Errorf("%s: %w", name, failed)
		}
	}
	return err
}

// Close lets go of what was kept.
func (in *Input) Close() error {
	var err error
	for _, pipe := range in.pipes {
		err = errors.Join(err, pipe.Close())
	}
	return err
}

// Texts opens all files, one after the other.
func (in *Input) Texts(to vet.Input) {
	in.Files(Entries{File: func(name string, inFolder bool) {
		in.Text(name, func(shown string, r io.Reader) {
			to.Text(vet.Text{Name: shown, Reader: r, SkipOthers: inFolder || in.SkipOthers})
		}, to.Problem)
	}, Skipped: to.Skipped, Problem: to.Problem})
}

// Text opens one file.
func (in *Input) Text(name string, text func(name string, r io.Reader), problem func(manifest.Problem)) {
	r, err := in.open(name)
	if err != nil {
		problem(stream.Unreadable(NameOf(name), 0, err))
		return
	}
	defer func() { _ = r.Close() }() // it was only read
	text(NameOf(name), r)
}

func (in *Input) open(name string) (io.ReadCloser, error) {
	if pipe := in.pipes[name]; pipe != nil {
		return io.NopCloser(pipe), nil
	}
	return openFile(name)
}

// Once tells whether a file could be read only once.
func (in *Input) Once(name string) bool { return in.pipes[name] != nil }

// Entries are handed what the arguments name, in their order.
type Entries struct {
	File    func(name string, inFolder bool)
	Skipped func(file, kind, reason string)
	Problem func(manifest.Problem)
}

// Files names all files. Links to folders are not followed.
func (in *Input) Files(to Entries) {
	for _, arg := range in.args {
		if arg == Stdin {
			in.one(Stdin, false, to)
			continue
		}
		if in.excludes(arg) {
			in.leftOut = true
			continue
		}
		info, err := os.Stat(arg)
		switch {
		case err != nil:
			to.Problem(stream.Unreadable(arg, 0, err))
		case info.IsDir() && isChart(arg) && in.SkipOthers:
			in.chart(arg, to)
		case info.IsDir() && isChart(arg):
			to.Problem(chartProblem(arg))
		case info.IsDir():
			in.folder(strings.TrimSuffix(arg, "/")+"/", to) // with the slash also a link that was asked for
		default:
			in.one(arg, false, to)
		}
	}
}

// one is a file, which may be skipped.
func (in *Input) one(name string, inFolder bool, to Entries) {
	chart := ""
	if in.SkipOthers && name != Stdin {
		chart = in.charts.above(name)
	}
	in.found = true
	reason := in.skipped[name]
	patched, values := in.built.Listed(name)
	switch {
	case kustomize.IsFile(name):
		in.built.Read(name)
		to.Skipped(name, "Kustomization", report.NotAWorkload)
	case values:
		to.Skipped(name, "", report.HelmValues)
	case patched != "":
		to.Skipped(name, "", report.PatchIn(patched))
	case chart != "":
		to.Skipped(name, "", report.BelowChart(chart))
	case reason != "":
		to.Skipped(NameOf(name), "", reason)
	default:
		to.File(name, inFolder)
	}
}

// chart skips all files of a Helm chart.
func (in *Input) chart(folder string, to Entries) {
	manifestsIn(folder, func(name string) { to.Skipped(name, "", report.BelowChart(filepath.Clean(folder))) })
}

func (in *Input) folder(root string, to Entries) {
	found := false
	_ = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			to.Problem(stream.Unreadable(path, 0, err))
			found = true // that nothing is there cannot be said
			return nil
		case entry.IsDir() && path == root:
			return nil
		case entry.IsDir() && in.excludes(path):
			in.built.Below(path) // which may list what is not excluded
			found, in.leftOut = true, true
			return fs.SkipDir
		case entry.IsDir() && isChart(path):
			in.chart(path, to)
			found = true
			return fs.SkipDir
		case entry.IsDir() || !IsManifest(path) && !kustomize.IsFile(path):
			return nil
		}
		// A link to a file is read, one to a folder is not followed, a pipe would be waited for.
		if !entry.Type().IsRegular() {
			if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
				return nil
			}
		}
		found = true
		if in.excludes(path) {
			in.built.Beside(path)
			in.leftOut = true
		} else {
			in.one(path, true, to)
		}
		return nil
	})
	if !found && !in.AllowEmpty && !in.SkipOthers {
		to.Problem(manifest.Problem{File: cmp.Or(strings.TrimSuffix(root, "/"), "/"),
			Text: "holds no *.yaml, *.yml or *.json file: name a folder with manifests"})
	}
}
