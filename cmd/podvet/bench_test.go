package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/podvet/podvet/cmd/podvet/internal/manifest"
	"github.com/podvet/podvet/cmd/podvet/internal/stream"
	"github.com/podvet/podvet/cmd/podvet/internal/vet"
	"github.com/podvet/podvet/rules/catalogue"
	"github.com/podvet/podvet/rules/policy"
)

// manifests writes n documents, half of them workloads, into one stream: 10,000 are 26 MB.
func manifests(tb testing.TB, n int) []byte {
	tb.Helper()
	files, err := filepath.Glob("../../examples/*.yaml")
	if err != nil || len(files) == 0 {
		tb.Fatalf("no examples (%v)", err)
	}
	var all bytes.Buffer
	settings := strings.Repeat("    some.setting: and its value\n", 80)
	for i := range n {
		all.WriteString("---\n")
		if i%2 == 1 {
			fmt.Fprintf(&all, "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: c-%d\n"+
				"data:\n  settings.yaml: |\n%s", i, settings)
			continue
		}
		text, err := os.ReadFile(files[i/2%len(files)])
		if err != nil {
			tb.Fatal(err)
		}
		all.Write(text)
		all.WriteString("# " + strings.Repeat("labels, annotations, environment and volumes ", 42) + "\n")
	}
	return all.Bytes()
}

// BenchmarkCheck judges 10,000 manifests from one stream.
func BenchmarkCheck(b *testing.B) {
	text, judge := manifests(b, 10_000), vet.Judge{Policy: policy.Default(catalogue.All)}
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		checkText(b, judge, text)
	}
}

// TestAllocations: what files allocate is what the collector has to do. Whoever needs more raises a number, and says
// why.
func TestAllocations(t *testing.T) {
	const n = 200
	text, judge := manifests(t, n), vet.Judge{Policy: policy.Default(catalogue.All)}
	for _, stage := range []struct {
		name string
		most float64 // allocations of a document
		run  func()
	}{
		{"check", 275, func() { checkText(t, judge, text) }},
		{"fix", 320, func() { fixText(t, judge, text) }},
	} {
		if got := testing.AllocsPerRun(5, stage.run) / n; got > stage.most {
			t.Errorf("%s: %.0f allocations for each document, at most %.0f", stage.name, got, stage.most)
		} else {
			t.Logf("%s: %.0f allocations for each document", stage.name, got)
		}
	}
}

func checkText(tb testing.TB, judge vet.Judge, text []byte) {
	tb.Helper()
	read := func(to vet.Input) { to.Text(vet.Text{Name: "stdin", Reader: bytes.NewReader(text)}) }
	found := judge.All(read, func() {}, nil)
	if problems := slices.Collect(found.Invalid); len(problems) > 0 || found.Summary.Subjects == 0 {
		tb.Fatalf("%v %v", found.Summary, problems)
	}
}

func fixText(tb testing.TB, judge vet.Judge, text []byte) {
	tb.Helper()
	changes := vet.Changes{Judge: judge}
	fixed := 0
	stream.Split("stdin", bytes.NewReader(text), func(chunk stream.Chunk) {
		fixed += len(manifest.Repair(chunk, changes.Of).Repaired)
	}, func(p manifest.Problem) { tb.Fatal(p) })
	if fixed == 0 {
		tb.Fatal("nothing is fixed")
	}
}
