package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/podvet/podvet/cmd/podvet/internal/manifest"
	"github.com/podvet/podvet/cmd/podvet/internal/report"
	"github.com/podvet/podvet/rules/policy"
)

// policyTest is a file of cases for a policy.
type policyTest struct {
	APIVersion string       `json:"apiVersion"`
	Kind       string       `json:"kind"`
	Policy     string       `json:"policy"`
	Date       policy.Day   `json:"date"`
	Cases      []policyCase `json:"cases"`
}

type policyCase struct {
	Name      string              `json:"name"`
	Date      policy.Day          `json:"date"`
	Manifests string              `json:"manifests"`
	Objects   string              `json:"objects"`
	Want      map[string][]string `json:"want"`
	Fixed     map[string][]string `json:"fixed"`
}

const policyTestKind = "PolicyTest"

func newPolicyTest() *cobra.Command {
	return &cobra.Command{
		Use:   "test DIR...",
		Short: "Run cases for a policy: manifests and the findings expected",
		Long: `Run the cases in the folder: each file of kind PolicyTest names a policy, and manifests with the findings expected.

  apiVersion: podvet.dev/v1alpha1
  kind: PolicyTest
  policy: policy.yaml                 # beside this file, the default
  date: 2027-02-01                    # for exemptions that expire; today by default, a case may have its own
  cases:
  - name: workers need no readinessProbe
    manifests: worker.yaml            # a file or folder beside this file, or the text itself under objects
    want:                             # of each object all findings, as LEVEL RULE/CONTAINER
      Deployment/worker: [audit no-readiness-probe/app]
    fixed:                            # the same for fixes, as RULE/CONTAINER; where it is left out they are not compared
      Deployment/worker: [no-startup-probe/app]

An object without findings need not be named. Of two with one name write KIND/NAMESPACE/NAME. Levels are those in force, after the mode. Namespace objects among the
manifests give their namespaces labels.

Exit status: 0 all cases pass, 1 one fails, 2 not all of the work could be done.`,
		Example: "  podvet policy test policies/",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("policy test takes a folder with files of kind PolicyTest")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			run := testRun{out: cmd.OutOrStdout()}
			var errs []error
			for _, dir := range args {
				files, err := testFiles(dir)
				if err != nil {
					errs = append(errs, err)
				}
				for _, file := range files {
					errs = append(errs, run.file(file))
				}
			}
			_, _ = fmt.Fprintf(run.out, "%d passed, %d failed\n", run.passed, run.failed)
			switch err := errors.Join(errs...); {
			case err != nil:
				return err
			case run.failed > 0:
				return errFound
			}
			return nil
		},
	}
}

// testFiles are the files of kind PolicyTest in a folder at any depth, or the file itself.
func testFiles(dir string) ([]string, error) {
	var files []string
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || path != dir && filepath.Ext(path) != ".yaml" && filepath.Ext(path) != ".yml" {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if kind, broken := kindOf(text); meantAsTest(kind) || broken && path == dir {
			files = append(files, path)
		}
		return nil
	})
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("%s: holds no file of kind %s: podvet policy test --help shows one", dir, policyTestKind)
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
	return kind == policyTestKind || policy.DidYouMean(kind, []string{policyTestKind}) != ""
}

type testRun struct {
	out            io.Writer
	passed, failed int
}

// file runs the cases of a file.
func (r *testRun) file(name string) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	var test policyTest
	if err := policy.Decode(name, text, policyTestKind, &test); err != nil {
		return err
	}
	if test.Policy == "" {
		test.Policy = "policy.yaml"
	}
	source, err := readPolicy(filepath.Join(filepath.Dir(name), test.Policy))
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
		differences, err := c.run(filepath.Dir(name), source)
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("%s: %s: %w", name, c.Name, err))
			continue
		case len(differences) == 0:
			r.passed++
			continue
		}
		r.failed++
		_, _ = fmt.Fprintf(r.out, "FAIL %s: %s\n", name, c.Name)
		for _, line := range differences {
			_, _ = fmt.Fprintf(r.out, "  %s\n", line)
		}
	}
	return errors.Join(errs...)
}

