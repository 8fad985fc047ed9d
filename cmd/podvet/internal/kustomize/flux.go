package kustomize

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/podvet/podvet/cmd/podvet/internal/stream"
	"github.com/podvet/podvet/rules/policy/strict"
)

// fluxGroup is the API group of Flux's Kustomizations: objects, each of which builds a folder and patches that.
const fluxGroup = "kustomize.toolkit.fluxcd.io/"

// FluxFinder tells whether a text that is written to it may hold a Kustomization of Flux.
type FluxFinder struct {
	Found bool
	tail  []byte
}

func (f *FluxFinder) Write(p []byte) (int, error) {
	// What is cut in two stands at the seam. All of the text is not copied: every file of an input comes through here.
	seam, end := slices.Concat(f.tail, p[:min(len(p), len(fluxGroup))]), p
	if len(p) < len(fluxGroup) {
		end = seam
	}
	f.Found = f.Found || bytes.Contains(seam, []byte(fluxGroup)) || bytes.Contains(p, []byte(fluxGroup))
	f.tail = bytes.Clone(end[max(0, len(end)-len(fluxGroup)):])
	return len(p), nil
}

// Flux takes up the Kustomizations of Flux in a file.
func (all *Files) Flux(name string) {
	defer all.locked()()
	absolute, err := filepath.Abs(name)
	if err != nil {
		return
	}
	text, err := readBounded(name)
	if err != nil { // who judges the file says so
		return
	}
	roots, err := stream.ParseYAML(text)
	if err != nil {
		return
	}
	for _, root := range roots {
		root = strict.Resolve(root)
		spec := fieldOf(root, "spec")
		if spec == nil || valueOf(root, "kind") != "Kustomization" ||
			!strings.HasPrefix(valueOf(root, "apiVersion"), fluxGroup) {
			continue
		}
		var w written
		_ = strict.Resolve(spec).Decode(&w) // what cannot be read stays empty
		k := &kustomization{file: name, flux: "unnamed", prefix: w.NamePrefix, suffix: w.NameSuffix,
			namespace: valueOf(spec, "targetNamespace")}
		if metadata := fieldOf(root, "metadata"); metadata != nil && valueOf(metadata, "name") != "" {
			k.flux = valueOf(metadata, "name")
		}
		k.folder = fluxFolder(filepath.Dir(resolved(absolute)), valueOf(spec, "path"))
		k.components = k.paths(w.Components)
		k.readPatches(w)
		for _, at := range all.fluxResources(k.folder) {
			all.takenBy[at] = append(all.takenBy[at], k)
		}
	}
}

// fluxFolder is the folder of a path from the root of the git repository, or where there is none, from the nearest
// folder that has it.
func fluxFolder(from, path string) string {
	nearest := ""
	for at := from; ; at = filepath.Dir(at) {
		folder := filepath.Join(at, filepath.Clean("/"+path)) // never above it
		if info, err := os.Stat(folder); nearest == "" && err == nil && info.IsDir() {
			nearest = resolved(folder)
		}
		switch {
		case isRepository(at):
			return resolved(folder)
		case filepath.Dir(at) == at:
			return nearest
		}
	}
}

// fluxResources are what Flux builds of a folder: the kustomization there, or all below it that a generated one lists.
func (all *Files) fluxResources(folder string) (list []string) {
	all.walk(folder, func(path string, entry fs.DirEntry) error {
		switch {
		case entry.IsDir() && all.of(path) != nil:
			list = append(list, path)
			return fs.SkipDir
		case !entry.IsDir():
			list = append(list, path)
		}
		return nil
	})
	return list
}
