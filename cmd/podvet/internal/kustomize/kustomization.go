package kustomize

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/podvet/podvet/cmd/podvet/internal/stream"
	"github.com/podvet/podvet/rules/policy/strict"
)

// fileNames are those that kustomize reads, in its order.
var fileNames = []string{"kustomization.yaml", "kustomization.yml", "Kustomization"}

// IsFile tells whether a file is one that kustomize reads by its name: it lists objects and is none.
func IsFile(name string) bool { return slices.Contains(fileNames, filepath.Base(name)) }

// maxLength bounds in bytes what is read of a kustomization, and of a patch that it lists.
const maxLength = 1 << 20

// kustomization is what a file says about other files. Their paths are absolute and without symbolic links; those that
// are URLs name no file.
type kustomization struct {
	file       string // as the input names it
	folder     string
	component  bool
	flux       string   // the name of the object of Flux that it is, "" for none: nothing takes that up
	resources  []string // files and folders
	components []string // folders
	patches    []*patch
	values     []string // files for Helm

	prefix, suffix, namespace string // that it gives objects

	unread   *stream.Problem // why all of it cannot be read, nil where it can
	wanted   bool            // who reads the input needs to know that
	template bool            // it has to be rendered first
}

// patch changes objects of what a kustomization takes up.
type patch struct {
	file    string    // "" where it stands in the kustomization
	touched []touched // where it stands there
	target  *target   // nil where the patch names its object
	renames renamed   // what its options let it change
}

// written are the keys that podvet reads. kustomize has more.
type written struct {
	Kind                  string
	Resources             []string
	Bases                 []string
	Components            []string
	NamePrefix            string `yaml:"namePrefix"`
	NameSuffix            string `yaml:"nameSuffix"`
	Namespace             string
	Patches               []yaml.Node    // a path, or writtenPatch
	PatchesStrategicMerge []string       `yaml:"patchesStrategicMerge"` // paths or patches
	PatchesJSON6902       []writtenPatch `yaml:"patchesJson6902"`
	Replacements          []yaml.Node    // writtenReplacement, or its path
	Transformers          []string
	HelmCharts            []struct {
		ValuesFile            string   `yaml:"valuesFile"`
		AdditionalValuesFiles []string `yaml:"additionalValuesFiles"`
	} `yaml:"helmCharts"`
}

type writtenPatch struct {
	Path, Patch string
	Target      *target
	Options     map[string]bool
}

type writtenReplacement struct {
	Path    string
	Targets []struct {
		Select     target
		FieldPaths []string `yaml:"fieldPaths"`
	}
}

// read reads a file; nil where there is none. Of one that cannot be read as a whole it is what the text may name.
func read(name string) *kustomization {
	absolute, err := filepath.Abs(name)
	if err != nil {
		return nil
	}
	k := &kustomization{file: name, folder: resolved(filepath.Dir(absolute))}
	text, err := readBounded(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	problem := stream.Problem{File: name}
	if err != nil {
		problem = stream.Unreadable(name, 0, err)
	} else {
		problem.Line, problem.Text = k.parse(text)
	}
	if problem.Text == "" {
		return k
	}
	k.unread, k.template = &problem, bytes.Contains(text, []byte("{{"))
	k.mention(string(text))
	return k
}

// parse reads the keys, and says what is wrong with them, "" for nothing, and in which line, 0 where that is not known.
func (k *kustomization) parse(text []byte) (line int, wrong string) {
	roots, err := stream.ParseYAML(text)
	if err != nil {
		return strict.Explain(text, err)
	}
	if len(roots) == 0 {
		return 0, ""
	}
	var w written
	err = roots[0].Decode(&w)
	k.component = w.Kind == "Component"
	k.prefix, k.suffix, k.namespace = w.NamePrefix, w.NameSuffix, w.Namespace
	k.resources = k.paths(slices.Concat(w.Resources, w.Bases))
	k.components = k.paths(w.Components)
	for _, chart := range w.HelmCharts {
		k.values = append(k.values, k.paths(append(chart.AdditionalValuesFiles, chart.ValuesFile))...)
	}
	k.readPatches(w)
	if err == nil {
		return 0, ""
	}
	if types, is := errors.AsType[*yaml.TypeError](err); is && len(types.Errors) > 0 {
		_, _ = fmt.Sscanf(types.Errors[0], "line %d:", &line) // else it stays 0
	}
	return line, "has a value that kustomize does not take"
}

// mention takes up whatever a text may name: it may patch that.
func (k *kustomization) mention(text string) {
	words := strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" \t\r\n,[]{}\"'#", r) })
	for _, word := range words {
		word = strings.TrimSuffix(word, ":")
		if _, err := os.Lstat(filepath.Join(k.folder, word)); err == nil && word != "." {
			k.resources = append(k.resources, k.paths([]string{word})...)
		}
	}
	k.patches = append(k.patches, &patch{touched: anything})
}

