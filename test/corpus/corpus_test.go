// Package corpus_test holds workloads that are right, in the manner of real ones: a false alarm shows here. Each object
// begins with the findings that it deserves in the recommended profile, one comment line each:
//
//	# finds: LEVEL RULE/CONTAINER
//
// After a rule has changed, write them with `go test ./test/corpus -update` and judge each line of the difference.
package corpus_test

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/catalogue"
	"github.com/podvet/podvet/rules/pod"
	"github.com/podvet/podvet/rules/policy"
)

var update = flag.Bool("update", false, "write the findings into the files")

const (
	separator = "\n---\n"
	mark      = "# finds: "

	minWorkloads = 200
	minThemes    = 20
)

// TestCorpus: the findings of each workload are exactly those that it says, and none would refuse its pods.
func TestCorpus(t *testing.T) {
	files, err := filepath.Glob("*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	plan := policy.Default(catalogue.All).Plan()
	workloads := map[string]string{} // the file of each
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		documents := strings.Split(string(text), separator)
		for i, document := range documents {
			s := read(t, file, document)
			name := strings.Join([]string{s.Kind, s.Namespace, s.Name}, "/")
			if other, exists := workloads[name]; exists {
				t.Errorf("%s: %s is also in %s", file, name, other)
			}
			workloads[name] = file
			wants, rest := cutFindings(document)
			found := findings(rules.Vet(s, plan))
			if *update {
				documents[i] = strings.Join(append(marked(found), rest), "\n")
			} else if !slices.Equal(wants, found) {
				t.Errorf("%s: %s finds\n\t%s\nwant\n\t%s", file, name,
					strings.Join(found, "\n\t"), strings.Join(wants, "\n\t"))
			}
			for _, f := range found {
				if strings.HasPrefix(f, rules.Deny.String()) {
					t.Errorf("%s: %s works, but %s", file, name, f)
				}
			}
		}
		if *update {
			if err := os.WriteFile(file, []byte(strings.Join(documents, separator)), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(workloads) < minWorkloads || len(files) < minThemes {
		t.Errorf("%d workloads in %d files, want %d in %d", len(workloads), len(files), minWorkloads, minThemes)
	}
}

// read decodes a document as the API server does, and has podvet agree that the server takes it.
func read(t *testing.T, file, document string) *pod.Subject {
	t.Helper()
	var kind metav1.TypeMeta
	if err := yaml.Unmarshal([]byte(document), &kind); err != nil {
		t.Fatalf("%s: %v in\n%s", file, err, document)
	}
	object := pod.NewObject(kind.APIVersion, kind.Kind)
	if object == nil {
		t.Fatalf("%s: %s of %s is not judged", file, kind.Kind, kind.APIVersion)
	}
	if err := yaml.UnmarshalStrict([]byte(document), object); err != nil {
		t.Fatalf("%s: %v in\n%s", file, err, document)
	}
	s, ok := pod.Read(object)
	if !ok || s.Mirror() || s.JudgedAtOwner {
		t.Fatalf("%s: %s %s is not judged", file, kind.Kind, object.GetName())
	}
	for _, problem := range s.Invalid() {
		t.Errorf("%s: %s %s is invalid: %s: %s", file, kind.Kind, s.Name, problem.Path, problem.Text)
	}
	return s
}

// findings are what the comments say: level, rule and container.
func findings(result rules.Result) []string {
	var found []string
	for _, f := range result.Findings {
		found = append(found, f.Level.String()+" "+f.Rule.ID+"/"+f.Container)
	}
	return found
}

// cutFindings splits a document into the findings that it begins with and the rest.
func cutFindings(document string) (wants []string, rest string) {
	for strings.HasPrefix(document, mark) {
		line, below, _ := strings.Cut(document, "\n")
		wants, document = append(wants, strings.TrimPrefix(line, mark)), below
	}
	return wants, document
}

func marked(found []string) []string {
	lines := make([]string, len(found))
	for i, f := range found {
		lines[i] = mark + f
	}
	return lines
}
