// Package kustomize knows what kustomizations say of files: which are patches, and whether a patch changes what fixes
// of an object stand on. Fixes beside such a patch could contradict it. It builds nothing.
package kustomize

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/podvet/podvet/cmd/podvet/internal/stream"
)

// Files are the kustomizations of the input, beside it, above it, and what they lead to. Patching may be asked while
// others are taken up.
type Files struct {
	mu      sync.Mutex
	shown   func(absolute string) string // how the input names a file
	in      map[string]*kustomization    // by their folders; nil where there is none
	takenBy map[string][]*kustomization  // by the files and folders that they take up
	patches map[string]*kustomization    // by the files that they list as patches
	values  map[string]*kustomization    // likewise as values for Helm
	unread  []*kustomization             // those that cannot be read

	folders map[string]string // without symbolic links, as far as they were asked for
	scanned map[string]bool   // folders, with all that is below them
	left    int               // files and folders that may be looked at
}

// MaxEntries bounds how many files and folders are looked at around the input.
const MaxEntries = 50_000

// New knows no kustomization. shown is how the input names a file of an absolute path.
func New(shown func(absolute string) string) *Files {
	return &Files{shown: shown, in: map[string]*kustomization{}, takenBy: map[string][]*kustomization{},
		patches: map[string]*kustomization{}, values: map[string]*kustomization{},
		folders: map[string]string{}, scanned: map[string]bool{}, left: MaxEntries}
}

// Beside takes up the kustomization in a file's folder.
func (all *Files) Beside(name string) {
	defer all.locked()()
	if absolute, err := filepath.Abs(name); err == nil {
		all.of(filepath.Dir(absolute))
	}
}

func (all *Files) locked() (unlock func()) {
	all.mu.Lock()
	return all.mu.Unlock
}

// Read takes up the kustomization of this name, which is one of the input, once.
func (all *Files) Read(name string) {
	defer all.locked()()
	absolute, err := filepath.Abs(name)
	if err != nil {
		return
	}
	folder := resolved(filepath.Dir(absolute))
	if all.in[folder] == nil {
		all.add(folder, read(name))
	}
	if k := all.in[folder]; k != nil {
		k.wanted = true
	}
}

func (all *Files) add(folder string, k *kustomization) {
	if all.in[folder] = k; k == nil {
		return
	}
	for _, at := range slices.Concat(k.resources, k.components) {
		all.takenBy[at] = append(all.takenBy[at], k)
	}
	for _, p := range k.patches {
		if p.file != "" {
			all.patches[p.file] = k
		}
	}
	for _, file := range k.values {
		all.values[file] = k
	}
	if k.unread != nil {
		all.unread = append(all.unread, k)
	}
	for _, component := range k.components {
		all.of(component)
	}
}

// of is the kustomization in a folder, nil for none.
func (all *Files) of(folder string) *kustomization {
	real := resolved(folder)
	if k, known := all.in[real]; known {
		return k
	}
	all.in[real] = nil
	for _, name := range fileNames {
		name = all.shown(filepath.Join(folder, name))
		if info, err := os.Stat(name); err == nil && info.Mode().IsRegular() {
			all.add(real, read(name))
			break
		}
	}
	return all.in[real]
}

// Listed tells as what a kustomization lists a file: as a patch, with the folder to build, or as values for Helm.
func (all *Files) Listed(name string) (patchOf string, values bool) {
	defer all.locked()()
	if len(all.patches)+len(all.values) == 0 {
		return "", false
	}
	absolute, err := filepath.Abs(name)
	if err != nil {
		return "", false
	}
	absolute = all.real(absolute)
	if k := all.patches[absolute]; k != nil {
		return all.buildable(k), false
	}
	return "", all.values[absolute] != nil
}

// real is resolved, for many files of one folder.
func (all *Files) real(absolute string) string {
	folder := filepath.Dir(absolute)
	if all.folders[folder] == "" {
		all.folders[folder] = resolved(folder)
	}
	at := filepath.Join(all.folders[folder], filepath.Base(absolute))
	if info, err := os.Lstat(at); err == nil && info.Mode()&os.ModeSymlink == 0 {
		return at
	}
	return resolved(absolute)
}

