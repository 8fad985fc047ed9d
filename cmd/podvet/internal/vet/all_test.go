package vet

import (
	"bytes"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/podvet/podvet/cmd/podvet/internal/report"
	"github.com/podvet/podvet/rules/catalogue"
	"github.com/podvet/podvet/rules/policy"
)

const onePod = "apiVersion: v1\nkind: Pod\nmetadata: {name: after}\nspec: {containers: [{name: app, image: i}]}\n"

// problems are the lines about invalid input.
func problems(r *report.Report) string {
	var lines []string
	for p := range r.Invalid {
		lines = append(lines, fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Message))
	}
	return strings.Join(lines, "\n")
}

// judged is what is found in one text by the built-in policy.
func judged(r io.Reader, progress func()) *report.Report {
	read := func(to Input) { to.Text(Text{Name: "stdin", Reader: r}) }
	return Judge{Policy: policy.Default(catalogue.All)}.All(read, progress, nil)
}

// TestLargeInput: a document that is too long loses none of the others, and a stream is never held as a whole.
func TestLargeInput(t *testing.T) {
	var tooLong bytes.Buffer
	tooLong.WriteString(onePod + "---\napiVersion: v1\nkind: ConfigMap\ndata:\n  x: |\n")
	for tooLong.Len() < 17<<20 {
		tooLong.WriteString("    a line of some length that nobody will ever read\n")
	}
	tooLong.WriteString("---\n" + onePod)
	found := judged(&tooLong, func() {})
	const want = "stdin:5: holds a document of more than 16 MiB, which is not read: split it"
	if found.Summary.Subjects != 2 || problems(found) != want {
		t.Errorf("%+v %s", found.Summary, problems(found))
	}

	const documents = 10_000
	stream := strings.Repeat("---\n"+onePod, documents)
	told := 0
	found = judged(strings.NewReader(stream), func() { told++ })
	if found.Summary.Subjects != documents || problems(found) != "" || told != documents {
		t.Errorf("%+v %v, %d documents told", found.Summary, problems(found), told)
	}
	for i, s := range slices.Collect(found.Subjects) { // in the order of the input, at their lines
		if s.Line != 5*i+2 {
			t.Fatalf("subject %d is at line %d", i, s.Line)
		}
	}
}

// TestLargeList: the items of a JSON List are judged as they come, wherever the List says that it is one.
func TestLargeList(t *testing.T) {
	const items = 5000
	reader, writer := io.Pipe()
	go func() {
		_, _ = io.WriteString(writer, "{\n\"apiVersion\": \"v1\",\n\"items\": [\n")
		for i := range items {
			comma := ","
			if i == items-1 {
				comma = ""
			}
			_, _ = fmt.Fprintf(writer, `{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p-%d"},`+"\n"+
				`"spec": {"containers": [{"name": "app", "image": "i"}]}}%s`+"\n", i, comma)
		}
		_, _ = io.WriteString(writer, "],\n\"kind\": \"List\"}\n")
		_ = writer.Close()
	}()
	found := judged(reader, func() {})
	if found.Summary.Subjects != items || problems(found) != "" {
		t.Fatalf("%+v %v", found.Summary, problems(found))
	}
	for i, s := range slices.Collect(found.Subjects) {
		if s.Name != fmt.Sprintf("p-%d", i) || s.Line != 2*i+4 || s.Findings[0].Line != 2*i+5 {
			t.Fatalf("subject %d: %s at line %d, its finding at %d", i, s.Name, s.Line, s.Findings[0].Line)
		}
	}
}

// TestLittleIsHeld: what is kept of an object until the end is nothing beside its text.
func TestLittleIsHeld(t *testing.T) {
	held := func(documents int) uint64 {
		reader, writer := io.Pipe()
		go func() {
			for range documents {
				_, _ = io.WriteString(writer, "---\n"+onePod)
			}
			_ = writer.Close()
		}()
		found := judged(reader, func() {})
		var after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&after)
		if found.Summary.Subjects != documents || problems(found) != "" {
			t.Fatalf("%+v %v", found.Summary, problems(found))
		}
		return after.HeapAlloc
	}
	few, many := held(1000), held(21_000)
	if perDocument := (float64(many) - float64(few)) / 20_000; perDocument > 40 {
		t.Errorf("%.0f bytes are held for each document", perDocument)
	}
}
