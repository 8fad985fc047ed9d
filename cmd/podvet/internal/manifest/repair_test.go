package manifest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/policy"
)

const everyFix = `
apiVersion: podvet.dev/v1alpha1
kind: Policy
profile: strict
rules:
  no-readiness-probe: {fix: true, params: {template: {portName: http, probe: {httpGet: {path: /ready, port: http}, periodSeconds: 5}}}}
  no-liveness-probe: {fix: true, params: {template: {portName: http, probe: {tcpSocket: {port: http}, failureThreshold: 6}}}}
  startup-budget-too-short: {fix: true}
`

func always(plan *rules.Plan) func(*rules.Subject) *rules.Plan {
	return func(*rules.Subject) *rules.Plan { return plan }
}

func plans(t testing.TB) map[string]*rules.Plan {
	t.Helper()
	every, err := policy.Load("test", []byte(everyFix), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return map[string]*rules.Plan{"default": policy.Default().Plan(), "every fix": every.Plan()}
}

// deployment is the object that the odd files write in their ways: three fixes apply to it.
const deployment = `apiVersion: apps/v1
kind: Deployment
metadata:
  name: "web"
  annotations:
    text: "größer – 你好"
spec:
  template:
    spec:
      containers:
      - name: app
        image: registry.example/app:1
        ports:
        - name: http
          containerPort: 8080
        livenessProbe:
          httpGet:
            path: /healthz
            port: http
        readinessProbe:
          exec:
            command: ["cat", "/tmp/healthy"]
          timeoutSeconds: 1
        lifecycle:
          preStop:
            exec: {command: [sleep, "25"]}
`

// oddFiles writes the deployment in many ways.
func oddFiles(t testing.TB) map[string]string {
	t.Helper()
	_, docs, _ := parseText(deployment)
	value := toJSON{effort: newEffort()}
	if err := value.append(docs[0].root); err != nil {
		t.Fatal(err)
	}
	var indented, tabbed bytes.Buffer
	if json.Indent(&indented, value.out, "", "    ") != nil || json.Indent(&tabbed, value.out, "", "\t") != nil {
		t.Fatal("no JSON")
	}
	deeper := strings.NewReplacer("\n      containers:\n      - name", "\n      containers:\n        - name", "\n        ", "\n          ").Replace(deployment)
	var commented strings.Builder
	for line := range strings.Lines(deployment) {
		indent := line[:len(line)-len(strings.TrimLeft(line, " -"))]
		commented.WriteString(strings.Repeat(" ", len(indent)) + "# about the next line\n" + strings.TrimRight(line, "\n") + "   # and this one\n")
	}
	ways := map[string]string{
		"block":             deployment,
		"lists indented":    deeper,
		"comments":          commented.String(),
		"JSON":              string(value.out),
		"JSON indented":     indented.String(),
		"JSON stream":       indented.String() + "\n" + strings.Replace(string(value.out), `"web"`, `"other"`, 1) + "\n",
		"JSON tabbed":       tabbed.String(),
		"flow":              string(bytes.ReplaceAll(value.out, []byte(`"apiVersion":`), []byte(`apiVersion: `))),
		"flow in block":     strings.Replace(deployment, "        livenessProbe:\n          httpGet:\n            path: /healthz\n            port: http\n", "        livenessProbe: { httpGet: { path: /healthz, port: http } }\n", 1),
		"quoted keys":       strings.NewReplacer("livenessProbe:", `"livenessProbe":`, "timeoutSeconds:", `'timeoutSeconds':`, "containers:", `"containers":`).Replace(deployment),
		"grace written":     strings.Replace(deployment, "      containers:", "      terminationGracePeriodSeconds: 30 # the default\n      containers:", 1),
		"grace quoted last": strings.Replace(deployment, "  template:\n    spec:\n", "  template:\n    spec:\n      terminationGracePeriodSeconds:   30\n\n\n", 1),
		"anchors":           strings.Replace(deployment, "        livenessProbe:\n          httpGet:\n            path", "        livenessProbe: &live\n          httpGet: &get\n            path", 1),
		"probe first":       strings.Replace(strings.Replace(deployment, "      - name: app\n", "      - livenessProbe: {httpGet: {path: /healthz, port: http}}\n        name: app\n", 1), "        livenessProbe:\n          httpGet:\n            path: /healthz\n            port: http\n", "", 1),
		"in a List":         "apiVersion: v1\nkind: List\nitems:\n- " + strings.ReplaceAll(strings.TrimSpace(deployment), "\n", "\n  ") + "\n",
		"among others":      "# first\n---\napiVersion: v1\nkind: Service\nmetadata: {name: s}\n---\n" + deployment + "---\n# Source: x.yaml\n---\n" + strings.Replace(deployment, `"web"`, "other", 1) + "...\n",
	}
	for name, text := range maps.Clone(ways) {
		ways[name+", CRLF"] = strings.ReplaceAll(text, "\n", "\r\n")
		ways[name+", no last line end"] = strings.TrimRight(text, "\n")
		ways[name+", BOM"] = "\xef\xbb\xbf" + text
		if !strings.HasPrefix(text, "{") {
			ways[name+", marked, CRLF"] = strings.ReplaceAll("---\n"+text, "\n", "\r\n")
		}
	}
	return ways
}

func parseText(text string) ([]Chunk, []*Document, []Problem) {
	var all []Chunk
	var docs []*Document
	var problems []Problem
	Split("test", strings.NewReader(text), func(chunk Chunk, err error) bool {
		if err != nil {
			problems = append(problems, AsProblem("test", err))
			return true
		}
		more, errs := Parse(chunk)
		all, docs, problems = append(all, chunk), append(docs, more...), append(problems, errs...)
		return true
	})
	return all, docs, problems
}

func fixed(text string, planFor func(*rules.Subject) *rules.Plan) ([]byte, []Repaired, []Problem) {
	edits, repaired, problems := Repair("test", strings.NewReader(text), planFor, func() {})
	return Splice([]byte(text), edits), repaired, problems
}

func TestRepairOddFiles(t *testing.T) {
	ways := oddFiles(t)
	if len(ways) < 60 {
		t.Fatalf("only %d ways", len(ways))
	}
	plan := plans(t)["default"]
	for name, text := range ways {
		t.Run(name, func(t *testing.T) {
			out, repaired, problems := fixed(text, always(plan))
			if len(problems) > 0 {
				t.Fatalf("%v", problems)
			}
			if strings.HasPrefix(name, "JSON stream") && len(repaired) != 2 {
				t.Errorf("repaired %v", repaired)
			}
			if len(repaired) == 0 || len(repaired[0].Fixed) != 3 {
				t.Fatalf("repaired %v in\n%s", repaired, out)
			}
			checkRepair(t, text, string(out), plan)
			// Every byte that no fix touches stays: without the two numbers that change, the old text is in the
			// new one, in order.
			numberless := strings.NewReplacer("timeoutSeconds: 1", "timeoutSeconds: ", "timeoutSeconds': 1", "timeoutSeconds': ", `"timeoutSeconds":1`, `"timeoutSeconds":`, `"timeoutSeconds": 1`, `"timeoutSeconds": `,
				"Seconds: 30", "Seconds: ", "Seconds:   30", "Seconds:   ")
			if !within(numberless.Replace(text), string(out)) {
				t.Errorf("bytes were lost:\n%s", cmp.Diff(text, string(out)))
			}
			if strings.Contains(name, "CRLF") && strings.Count(string(out), "\n") != strings.Count(string(out), "\r\n") {
				t.Errorf("mixed line ends: %q", out)
			}
		})
	}
}

// within tells whether all bytes of a stand in b, in order.
func within(a, b string) bool {
	for i := 0; i < len(b) && a != ""; i++ {
		if a[0] == b[i] {
			a = a[1:]
		}
	}
	return a == ""
}

// checkRepair reads both texts: each object must be what Vet makes of it, and nothing else may have changed.
func checkRepair(t *testing.T, before, after string, plan *rules.Plan) {
	t.Helper()
	_, was, _ := parseText(before)
	_, is, problems := parseText(after)
	if len(was) != len(is) {
		t.Fatalf("%d objects became %d: %v\n%s", len(was), len(is), problems, after)
	}
	for i := range was {
		if was[i].Object == nil {
			continue
		}
		if is[i].Object == nil {
			t.Fatalf("object %d cannot be read any more:\n%s", i, after)
		}
		rules.Default(was[i].Object)
		rules.Default(is[i].Object)
		subject, ok := rules.SubjectOf(was[i].Object)
		if !ok {
			continue
		}
		if len(rules.Invalid(was[i].Object)) == 0 {
			*subject.Spec = *rules.Vet(subject, plan).Spec
		}
		if !equality.Semantic.DeepEqual(was[i].Object, is[i].Object) {
			t.Errorf("(-what Vet makes +what was written):\n%s", cmp.Diff(was[i].Object, is[i].Object))
		}
	}
	if again, _, _ := fixed(after, always(plan)); string(again) != after {
		t.Errorf("a second time changes more:\n%s", cmp.Diff(after, string(again)))
	}
}

func TestRepairFixtures(t *testing.T) {
	files := 0
	for _, pattern := range []string{"../../../../rules/catalogue/*/*.yaml", "../../../../examples/*.yaml"} {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for name, plan := range plans(t) {
				out, _, problems := fixed(string(text), always(plan))
				if len(problems) > 0 {
					t.Errorf("%s: %v", path, problems)
				}
				t.Run(name+" "+path, func(t *testing.T) { checkRepair(t, string(text), string(out), plan) })
			}
			files++
		}
	}
	if files < 100 {
		t.Errorf("only %d files", files)
	}
}

