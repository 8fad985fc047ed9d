package preview

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/podvet/podvet/cmd/podvet/internal/console"
	"github.com/podvet/podvet/cmd/podvet/internal/input"
	"github.com/podvet/podvet/cmd/podvet/internal/stream"
	"github.com/podvet/podvet/cmd/podvet/internal/vet"
	"github.com/podvet/podvet/rules/catalogue"
	"github.com/podvet/podvet/rules/policy"
	"github.com/podvet/podvet/rules/policy/strict"
)

// TestFiles are the files of kind PolicyTest in a folder at any depth, or the file itself.
func TestFiles(dir string) ([]string, error) {
	var files []string
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return stream.Unreadable(path, 0, err)
		}
		if entry.IsDir() || path != dir && filepath.Ext(path) != ".yaml" && filepath.Ext(path) != ".yml" {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return stream.Unreadable(path, 0, err)
		}
		if kind, broken := kindOf(text); meantAsTest(kind) || broken && path == dir {
			files = append(files, path)
		}
		return nil
	})
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("%s: holds no file of kind %s: podvet policy test --help shows one", dir, CasesKind)
	}
	return files, err
}

// kindOf is the kind of the first document, for manifests of many lie beside tests. Where the text is no YAML it is
// that of a test, if one is named.
func kindOf(text []byte) (kind string, broken bool) {
	var doc yaml.Node
	if err := yaml.NewDecoder(bytes.NewReader(text)).Decode(&doc); err != nil && !errors.Is(err, io.EOF) {
		for _, match := range writtenKind.FindAllSubmatch(text, -1) {
			if kind = string(match[1]); meantAsTest(kind) {
				break
			}
		}
		return kind, true
	}
	if len(doc.Content) == 0 || doc.Content[0].Kind != yaml.MappingNode {
		return "", false
	}
	for keys := doc.Content[0].Content; len(keys) > 1; keys = keys[2:] {
		if keys[0].Value == "kind" && !meantAsTest(kind) { // it may stand twice
			kind = keys[1].Value
		}
	}
	return kind, false
}

var writtenKind = regexp.MustCompile(`(?m)^[{\s]*["']?kind["']?\s*:\s*["']?(\w+)`)

// meantAsTest tells whether a kind is that of tests, or nearly so: a test that is not run tells nobody.
func meantAsTest(kind string) bool {
	return kind == CasesKind || strict.Nearest(kind, []string{CasesKind}) != ""
}

// TestRun runs files of cases, says which fail and counts them.
type TestRun struct {
	Out            io.Writer
	Passed, Failed int
}

// Folders runs the cases of all files in folders.
func (r *TestRun) Folders(folders []string) error {
	var errs []error
	for _, dir := range folders {
		files, err := TestFiles(dir)
		if err != nil {
			errs = append(errs, err)
		}
		for _, file := range files {
			errs = append(errs, r.File(file))
		}
	}
	_, _ = fmt.Fprintf(r.Out, "%d passed, %d failed\n", r.Passed, r.Failed)
	return errors.Join(errs...)
}

// File runs the cases of a file.
func (r *TestRun) File(name string) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return stream.Unreadable(name, 0, err)
	}
	var test Cases
	if err := DecodeCases(name, text, &test); err != nil {
		return err
	}
	if test.Policy == "" {
		test.Policy = "policy.yaml"
	}
	file := filepath.Join(filepath.Dir(name), test.Policy)
	if text, err = os.ReadFile(file); err != nil {
		return stream.Unreadable(file, 0, err)
	}
	source, err := ReadPolicy(file, text)
	if err != nil {
		return err
	}
	if len(test.Cases) == 0 {
		return fmt.Errorf("%s: has no cases: podvet policy test --help shows some", name)
	}
	var errs []error
	for i, c := range test.Cases {
		if c.Name == "" {
			c.Name = fmt.Sprintf("cases[%d]", i)
		}
		if c.Date == "" {
			c.Date = test.Date
		}
		differences, err := c.Run(filepath.Dir(name), source)
		switch {
		case err != nil:
			for line := range strings.Lines(err.Error()) {
				errs = append(errs, fmt.Errorf("%s: %s: %s", name, c.Name, strings.TrimSpace(line)))
			}
			continue
		case len(differences) == 0:
			r.Passed++
			continue
		}
		r.Failed++
		_, _ = fmt.Fprintf(r.Out, "FAIL %s: %s\n", console.Printable(name), console.Printable(c.Name))
		for _, line := range differences {
			_, _ = fmt.Fprintf(r.Out, "  %s\n", console.Printable(line))
		}
	}
	return errors.Join(errs...)
}

// Run judges the manifests of the case, beside its file in a folder, and says how what was found differs from what is
// wanted.
func (c Case) Run(dir string, source policy.Source) ([]string, error) {
	now := time.Now()
	if c.Date != "" {
		now = c.Date.Start()
	}
	p, err := source.Load(catalogue.All, now)
	if err != nil {
		return nil, err
	}
	if (c.Manifests == "") == (c.Objects == "") {
		return nil, errors.New("name a file under manifests, or write the text under objects")
	}
	arg := input.Stdin
	if c.Manifests != "" {
		arg = filepath.Join(dir, c.Manifests)
	}
	in, namespaces, err := input.Read([]string{arg}, strings.NewReader(c.Objects), input.Selection{}, func() {})
	if err != nil {
		return nil, err
	}
	defer func() { _ = in.Close() }() // it was only read
	if len(namespaces.Refused) > 0 {
		return nil, joined(slices.Values(namespaces.Refused))
	}
	found := vet.Judge{Policy: p, Namespaces: namespaces}.All(in.Texts, func() {}, nil)
	if found.Summary.Invalid > 0 {
		return nil, joined(found.Invalid)
	}
	if found.Summary.Subjects == 0 {
		return nil, errors.New("no pod or workload was judged, so nothing was tested. " + cmp.Or(aboutPatches(found),
			fmt.Sprintf("None of %d objects has a kind and apiVersion that podvet judges", found.Summary.PassedOver)))
	}
	return c.Differences(found)
}

// joined is an error with a line for each problem.
func joined[E error](problems iter.Seq[E]) error {
	var errs []error
	for p := range problems {
		errs = append(errs, p)
	}
	return errors.Join(errs...)
}
