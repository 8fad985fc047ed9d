package manifest

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"sync"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"go.yaml.in/yaml/v3"
	corev1 "k8s.io/api/core/v1"

	"github.com/podvet/podvet/cmd/podvet/internal/stream"
	"github.com/podvet/podvet/rules/policy/strict"
)

// Namespaces are the namespaces that the input holds.
type Namespaces struct {
	labels  map[string]map[string]string
	Refused []Problem // labels that are no text: the API server refuses them
}

// maxRefused bounds what is kept of them.
const maxRefused = 20

// Labels are those of a namespace. Of one that the input does not hold only the label is known that the API server
// puts on all.
func (n Namespaces) Labels(name string) map[string]string {
	labels, known := n.labels[name]
	if !known && name != "" {
		labels = map[string]string{corev1.LabelMetadataName: name}
	}
	return labels
}

// starts are used again: there is one for each of thousands of small files.
var starts = sync.Pool{New: func() any { return new([64 << 10]byte) }}

// Read adds the namespaces of a text. What cannot be read is left for those who judge to report. progress is told of
// each document, or once of a short text without a namespace, which is not split.
func (n *Namespaces) Read(file string, r io.Reader, progress func()) {
	start := starts.Get().(*[64 << 10]byte)
	defer starts.Put(start)
	length, err := io.ReadFull(r, start[:])
	if err != nil && !bytes.Contains(start[:length], []byte("Namespace")) { // that was all of it
		progress()
		return
	}
	stream.Split(file, io.MultiReader(bytes.NewReader(start[:length]), r), func(c stream.Chunk) {
		if bytes.Contains(c.Text, []byte("Namespace")) {
			n.Add(c)
		}
		progress()
	}, func(Problem) { progress() })
}

// Merge adds those of a text that comes later.
func (n *Namespaces) Merge(later Namespaces) {
	if n.labels == nil {
		n.labels = later.labels
	} else {
		maps.Copy(n.labels, later.labels)
	}
	n.Refused = append(n.Refused, later.Refused[:min(len(later.Refused), maxRefused-len(n.Refused))]...)
}

// Add adds the namespaces of a chunk.
func (n *Namespaces) Add(c stream.Chunk) {
	docs, _ := Parse(c)
	for _, doc := range docs {
		if doc.Kind != "Namespace" || doc.APIVersion != "v1" {
			continue
		}
		if n.labels == nil {
			n.labels = map[string]map[string]string{}
		}
		labels := map[string]string{corev1.LabelMetadataName: doc.Name()}
		n.labels[doc.Name()] = labels
		if metadata := doc.walker.field(doc.root, "metadata"); metadata != nil {
			if written := doc.walker.field(metadata, "labels"); written != nil {
				n.addLabels(doc, written, labels)
			}
		}
	}
}

func (n *Namespaces) addLabels(doc *Document, written *yaml.Node, labels map[string]string) {
	var values map[string]jsontext.Value
	text := jsonWriter{walker: doc.walker} // merge keys and all
	lenient := json.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if text.append(written) != nil || json.Unmarshal(text.out, &values, lenient) != nil {
		n.refuse(doc, doc.chunk.LineOf(written), "its labels are not keys and values: write them so")
		return
	}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		var value string
		if json.Unmarshal(values[key], &value, jsontext.AllowInvalidUTF8(true)) == nil { // also null, which is empty
			labels[key] = value
			continue
		}
		place, written := written, strict.Resolve(written)
		if k, v := doc.walker.pair(written, key, 0); k != nil {
			place, written = k, strict.Resolve(v)
		}
		text := "label " + key + " " + strict.Misfit(written, reflect.TypeFor[string]())
		n.refuse(doc, doc.chunk.LineOf(place), text)
	}
}

func (n *Namespaces) refuse(doc *Document, line int, text string) {
	if len(n.Refused) < maxRefused {
		n.Refused = append(n.Refused, Problem{File: doc.File, Line: line,
			Text: fmt.Sprintf("namespace %q: %s", doc.Name(), text)})
	}
}
