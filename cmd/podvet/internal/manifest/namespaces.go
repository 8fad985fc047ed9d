package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	corev1 "k8s.io/api/core/v1"
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

// ReadNamespaces looks through the input for namespaces before anything is judged, for one may come after its pods.
// What cannot be read is left for the second look to report. Standard input and pipes can be read only once: give Open
// what is returned instead, and close it. progress is told of each document.
func ReadNamespaces(args []string, stdin io.Reader, progress func()) (Namespaces, *ReadOnce, error) {
	again := &ReadOnce{kept: kept{source: stdin}, pipes: map[string]*kept{}}
	found := Namespaces{labels: map[string]map[string]string{}}
	Files(args, func(name string) bool {
		if name == Stdin {
			found.read(Name(name), again.tee(), progress)
			return true
		}
		file, err := os.Open(name)
		if err != nil {
			return true
		}
		defer func() { _ = file.Close() }() // it was only read
		if info, err := file.Stat(); err == nil && info.Mode().IsRegular() {
			found.read(name, file, progress)
			return true
		}
		again.pipes[name] = &kept{source: file}
		found.read(name, again.pipes[name].tee(), progress)
		return true
	}, func(Problem) {})
	return found, again, again.Rewind()
}

// ReadOnce is standard input, and the pipes that arguments name.
type ReadOnce struct {
	kept
	pipes map[string]*kept
}

// Rewind makes all of them start over.
func (r *ReadOnce) Rewind() error {
	err := r.rewind()
	for name, pipe := range r.pipes {
		if failed := pipe.rewind(); failed != nil {
			err = fmt.Errorf("%s: %w", name, failed)
		}
	}
	return err
}

// Close lets go of what was kept.
func (r *ReadOnce) Close() error {
	err := r.kept.Close()
	for _, pipe := range r.pipes {
		err = errors.Join(err, pipe.Close())
	}
	return err
}

func (n *Namespaces) read(file string, r io.Reader, progress func()) {
	Split(file, r, func(c Chunk, err error) bool {
		if err == nil && bytes.Contains(c.Text, []byte("Namespace")) {
			n.add(c)
		}
		progress()
		return true
	})
}

func (n *Namespaces) add(c Chunk) {
	docs, _ := Parse(c)
	for _, doc := range docs {
		if doc.Kind != "Namespace" || doc.APIVersion != "v1" {
			continue
		}
		labels := map[string]string{corev1.LabelMetadataName: doc.Name()}
		n.labels[doc.Name()] = labels
		metadata := doc.effort.field(doc.root, "metadata")
		if metadata == nil {
			continue
		}
		written := doc.effort.field(metadata, "labels")
		if written == nil {
			continue
		}
		var values map[string]jsontext.Value
		text := toJSON{effort: doc.effort} // merge keys and all
		if text.append(written) != nil || json.Unmarshal(text.out, &values, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)) != nil {
			n.refuse(doc, doc.chunk.line(written), "its labels cannot be read: write keys and values")
			continue
		}
		for _, key := range slices.Sorted(maps.Keys(values)) {
			var value string
			if json.Unmarshal(values[key], &value, jsontext.AllowInvalidUTF8(true)) == nil { // also null, which is empty
				labels[key] = value
				continue
			}
			// Such as off without quotes, which is false.
			line := doc.chunk.line(written)
			if k, _ := doc.effort.pair(written, key, 0); k != nil {
				line = doc.chunk.line(k)
			}
			n.refuse(doc, line, fmt.Sprintf("label %s is %s, which the API server refuses: write text, in quotes", key, kindWords[values[key].Kind()]))
		}
	}
}

func (n *Namespaces) refuse(doc *Document, line int, text string) {
	if len(n.Refused) < maxRefused {
		n.Refused = append(n.Refused, Problem{File: doc.File, Line: line, Text: fmt.Sprintf("namespace %q: %s", doc.Name(), text)})
	}
}

// kept is what can be read only once, kept to be read again: in a file that is gone once it is closed, or where there is no
// folder for one, as in a container without /tmp, in memory.
type kept struct {
	source io.Reader
	err    error // of reading it, for the second look to meet at the same place
	full   error // of keeping it
	file   *os.File
	text   []byte
	rest   bytes.Reader // of text
}

// tee reads the source and keeps what it reads.
func (k *kept) tee() io.Reader { return io.TeeReader(readerFunc(k.first), writerFunc(k.keep)) }

func (k *kept) first(p []byte) (int, error) {
	n, err := k.source.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		k.err = err
	}
	return n, err
}

func (k *kept) keep(p []byte) (int, error) {
	if k.file == nil && k.text == nil {
		if file, err := os.CreateTemp("", "podvet-*"); err == nil {
			k.file = file
			_ = os.Remove(file.Name()) // where a system keeps it, its cleaner will find it
		}
	}
	if k.file == nil {
		k.text = append(k.text, p...)
		return len(p), nil
	}
	n, err := k.file.Write(p)
	if err != nil {
		k.full = err
	}
	return n, err
}

func (k *kept) rewind() error {
	if k.full != nil {
		return fmt.Errorf("the input cannot be kept: %w: set TMPDIR to a folder with room, or name files", k.full)
	}
	k.rest.Reset(k.text)
	if k.file == nil {
		return nil
	}
	_, err := k.file.Seek(0, io.SeekStart)
	return err
}

func (k *kept) Read(p []byte) (int, error) {
	read := k.rest.Read
	if k.file != nil {
		read = k.file.Read
	}
	n, err := read(p)
	if errors.Is(err, io.EOF) && k.err != nil {
		err = k.err
	}
	return n, err
}

func (k *kept) Close() error {
	if k.file == nil {
		return nil
	}
	return k.file.Close()
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