func (k *kustomization) readPatches(w written) {
	for _, n := range w.Patches {
		var p writtenPatch
		if n.Kind == yaml.ScalarNode { // as versions before 2 wrote a strategic merge patch
			p.Path = n.Value
		} else {
			_ = n.Decode(&p) // what cannot be read stays empty
		}
		k.addPatch(p)
	}
	for _, one := range w.PatchesStrategicMerge {
		if strings.ContainsAny(one, "\n{") {
			k.addPatch(writtenPatch{Patch: one})
		} else {
			k.addPatch(writtenPatch{Path: one})
		}
	}
	for _, p := range w.PatchesJSON6902 {
		k.addPatch(p)
	}
	for _, n := range w.Replacements {
		k.addReplacement(n)
	}
	if len(w.Transformers) > 0 { // they may be patches, or rename
		k.patches = append(k.patches, &patch{touched: anything})
	}
}

func (k *kustomization) addPatch(p writtenPatch) {
	one := &patch{target: p.Target,
		renames: renamed{name: p.Options["allowNameChange"], kind: p.Options["allowKindChange"]}}
	if p.Path != "" {
		one.file = k.paths([]string{p.Path})[0]
	} else {
		one.touched = touchedBy([]byte(p.Patch))
	}
	k.patches = append(k.patches, one)
}

// addReplacement takes fields that get their values from elsewhere for a patch.
func (k *kustomization) addReplacement(n yaml.Node) {
	var w writtenReplacement
	if err := n.Decode(&w); err != nil || w.Path != "" {
		k.patches = append(k.patches, &patch{touched: anything})
		return
	}
	for _, t := range w.Targets {
		var r patchReader
		if len(t.FieldPaths) == 0 {
			t.FieldPaths = []string{"metadata.name"} // kustomize's default
		}
		for _, path := range t.FieldPaths {
			steps := strings.FieldsFunc(path, func(r rune) bool { return strings.ContainsRune(".[]", r) })
			if len(steps) == 0 {
				steps = []string{""} // the object
			}
			r.place(steps, nil)
			r.rename(steps)
		}
		k.patches = append(k.patches, &patch{touched: []touched{r.touched}, target: &t.Select})
	}
}

// paths are absolute paths of what is named from the kustomization's folder.
func (k *kustomization) paths(names []string) []string {
	all := make([]string, 0, len(names))
	for _, name := range names {
		if name != "" && !filepath.IsAbs(name) {
			name = filepath.Join(k.folder, name)
		}
		all = append(all, resolved(name))
	}
	return all
}

// resolved is a path without symbolic links, as far as it is there.
func resolved(name string) string {
	if real, err := filepath.EvalSymlinks(name); err == nil {
		return real
	}
	return name
}

// readBounded reads a file that is not long.
func readBounded(name string) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // it was only read
	switch info, err := file.Stat(); {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, errors.New("is not a file")
	case info.Size() > maxLength:
		return nil, fmt.Errorf("is longer than %d MiB", maxLength>>20)
	}
	return io.ReadAll(io.LimitReader(file, maxLength))
}

// named is how patches find an object once the kustomization has named it (kustomize's resmap.Select and GetById).
func (k *kustomization) named(o Object, id identity) identity {
	if k.prefix != "" || k.suffix != "" {
		current := id.names[len(id.names)-1]
		id.names = append(slices.Clone(id.names), k.prefix+current+k.suffix)
	}
	if k.namespace != "" {
		id.namespaces = append(slices.Clone(id.namespaces), k.namespace)
	}
	for _, p := range k.patches {
		id.any = id.any.or(p.renamed(o, id))
	}
	return id
}

// read reads the patch once, where it is asked for.
func (p *patch) read() []touched {
	if p.file == "" || p.touched != nil {
		return p.touched
	}
	p.touched = anything
	if text, err := readBounded(p.file); err == nil {
		p.touched = append([]touched{}, touchedBy(text)...)
	}
	return p.touched
}

// renamed is what the patch changes of what later ones find an object by.
func (p *patch) renamed(o Object, id identity) (all renamed) {
	if p.target != nil && p.target.means(o, id) == no {
		return renamed{}
	}
	all = p.renames
	for _, t := range p.read() {
		all = all.or(t.renames)
	}
	return all
}

// hits tells whether a patch changes what fixes of an object stand on.
func (p *patch) hits(o Object, id identity) (most meant) {
	for _, t := range p.read() {
		m := t.touches(o, id)
		switch {
		case m == no:
		case p.target != nil:
			m = min(m, p.target.means(o, id))
		default:
			m = min(m, t.means(o, id))
		}
		most = max(most, m)
	}
	return most
}