// In tells whether a folder has a kustomization that was taken up.
func (all *Files) In(folder string) bool {
	absolute, err := filepath.Abs(folder)
	return err == nil && all.in[resolved(absolute)] != nil
}

// buildable is the folder to build a kustomization by: of a component one that has it, since it does not stand alone.
func (all *Files) buildable(k *kustomization) string {
	for range len(all.in) { // components may have each other
		if !k.component || len(all.takenBy[k.folder]) == 0 {
			break
		}
		k = all.takenBy[k.folder][0]
	}
	return filepath.Dir(k.file)
}

// Unread are the problems of kustomizations that cannot be read, in the input or above it, and of those that would have
// been asked about an object.
func (all *Files) Unread(skipTemplates bool) (problems []stream.Problem) {
	for _, k := range all.unread {
		if k.wanted && (!k.template || !skipTemplates) {
			problems = append(problems, *k.unread)
		}
	}
	return problems
}

// Patching says which kustomization takes up an object and changes what its fixes stand on, its containers' probes or
// hooks or the grace period, and what to run instead; "" for none.
func (all *Files) Patching(o Object) string {
	defer all.locked()()
	k, m := all.patching(o)
	switch {
	case k == nil:
		return ""
	case k.unread != nil:
		k.wanted = true
		return k.file + " may patch it, and cannot be read"
	}
	verb := "patches"
	if m < surely {
		verb = "may patch"
	}
	if k.flux != "" {
		return fmt.Sprintf("the Kustomization of Flux in %s %s what the fix builds on. "+
			"Run flux build kustomization %s --path %s --kustomization-file %[1]s --dry-run | podvet fix --diff -",
			k.file, verb, k.flux, all.shown(k.folder))
	}
	folder := all.buildable(k)
	return fmt.Sprintf("the kustomization in %s %s what the fix builds on. "+
		"Run kubectl kustomize %[1]s | podvet fix --diff -", folder, verb)
}

// way leads from an object up to a kustomization that takes it up.
type way struct {
	to *kustomization
	by identity
}

// maxWays bounds the ways from one object to kustomizations.
const maxWays = 10_000

// patching is the first kustomization that surely patches an object, or else the first that perhaps does.
func (all *Files) patching(o Object) (by *kustomization, most meant) {
	absolute, err := filepath.Abs(o.File)
	if err != nil || len(all.takenBy)+len(all.unread) == 0 {
		return nil, no
	}
	absolute = all.real(absolute)
	start := identity{names: []string{o.Name}, namespaces: []string{o.Namespace}}
	var ways []way
	for _, k := range all.takenBy[absolute] {
		ways = append(ways, way{k, start})
	}
	for _, k := range all.unread { // it may list any file below it
		if strings.HasPrefix(absolute, strings.TrimSuffix(k.folder, "/")+"/") {
			ways = append(ways, way{k, start})
		}
	}
	seen := map[string]bool{}
	for i := 0; i < len(ways); i++ {
		at := ways[i]
		if key := fmt.Sprintf("%p %q %q %t", at.to, at.by.names, at.by.namespaces, at.by.any); seen[key] {
			continue
		} else if seen[key] = true; i > maxWays {
			return at.to, max(most, perhaps)
		}
		m, named := all.hits(at.to, o, at.by, map[*kustomization]bool{})
		if m > most {
			by, most = at.to, m
		}
		for _, k := range all.takenBy[at.to.folder] {
			if at.to.flux == "" {
				ways = append(ways, way{k, named})
			}
		}
	}
	return by, most
}

// hits tells whether patches of a kustomization, or of its components, change what fixes of an object stand on, and how
// the object is named after that.
func (all *Files) hits(
	k *kustomization, o Object, id identity, seen map[*kustomization]bool,
) (most meant, named identity) {
	if k == nil || seen[k] {
		return no, id
	}
	seen[k] = true
	for _, folder := range k.components {
		var m meant
		m, id = all.hits(all.of(folder), o, id, seen)
		most = max(most, m)
	}
	named = k.named(o, id) // some patches come after the names
	for i := range k.patches {
		most = max(most, k.patches[i].hits(o, named))
	}
	return most, named
}