// run judges the manifests of a case and says how what was found differs from what is wanted.
func (c policyCase) run(dir string, source policy.Source) ([]string, error) {
	now := time.Now()
	if c.Date != "" {
		now = c.Date.Start()
	}
	p, err := source.Load(now)
	if err != nil {
		return nil, err
	}
	if (c.Manifests == "") == (c.Objects == "") {
		return nil, errors.New("name a file under manifests, or write the text under objects")
	}
	args, stdin := []string{manifest.Stdin}, io.Reader(strings.NewReader(c.Objects))
	if c.Manifests != "" {
		args, stdin = []string{filepath.Join(dir, c.Manifests)}, nil
	}
	namespaces, again, err := manifest.ReadNamespaces(args, stdin, func() {})
	if err != nil {
		return nil, err
	}
	defer func() { _ = again.Close() }() // it was only read
	if len(namespaces.Refused) > 0 {
		return nil, allProblems(namespaces.Refused)
	}
	found := judgeAll(args, again, judgement{p, namespaces}, func() {})
	if err := problemsOf(found); err != nil {
		return nil, err
	}
	if found.Summary.Subjects == 0 {
		return nil, fmt.Errorf("no pod or workload was judged, so nothing was tested: none of %d objects has a kind and apiVersion that podvet judges", found.Summary.PassedOver)
	}
	findings, fixed := map[string][]string{}, map[string][]string{}
	for s := range found.Subjects {
		name := s.Kind + "/" + s.Name
		if s.Namespace != "" {
			name = s.Kind + "/" + s.Namespace + "/" + s.Name
		}
		findings[name] = append(findings[name], findingWords(s)...)
		fixed[name] = append(fixed[name], fixedWords(s)...)
		if findings[name] == nil {
			findings[name] = []string{}
		}
	}
	want, err := fullNames(c.Want, findings)
	if err != nil {
		return nil, fmt.Errorf("want: %w", err)
	}
	differences := compareWanted("findings", want, findings, findings)
	if c.Fixed != nil {
		if want, err = fullNames(c.Fixed, findings); err != nil {
			return nil, fmt.Errorf("fixed: %w", err)
		}
		differences = append(differences, compareWanted("fixed", want, fixed, findings)...)
	}
	return differences, nil
}

// fullNames puts the namespace into names that are written without it and mean one object.
func fullNames(want, known map[string][]string) (map[string][]string, error) {
	full, writtenAs := map[string][]string{}, map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		written := name
		kind, short, _ := strings.Cut(name, "/")
		meant := []string{}
		for other := range known {
			if parts := strings.Split(other, "/"); len(parts) == 3 && parts[0] == kind && parts[2] == short {
				meant = append(meant, other)
			}
		}
		if known[name] == nil && len(meant) == 1 {
			name = meant[0]
		}
		if first, twice := writtenAs[name]; twice {
			return nil, fmt.Errorf("%s and %s name one object: write it once", first, written)
		}
		full[name], writtenAs[name] = want[written], written
	}
	return full, nil
}

func findingWords(s *report.Subject) []string {
	words := make([]string, 0, len(s.Findings))
	for _, f := range s.Findings {
		words = append(words, f.Level.String()+" "+f.Rule+"/"+f.Container)
	}
	return words
}

// compareWanted says what of each object is missing and what is too much; known are all objects.
func compareWanted(what string, want, got, known map[string][]string) []string {
	var lines []string
	names := map[string]bool{}
	for name := range want {
		names[name] = true
	}
	for name := range got {
		names[name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if known[name] == nil {
			lines = append(lines, fmt.Sprintf("%s: no such object was judged: there are %s", name, strings.Join(slices.Sorted(maps.Keys(known)), ", ")))
			continue
		}
		for _, missing := range minus(want[name], got[name]) {
			lines = append(lines, fmt.Sprintf("%s: %s: missing: %s", name, what, missing))
		}
		for _, extra := range minus(got[name], want[name]) {
			lines = append(lines, fmt.Sprintf("%s: %s: not expected: %s", name, what, extra))
		}
	}
	return lines
}
