package manifest_test

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
	sigsyaml "sigs.k8s.io/yaml"

	"github.com/podvet/podvet/cmd/podvet/internal/manifest"
	"github.com/podvet/podvet/cmd/podvet/internal/stream"
	"github.com/podvet/podvet/cmd/podvet/internal/vet"
	"github.com/podvet/podvet/rules/catalogue"
	"github.com/podvet/podvet/rules/pod"
	"github.com/podvet/podvet/rules/policy"
)

const everyFix = `
apiVersion: podvet.dev/v1alpha1
kind: Policy
profile: strict
rules:
  no-readiness-probe:
    fix: true
    params: {template: {portName: http, probe: {httpGet: {path: /ready, port: http}, periodSeconds: 5}}}
  no-liveness-probe:
    fix: true
    params: {template: {portName: http, probe: {tcpSocket: {port: http}, failureThreshold: 6}}}
  startup-budget-too-short: {fix: true}
`

func judges(t testing.TB) map[string]vet.Judge {
	t.Helper()
	every, err := policy.Load(catalogue.All, "test", []byte(everyFix), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return map[string]vet.Judge{"default": {Policy: policy.Default(catalogue.All)}, "every fix": {Policy: every}}
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
	ways := oddYAML()
	maps.Copy(ways, asJSON(t))
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

// asJSON writes the deployment in the ways of JSON, and of YAML in braces.
func asJSON(t testing.TB) map[string]string {
	t.Helper()
	text, err := sigsyaml.YAMLToJSON([]byte(deployment))
	if err != nil {
		t.Fatal(err)
	}
	var indented, tabbed bytes.Buffer
	if json.Indent(&indented, text, "", "    ") != nil || json.Indent(&tabbed, text, "", "\t") != nil {
		t.Fatal("no JSON")
	}
	other := strings.Replace(string(text), `"web"`, `"other"`, 1)
	return map[string]string{
		"JSON":          string(text),
		"JSON indented": indented.String(),
		"JSON stream":   indented.String() + "\n" + other + "\n",
		"JSON tabbed":   tabbed.String(),
		"flow":          strings.ReplaceAll(string(text), `"apiVersion":`, `apiVersion: `),
	}
}

func oddYAML() map[string]string {
	instead := func(pairs ...string) string { return strings.NewReplacer(pairs...).Replace(deployment) }
	const (
		spec       = "  template:\n    spec:\n"
		containers = "      containers:\n"
		name       = "      - name: app\n"
		liveness   = "        livenessProbe:\n"
		get        = "          httpGet:\n            path: /healthz\n            port: http\n"
		inBraces   = "{httpGet: {path: /healthz, port: http}}\n"
		service    = "apiVersion: v1\nkind: Service\nmetadata: {name: s}\n"
	)
	var commented strings.Builder
	for line := range strings.Lines(deployment) {
		indent := line[:len(line)-len(strings.TrimLeft(line, " -"))]
		commented.WriteString(strings.Repeat(" ", len(indent)) + "# about the next line\n")
		commented.WriteString(strings.TrimRight(line, "\n") + "   # and this one\n")
	}
	return map[string]string{
		"block": deployment,
		"lists indented": instead("\n"+containers+"      - name", "\n"+containers+"        - name",
			"\n        ", "\n          "),
		"comments":      commented.String(),
		"flow in block": instead(liveness+get, "        livenessProbe: { httpGet: { path: /healthz, port: http } }\n"),
		"quoted keys": instead("livenessProbe:", `"livenessProbe":`, "timeoutSeconds:", `'timeoutSeconds':`,
			"containers:", `"containers":`),
		"grace written":     instead(containers, "      terminationGracePeriodSeconds: 30 # the default\n"+containers),
		"grace quoted last": instead(spec, spec+"      terminationGracePeriodSeconds:   30\n\n\n"),
		"anchors": instead(liveness+"          httpGet:\n            path",
			"        livenessProbe: &live\n          httpGet: &get\n            path"),
		"probe first": instead(name, "      - livenessProbe: "+inBraces+"        name: app\n", liveness+get, ""),
		"in a List": "apiVersion: v1\nkind: List\nitems:\n- " +
			strings.ReplaceAll(strings.TrimSpace(deployment), "\n", "\n  ") + "\n",
		"among others": "# first\n---\n" + service + "---\n" + deployment + "---\n# Source: x.yaml\n---\n" +
			instead(`"web"`, "other") + "...\n",
	}
}

func parseText(text string) ([]*manifest.Document, []manifest.Problem) {
	var docs []*manifest.Document
	var problems []manifest.Problem
	stream.Split("test", strings.NewReader(text), func(chunk stream.Chunk) {
		more, errs := manifest.Parse(chunk)
		docs, problems = append(docs, more...), append(problems, errs...)
	}, func(p manifest.Problem) { problems = append(problems, p) })
	return docs, problems
}

func fixed(text string, judge vet.Judge) ([]byte, []manifest.Repaired, []manifest.Problem) {
	changes := vet.Changes{Judge: judge}
	var all manifest.Repairs
	stream.Split("test", strings.NewReader(text), func(chunk stream.Chunk) {
		all.Add(manifest.Repair(chunk, changes.Of))
	}, func(p manifest.Problem) { all.Problems = append(all.Problems, p) })
	return manifest.Splice([]byte(text), all.Edits), all.Repaired, all.Problems
}

func TestRepairOddFiles(t *testing.T) {
	ways := oddFiles(t)
	if len(ways) < 60 {
		t.Fatalf("only %d ways", len(ways))
	}
	judge := judges(t)["default"]
	for name, text := range ways {
		t.Run(name, func(t *testing.T) {
			out, repaired, problems := fixed(text, judge)
			if len(problems) > 0 {
				t.Fatalf("%v", problems)
			}
			if strings.HasPrefix(name, "JSON stream") && len(repaired) != 2 {
				t.Errorf("repaired %v", repaired)
			}
			if len(repaired) == 0 || len(repaired[0].Fixed) != 3 {
				t.Fatalf("repaired %v in\n%s", repaired, out)
			}
			checkRepair(t, text, string(out), judge)
			// Every byte that no fix touches stays: without the two numbers that change, the old text is in the
			// new one, in order.
			numberless := strings.NewReplacer("timeoutSeconds: 1", "timeoutSeconds: ",
				"timeoutSeconds': 1", "timeoutSeconds': ",
				`"timeoutSeconds":1`, `"timeoutSeconds":`, `"timeoutSeconds": 1`, `"timeoutSeconds": `,
				"Seconds: 30", "Seconds: ", "Seconds:   30", "Seconds:   ")
			if !within(numberless.Replace(text), string(out)) {
				t.Errorf("bytes were lost:\n%s", cmp.Diff(text, string(out)))
			}
			ends, crlf := strings.Count(string(out), "\n"), strings.Count(string(out), "\r\n")
			if strings.Contains(name, "CRLF") && ends != crlf {
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
func checkRepair(t *testing.T, before, after string, judge vet.Judge) {
	t.Helper()
	was, _ := parseText(before)
	is, problems := parseText(after)
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
		pod.Default(is[i].Object)
		verdicts := judge.Of(was[i])
		if len(verdicts) == 0 {
			continue
		}
		if v := verdicts[0]; len(v.Invalid) == 0 {
			*v.Subject.Spec = *v.Repair.Subject.Spec
		}
		if !equality.Semantic.DeepEqual(was[i].Object, is[i].Object) {
			t.Errorf("(-what Vet makes +what was written):\n%s", cmp.Diff(was[i].Object, is[i].Object))
		}
	}
	if again, _, _ := fixed(after, judge); string(again) != after {
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
			for name, judge := range judges(t) {
				out, _, problems := fixed(string(text), judge)
				if len(problems) > 0 {
					t.Errorf("%s: %v", path, problems)
				}
				t.Run(name+" "+path, func(t *testing.T) { checkRepair(t, string(text), string(out), judge) })
			}
			files++
		}
	}
	if files < 100 {
		t.Errorf("only %d files", files)
	}
}

// TestNotSafe: where a fix cannot be spliced in safely the line is named and the object left alone; others are
// repaired.
func TestNotSafe(t *testing.T) {
	pod := func(name, fields string) string {
		return fmt.Sprintf("apiVersion: v1\nkind: Pod\nmetadata: {name: %s}\n"+
			"spec:\n  containers:\n  - name: app\n    image: i\n%s", name, fields)
	}
	const left = "Pod p is not fixed (exec-probe-short-timeout): "
	for _, c := range []struct{ name, fields, want string }{
		{"alias", `    livenessProbe: &p
      exec: {command: [x]}
      failureThreshold: 30
    readinessProbe: *p
`, ":11: " + left + "readinessProbe is the alias *p of line 8: write it out"},
		{"merge key", "    readinessProbe: {<<: {exec: {command: [x]}, timeoutSeconds: 1}}\n",
			":8: " + left + "there is no key to put timeoutSeconds beside: write it by hand"},
		{"template", "    readinessProbe: {exec: {command: [x, \"{{ .Values.x }}\"]}}\n",
			":8: " + left + "this line holds {{ }}: a template has to be rendered first"},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := pod("p", c.fields) + "---\n" + pod("sound", "    readinessProbe: {exec: {command: [x]}}\n")
			out, repaired, problems := fixed(text, judges(t)["default"])
			if len(problems) != 1 || !strings.HasSuffix(problems[0].Error(), c.want) {
				t.Errorf("%v", problems)
			}
			if len(repaired) != 1 || repaired[0].Title != "Pod sound" {
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
		fmt.Fprintf(&text, "- apiVersion: v1\n  kind: Pod\n  metadata: {name: p%d}\n"+
			"  spec: {containers: [{name: app, image: i, "+
			"readinessProbe: {exec: {command: [x]}, timeoutSeconds: 1}}]}\n", i)
	}
	out, repaired, problems := fixed(text.String(), judges(t)["default"])
	if len(repaired) != items || len(problems) > 0 || strings.Count(string(out), "timeoutSeconds: 5") != items {
		t.Errorf("%d repaired, %v", len(repaired), problems)
	}
}

// TestRepairWritesInTheStyleThatIsRead: what starts like JSON and is none is YAML, for check and for fix.
func TestRepairWritesInTheStyleThatIsRead(t *testing.T) {
	const (
		spec = `"spec": {"containers": [
  {"name": "app", "image": "i", "readinessProbe": {"exec": {"command": ["x"]}}}]}}`
		pod  = `{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, ` + spec
		flow = `{"apiVersion": v1, "kind": "Pod", "metadata": {"name": "p"}, ` + spec
	)
	remark := strings.Repeat("# a remark\n", 10_000)
	judge := judges(t)["default"]
	for _, c := range []struct{ name, text, want string }{
		{"JSON", pod, `{"timeoutSeconds": 5, "exec"`},
		{"JSON, then YAML", pod + "\n---\n" + remark + "apiVersion: v1\nkind: Other\n", `{"timeoutSeconds": 5, "exec"`},
		{"flow style", flow + "\n" + remark, `{timeoutSeconds: 5, "exec"`},
		{"JSON with a remark", pod + " # one\n" + remark, `{timeoutSeconds: 5, "exec"`},
	} {
		out, repaired, problems := fixed(c.text, judge)
		if len(repaired) != 1 || len(problems) > 0 || !strings.Contains(string(out), c.want) {
			t.Errorf("%s: %v %v\n%.300s", c.name, repaired, problems, out)
		}
		again, repaired, problems := fixed(string(out), judge)
		if len(repaired)+len(problems) > 0 || string(again) != string(out) {
			t.Errorf("%s, again: %v %v", c.name, repaired, problems)
		}
	}
}

// TestOddLineEnds: what ends a line only in YAML shifts no line that editors count.
func TestOddLineEnds(t *testing.T) {
	for _, odd := range []string{"", "\u0085", "\u2028", "\r"} {
		text := "apiVersion: v1\r\nkind: Pod\nmetadata: {name: p, annotations: {a: \"x" + odd + "y\"}}\n" +
			"spec:\n  containers:\n  - name: app\n    image: i\n    readinessProbe:\n      exec: {command: [x]}\n"
		docs, problems := parseText(text)
		if len(docs) != 1 || len(problems) > 0 {
			t.Fatalf("%q: %v", odd, problems)
		}
		if line := docs[0].LineOf("spec.containers[0].readinessProbe.exec"); line != 9 {
			t.Errorf("%q: line %d, want 9", odd, line)
		}
		out, repaired, problems := fixed(text, judges(t)["default"])
		const want = "      timeoutSeconds: 5\n      exec"
		if len(repaired) != 1 || len(problems) > 0 || !strings.Contains(string(out), want) {
			t.Errorf("%q: %v %v\n%s", odd, repaired, problems, out)
		}
	}
}

func FuzzRepair(f *testing.F) {
	for _, text := range oddFiles(f) {
		f.Add(text)
	}
	all := judges(f)
	f.Fuzz(func(t *testing.T, text string) {
		for _, judge := range all {
			out, repaired, problems := fixed(text, judge)
			if len(repaired) == 0 && string(out) != text {
				t.Errorf("nothing repaired, but changed:\n%s", cmp.Diff(text, string(out)))
			}
			if len(problems) == 0 {
				checkRepair(t, text, string(out), judge)
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
		docs, problems := parseText(text)
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
	})
}