// TestNotSafe: where a fix cannot be spliced in safely the line is named and the object left alone; others are repaired.
func TestNotSafe(t *testing.T) {
	pod := func(name, fields string) string {
		return fmt.Sprintf("apiVersion: v1\nkind: Pod\nmetadata: {name: %s}\nspec:\n  containers:\n  - name: app\n    image: i\n%s", name, fields)
	}
	for _, c := range []struct{ name, fields, want string }{
		{"alias", "    livenessProbe: &p\n      exec: {command: [x]}\n      failureThreshold: 30\n    readinessProbe: *p\n", ":11: Pod p is not fixed (exec-probe-short-timeout): readinessProbe is an alias: write it out"},
		{"merge key", "    readinessProbe: {<<: {exec: {command: [x]}, timeoutSeconds: 1}}\n", ":8: Pod p is not fixed (exec-probe-short-timeout): no key to put timeoutSeconds before: write it by hand"},
		{"template", "    readinessProbe: {exec: {command: [\"{{ .Values.x }}\"]}}\n", ":8: Pod p is not fixed (exec-probe-short-timeout): the line is a template's: render it first"},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := pod("p", c.fields) + "---\n" + pod("sound", "    readinessProbe: {exec: {command: [x]}}\n")
			out, repaired, problems := fixed(text, always(plans(t)["default"]))
			if len(problems) != 1 || !strings.HasSuffix(problems[0].Error(), c.want) {
				t.Errorf("%v", problems)
			}
			if len(repaired) != 1 || repaired[0].Name != "sound" {
				t.Errorf("repaired %v", repaired)
			}
			if !strings.HasPrefix(string(out), pod("p", c.fields)) {
				t.Errorf("it is not left alone:\n%s", out)
			}
		})
	}
}

