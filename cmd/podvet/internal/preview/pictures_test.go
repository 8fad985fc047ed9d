package preview

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/podvet/podvet/cmd/podvet/internal/manifest"
	"github.com/podvet/podvet/cmd/podvet/internal/picture"
	"github.com/podvet/podvet/cmd/podvet/internal/stream"
	"github.com/podvet/podvet/cmd/podvet/internal/vet"
	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/catalogue"
	"github.com/podvet/podvet/rules/policy"
)

var update = flag.Bool("update", false, "draw the pictures of the rules' pages and of the README again")

// TestPictures: docs/pictures shows what each rule about time finds in its bad fixture, and the README's example.
func TestPictures(t *testing.T) {
	const pictures = "../../../../docs/pictures"
	want := map[string]string{"timeline.svg": drawnOf(t, "../../../../examples/10-deployment.yaml", nil)}
	for _, rule := range catalogue.All.Rules() {
		if picture.About(rule.ID) != "" {
			want["rules/"+rule.ID+".svg"] = drawnOf(t, "../../../../rules/catalogue/"+rule.ID+"/bad.yaml", rule)
		}
	}
	if *update {
		for name, svg := range want {
			if err := os.MkdirAll(filepath.Dir(filepath.Join(pictures, name)), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(pictures, name), []byte(svg), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, svg := range want {
		if got, _ := os.ReadFile(filepath.Join(pictures, name)); string(got) != svg {
			t.Errorf("docs/pictures/%s is stale: run make generate", name)
		}
	}
	files, _ := filepath.Glob(pictures + "/rules/*")
	for _, file := range files {
		if want["rules/"+filepath.Base(file)] == "" {
			t.Errorf("docs/pictures/rules/%s is of no rule about time", filepath.Base(file))
		}
	}
	if len(want) < 20 {
		t.Errorf("only %d pictures: %v", len(want), slices.Sorted(maps.Keys(want)))
	}
}

// turnedOn is a policy with a rule and, where it needs no words of the user, its fix.
func turnedOn(t *testing.T, rule *rules.Rule) *policy.Policy {
	t.Helper()
	load := func(fix bool) (*policy.Policy, error) {
		text := fmt.Sprintf("apiVersion: podvet.dev/v1alpha1\nkind: Policy\nrules: {%s: {level: warn, fix: %v}}\n",
			rule.ID, fix)
		return policy.Load(catalogue.All, "policy.yaml", []byte(text), time.Now())
	}
	if p, err := load(true); err == nil {
		return p
	}
	p, err := load(false)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// drawnOf is the timeline of what a rule finds in the first pod of a file, of the gravest finding where none is named.
func drawnOf(t *testing.T, file string, rule *rules.Rule) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	p := policy.Default(catalogue.All)
	if rule != nil {
		p = turnedOn(t, rule)
	}
	var drawn string
	stream.Split(filepath.Base(file), bytes.NewReader(text), func(c stream.Chunk) {
		docs, _ := manifest.Parse(c)
		for _, doc := range docs {
			for _, v := range (vet.Judge{Policy: p}).Of(doc) {
				all := picture.OverTime(v, func(id string) bool { return rule == nil || id == rule.ID })
				if drawn == "" && len(all) > 0 {
					timeline := picture.OfFinding(v, all[0])
					timeline.Kind = doc.Kind
					drawn = picture.SVG(timeline)
				}
			}
		}
	}, func(p manifest.Problem) { t.Error(p) })
	if drawn == "" {
		t.Errorf("%s: nothing is found", file)
	}
	return drawn
}
