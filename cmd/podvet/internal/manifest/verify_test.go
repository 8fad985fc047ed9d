package manifest

import (
	"strings"
	"testing"

	"github.com/podvet/podvet/cmd/podvet/internal/stream"
	"github.com/podvet/podvet/rules"
)

// TestVerify: a repair may be made where the new text says what it asks for, and all else that it said before.
func TestVerify(t *testing.T) {
	const text = `apiVersion: v1
kind: Pod
metadata: {name: a}
spec:
  containers:
  - name: app
    readinessProbe: &probe
      exec: {command: [x]}
  - name: other
    image: i
`
	timeout := rules.Operation{Op: "add", Path: "/spec/containers/0/readinessProbe/timeoutSeconds", Value: int32(5)}
	grace := rules.Operation{Op: "add", Path: "/spec/terminationGracePeriodSeconds", Value: int64(40)}
	const exec, containers = "      exec: {command: [x]}\n", "  containers:\n"
	for name, c := range map[string]struct {
		text, at, with string // with is put before at
		ops            []rules.Operation
		want           bool
	}{
		"as asked":      {text, exec, "      timeoutSeconds: 5\n", []rules.Operation{timeout}, true},
		"in braces":     {text, "command:", "timeoutSeconds: 5, ", []rules.Operation{timeout}, false},
		"another value": {text, exec, "      timeoutSeconds: 6\n", []rules.Operation{timeout}, false},
		"a text":        {text, exec, "      timeoutSeconds: \"5\"\n", []rules.Operation{timeout}, false},
		"a second field": {text, exec, "      timeoutSeconds: 5\n      periodSeconds: 5\n",
			[]rules.Operation{timeout}, false},
		"not both":       {text, exec, "      timeoutSeconds: 5\n", []rules.Operation{timeout, grace}, false},
		"of the pod":     {text, containers, "  terminationGracePeriodSeconds: 40\n", []rules.Operation{grace}, true},
		"another place":  {text, "metadata", "terminationGracePeriodSeconds: 40\n", []rules.Operation{grace}, false},
		"another object": {text, "metadata", "---\n", nil, false},
		"no YAML":        {text, "metadata", "{\n", nil, false},
		"a shared text": {text + "    livenessProbe: *probe\n", exec, "      timeoutSeconds: 5\n",
			[]rules.Operation{timeout}, false},
		"over a merge": {withMerge, containers, "  terminationGracePeriodSeconds: 40\n",
			[]rules.Operation{grace}, true},
		"under the merge": {withMerge, "}\nspec:", ", other: 1", []rules.Operation{grace}, false},
	} {
		t.Run(name, func(t *testing.T) {
			chunk := stream.Chunk{File: "f", Line: 1, Text: []byte(c.text)}
			docs, problems := Parse(chunk)
			if len(docs) != 1 || len(problems) > 0 {
				t.Fatal(problems)
			}
			r := repair{doc: docs[0], Change: Change{Operations: c.ops},
				edits: []Edit{{strings.Index(c.text, c.at), 0, c.with}}}
			if got := verify(chunk, mappings(objectsOf(chunk)), []repair{r}); got != c.want {
				t.Errorf("%t for\n%s", got, Splice(chunk.Text, r.edits))
			}
		})
	}
}

// withMerge is a pod whose grace period comes by a merge key.
const withMerge = `apiVersion: v1
kind: Pod
metadata: {name: a, annotations: {a: b}}
x-base: &base {terminationGracePeriodSeconds: 30}
spec:
  <<: *base
  containers:
  - {name: app, image: i}
`
