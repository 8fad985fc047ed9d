package custom_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/podvet/podvet/rules/catalogue"
	"github.com/podvet/podvet/rules/custom"
	"github.com/podvet/podvet/rules/pod"
	"github.com/podvet/podvet/rules/policy"
)

var update = flag.Bool("update", false, "write the table in docs/custom-resources.md")

// TestTable: the table that people read is the code's.
func TestTable(t *testing.T) {
	const file, begin, end = "../../docs/custom-resources.md", "<!-- make generate writes what follows -->\n",
		"<!-- until here -->\n"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(text), begin)
	_, after, ends := strings.Cut(rest, end)
	if !found || !ends {
		t.Fatalf("%s has no place for the table", file)
	}
	want := before + begin + table() + end + after
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if string(text) != want {
		t.Errorf("%s is stale: run make generate", file)
	}
}

func table() string {
	var out strings.Builder
	out.WriteString("| apiVersion | kind | pod template | judged like that of a | the pods belong to a | " +
		"its controller adds | default fixes |\n|---|---|---|---|---|---|---|\n")
	for _, row := range custom.Table() {
		pods, adds, fixes := row.Pods, "", "no"
		if pods == "" {
			pods = "custom resource"
		}
		for _, kind := range row.Adds {
			adds = strings.TrimPrefix(adds+", "+kind.String(), ", ")
		}
		if row.FirstOnly {
			adds += ", to the first container"
		}
		if row.DefaultFixes() {
			fixes = "yes"
		}
		fmt.Fprintf(&out, "| `%s` | %s | `%s` | %s | %s | %s | %s |\n",
			strings.Join(row.APIVersions(), "`, `"), row.Kind, row.Path, row.Like, pods, adds, fixes)
	}
	return out.String()
}

// TestExample: the policy that the page shows is a good one.
func TestExample(t *testing.T) {
	text, err := os.ReadFile("../../docs/custom-resources.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "```yaml\napiVersion: podvet.dev")
	example, _, found := strings.Cut(rest, "```")
	if !found {
		t.Fatal("there is no policy")
	}
	p, err := policy.Load(catalogue.All, "example", []byte("apiVersion: podvet.dev"+example), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if rows := p.TemplatesOf("example.com/v1", "Shop"); len(rows) != 2 {
		t.Errorf("%d templates", len(rows))
	}
	if rows := p.TemplatesOf("argoproj.io/v1alpha1", "Rollout"); len(rows) != 1 {
		t.Errorf("a Rollout has %d templates", len(rows))
	}
}

// TestReplaced: a policy's entries replace the table's of that apiVersion and kind.
func TestReplaced(t *testing.T) {
	p, err := policy.Load(catalogue.All, "p", []byte("apiVersion: podvet.dev/v1alpha1\nkind: Policy\n"+
		"templates: [{apiVersion: argoproj.io/v1, kind: Rollout, path: spec.pods, like: Job}]"), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for apiVersion, path := range map[string]string{
		"argoproj.io/v1": "spec.pods", "argoproj.io/v1alpha1": "spec.template",
	} {
		if rows := p.TemplatesOf(apiVersion, "Rollout"); len(rows) != 1 || rows[0].Path != path {
			t.Errorf("%s: %v", apiVersion, rows)
		}
	}
}

// TestRows: each row can be used, and no two are about one template.
func TestRows(t *testing.T) {
	seen := map[string]bool{}
	for _, row := range custom.Table() {
		for _, apiVersion := range row.APIVersions() {
			key := apiVersion + " " + row.Kind + " " + row.Path
			if seen[key] {
				t.Errorf("%s: twice", key)
			}
			seen[key] = true
			if !custom.PathSyntax.MatchString(row.Path) || pod.APIVersion(row.Like) == "" || row.Like == "Pod" {
				t.Errorf("%s: cannot be read, or like %q", key, row.Like)
			}
			if row.Pods != "" && pod.APIVersion(row.Pods) == "" {
				t.Errorf("%s: the pods belong to a %q, which is not Kubernetes' own", key, row.Pods)
			}
			if pod.NewObject(apiVersion, row.Kind) != nil {
				t.Errorf("%s: is in the table of workloads, too", key)
			}
		}
	}
	if len(seen) < 35 {
		t.Errorf("only %d", len(seen))
	}
}