// TestRepairALongList: a chunk is read again for all its objects at once; one by one this would take minutes.
func TestRepairALongList(t *testing.T) {
	const items = 2000
	var text strings.Builder
	text.WriteString("apiVersion: v1\nkind: List\nitems:\n")
	for i := range items {
		fmt.Fprintf(&text, "- apiVersion: v1\n  kind: Pod\n  metadata: {name: p%d}\n  spec: {containers: [{name: app, image: i, readinessProbe: {exec: {command: [x]}, timeoutSeconds: 1}}]}\n", i)
	}
	out, repaired, problems := fixed(text.String(), always(plans(t)["default"]))
	if len(repaired) != items || len(problems) > 0 || strings.Count(string(out), "timeoutSeconds: 5") != items {
		t.Errorf("%d repaired, %v", len(repaired), problems)
	}
}

// TestOddLineEnds: what ends a line only in YAML shifts no line that editors count.
func TestOddLineEnds(t *testing.T) {
	for _, odd := range []string{"", "\u0085", "\u2028", "\r"} {
		text := "apiVersion: v1\r\nkind: Pod\nmetadata: {name: p, annotations: {a: \"x" + odd + "y\"}}\nspec:\n  containers:\n  - name: app\n    image: i\n    readinessProbe:\n      exec: {command: [x]}\n"
		_, docs, problems := parseText(text)
		if len(docs) != 1 || len(problems) > 0 {
			t.Fatalf("%q: %v", odd, problems)
		}
		if line := docs[0].LineOf("spec.containers[0].readinessProbe.exec"); line != 9 {
			t.Errorf("%q: line %d, want 9", odd, line)
		}
		out, repaired, problems := fixed(text, always(plans(t)["default"]))
		if len(repaired) != 1 || len(problems) > 0 || !strings.Contains(string(out), "      timeoutSeconds: 5\n      exec") {
			t.Errorf("%q: %v %v\n%s", odd, repaired, problems, out)
		}
	}
}

func FuzzRepair(f *testing.F) {
	for _, text := range oddFiles(f) {
		f.Add(text)
	}
	all := plans(f)
	f.Fuzz(func(t *testing.T, text string) {
		for _, plan := range all {
			out, repaired, problems := fixed(text, always(plan))
			if len(repaired) == 0 && string(out) != text {
				t.Errorf("nothing repaired, but changed:\n%s", cmp.Diff(text, string(out)))
			}
			if len(problems) == 0 {
				checkRepair(t, text, string(out), plan)
			}
		}
	})
}

// FuzzParse: no text makes it panic, and every place is a line of the text.
func FuzzParse(f *testing.F) {
	for _, text := range oddFiles(f) {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		lines := 1
		for _, end := range []string{"\n", "\r", "\u0085", "\u2028", "\u2029"} { // all that end a line in YAML
			lines += strings.Count(text, end)
		}
		Split("test", strings.NewReader(text), func(c Chunk, _ error) bool {
			docs, problems := Parse(c)
			for _, d := range docs {
				if line := d.LineOf("spec.containers[0].livenessProbe"); line < 1 || line > lines+1 {
					t.Errorf("line %d of %d", line, lines)
				}
			}
			for _, p := range problems {
				if p.Line > lines+1 {
					t.Errorf("%v of %d lines", p, lines)
				}
			}
			return true
		})
	})
}
