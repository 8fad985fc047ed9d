package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/podvet/podvet/cmd/podvet/internal/vet"
	"github.com/podvet/podvet/rules/catalogue"
	"github.com/podvet/podvet/rules/policy"
)

// manifests writes 10,000 documents of 26 MB, half of them workloads, into one stream.
func manifests(b *testing.B) []byte {
	b.Helper()
	files, err := filepath.Glob("../../examples/*.yaml")
	if err != nil || len(files) == 0 {
		b.Fatalf("no examples (%v)", err)
	}
	var stream bytes.Buffer
	settings := strings.Repeat("    some.setting: and its value\n", 80)
	for i := range 10_000 {
		stream.WriteString("---\n")
		if i%2 == 1 {
			fmt.Fprintf(&stream, "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: c-%d\n"+
				"data:\n  settings.yaml: |\n%s", i, settings)
			continue
		}
		text, err := os.ReadFile(files[i/2%len(files)])
		if err != nil {
			b.Fatal(err)
		}
		stream.Write(text)
		stream.WriteString("# " + strings.Repeat("labels, annotations, environment and volumes ", 42) + "\n")
	}
	return stream.Bytes()
}

// BenchmarkCheck judges 10,000 manifests from one stream.
func BenchmarkCheck(b *testing.B) {
	stream := manifests(b)
	p := policy.Default(catalogue.All)
	b.SetBytes(int64(len(stream)))
	b.ReportAllocs()
	for b.Loop() {
		read := func(to vet.Input) { to.Text(vet.Text{Name: "stdin", Reader: bytes.NewReader(stream)}) }
		found := vet.Judge{Policy: p}.All(read, func() {}, nil)
		if problems := slices.Collect(found.Invalid); len(problems) > 0 || found.Summary.Subjects == 0 {
			b.Fatalf("%v %v", found.Summary, problems)
		}
	}
}
