package live

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/podvet/podvet/cmd/podvet/internal/stream"
	"github.com/podvet/podvet/rules/pod"
)

// ReadFile adds what a file holds, see Read; - is standard input.
func ReadFile(name string, stdin io.Reader, into *Objects, problem func(stream.Problem)) {
	if name == "-" {
		Read("standard input", stdin, into, problem)
		return
	}
	file, err := os.Open(name)
	if err != nil {
		problem(stream.Unreadable(name, 0, err))
		return
	}
	defer func() { _ = file.Close() }() // it was only read
	Read(name, file, into, problem)
}

// ReadFiles reads files, see ReadFile, and keeps what has one of the names and is in the namespace, where these are
// given. It is a problem if nothing is left, and if a pod was made after the time as of which it is looked at.
func ReadFiles(files []string, stdin io.Reader, names []Named, namespace string, at time.Time,
	problem func(stream.Problem),
) *Objects {
	found := &Objects{}
	all, failed := readAll(files, stdin, problem)
	bad := func(format string, args ...any) {
		problem(stream.Problem{File: files[0], Text: fmt.Sprintf(format, args...)})
	}
	wanted := func(o metav1.Object, is func(Named) bool) bool {
		return (namespace == "" || o.GetNamespace() == namespace) && (names == nil || slices.ContainsFunc(names, is))
	}
	seen := map[types.UID]bool{}
	for _, p := range all.Pods {
		if !wanted(p, func(n Named) bool { return n.Owns(p) }) || p.UID != "" && seen[p.UID] {
			continue
		}
		seen[p.UID] = true
		found.Pods = append(found.Pods, p)
		if p.CreationTimestamp.After(at) {
			bad("pod %q was made after %s: write a later --at", p.Name, at.UTC().Format(time.RFC3339))
		}
	}
	for _, w := range all.Workloads {
		s, _ := pod.SubjectOf(w)
		if wanted(w, func(n Named) bool { return s != nil && n == Named{s.Kind, w.GetName()} }) {
			found.Workloads = append(found.Workloads, w)
		}
	}
	found.Events = all.Events
	if !failed && len(found.Pods)+len(found.Workloads) == 0 {
		bad("holds no pod that is asked for: write what kubectl get pod -o json prints")
	}
	return found
}

// readAll reads files, and tells whether there was a problem.
func readAll(files []string, stdin io.Reader, problem func(stream.Problem)) (all Objects, failed bool) {
	for _, file := range files {
		ReadFile(file, stdin, &all, func(p stream.Problem) { failed = true; problem(p) })
	}
	return all, failed
}

// Read adds what a text holds, JSON or YAML: pods, events, workloads and lists of them. Objects of other kinds are left
// out. Each problem names its place.
func Read(name string, r io.Reader, into *Objects, problem func(stream.Problem)) {
	stream.Split(name, r, func(c stream.Chunk) {
		text := c.Text
		if !c.JSON {
			var err error
			if text, err = yaml.YAMLToJSON(text); err != nil {
				problem(stream.Problem{File: c.File, Line: c.Line, Text: "is not YAML: " + notYAML})
				return
			}
		}
		if err := into.add(text, c.Listed); err != nil {
			problem(stream.Problem{File: c.File, Line: c.Line, Text: err.Error()})
		}
	}, problem)
}

const notYAML = "write what kubectl get -o json prints"

// add adds an object, or those of a list.
func (o *Objects) add(text []byte, listed stream.Listed) error {
	var about struct {
		metav1.TypeMeta
		Items []json.RawMessage `json:"items"`
	}
	if err := json.Unmarshal(text, &about); err != nil {
		return fmt.Errorf("is not a Kubernetes object: %s", notYAML)
	}
	if about.Items != nil {
		for _, item := range about.Items {
			if err := o.add(item, stream.ItemsOf(about.APIVersion, about.Kind)); err != nil {
				return err
			}
		}
		return nil
	}
	if about.Kind == "" {
		about.APIVersion, about.Kind = listed.APIVersion, listed.Kind
	}
	var err error
	switch about.Kind {
	case "":
		return fmt.Errorf("is not a Kubernetes object: %s", notYAML)
	case "Pod":
		p := &corev1.Pod{}
		o.Pods, err = read(text, o.Pods, p)
		p.ManagedFields = nil // half of it
	case "Event":
		if about.APIVersion == eventsV1 {
			text, err = asCoreEvent(text)
		}
		if err == nil {
			o.Events, err = read(text, o.Events, &corev1.Event{})
		}
	default:
		if workload := pod.NewObject(about.APIVersion, about.Kind); workload != nil {
			o.Workloads, err = read(text, o.Workloads, workload)
		}
	}
	if err != nil {
		return fmt.Errorf("is not a valid %s: %s", about.Kind, notYAML)
	}
	return nil
}

// read adds an object to its list if it can be read.
func read[T any](text []byte, list []T, one T) ([]T, error) {
	if err := json.Unmarshal(text, one); err != nil {
		return list, err
	}
	return append(list, one), nil
}

// eventsV1 has other names for some of an event's fields; both are views of one object in the API server.
const eventsV1 = "events.k8s.io/v1"

func asCoreEvent(text []byte) ([]byte, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil {
		return nil, err
	}
	for newer, older := range map[string]string{
		"regarding": "involvedObject", "note": "message", "deprecatedFirstTimestamp": "firstTimestamp",
		"deprecatedLastTimestamp": "lastTimestamp", "deprecatedCount": "count",
	} {
		if value, written := fields[newer]; written {
			fields[older] = value
		}
	}
	return json.Marshal(fields)
}
