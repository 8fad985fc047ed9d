package vet

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/podvet/podvet/cmd/podvet/internal/manifest"
	"github.com/podvet/podvet/cmd/podvet/internal/report"
	"github.com/podvet/podvet/cmd/podvet/internal/stream"
	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/catalogue"
	"github.com/podvet/podvet/rules/pod"
	"github.com/podvet/podvet/rules/policy"
)

// strictPolicy is the profile strict, in which the rule denies.
func strictPolicy() *policy.Policy { return policy.Default(catalogue.All).WithProfile(rules.Strict) }

// unknownIn are the findings about unknown keys in a text, object by object.
func unknownIn(t *testing.T, p *policy.Policy, text string) (found []report.Finding) {
	t.Helper()
	read := func(to Input) { to.Text(Text{Name: "test", Reader: strings.NewReader(text)}) }
	judged := Judge{Policy: p}.All(read, func() {}, nil)
	for s := range judged.Subjects {
		for _, f := range s.Findings {
			if f.Rule == catalogue.UnknownField.ID {
				found = append(found, f)
			}
		}
	}
	return found
}

// TestUnknownFieldFixtures: each bad file has the findings in its comments, good ones and look-alikes have none.
func TestUnknownFieldFixtures(t *testing.T) {
	files, err := filepath.Glob("../../../../rules/catalogue/unknown-field/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	want := regexp.MustCompile(`(?m)^# want: (.*)$`)
	bad, alike := 0, 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if invalid := problems(judged(strings.NewReader(string(text)), func() {})); invalid != "" {
			t.Error(invalid)
		}
		var wants, got []string
		for _, match := range want.FindAllStringSubmatch(string(text), -1) {
			wants = append(wants, match[1])
		}
		for _, f := range unknownIn(t, strictPolicy(), string(text)) {
			got = append(got, f.Message)
			readable(t, f)
			if line := strings.Split(string(text), "\n")[f.Line-1]; !strings.Contains(line, keyOf(f)+":") {
				t.Errorf("%s:%d: %s is not in %q", file, f.Line, keyOf(f), line)
			}
		}
		if diff := cmp.Diff(wants, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
		switch name := filepath.Base(file); {
		case strings.HasPrefix(name, "bad"):
			bad++
			good := strings.Replace(file, "/bad", "/good", 1)
			if _, err := os.Stat(good); err != nil || len(wants) == 0 {
				t.Errorf("%s finds %d: %v", file, len(wants), err)
			}
		case strings.HasPrefix(name, "look-alike"):
			alike++
		}
	}
	if bad < 3 || alike < 3 {
		t.Errorf("%d bad files and %d look-alikes", bad, alike)
	}
}

// readable holds a message against what every rule's messages are held against.
func readable(t *testing.T, f report.Finding) {
	t.Helper()
	if n := utf8.RuneCountInString(f.Message); n > rules.MaxLine || strings.Contains(f.Message, "…") {
		t.Errorf("%d characters: %s", n, f.Message)
	}
	if !strings.HasSuffix(f.Message, ". [unknown-field]") || strings.Count(f.Message, ". ") < 2 {
		t.Errorf("write a sentence with what will happen and one with what to write: %s", f.Message)
	}
}

// keyOf is the key that a finding is about.
func keyOf(f report.Finding) string {
	path := strings.TrimSuffix(f.Path, "]")
	if path != f.Path {
		return path[strings.LastIndexByte(path, '[')+1:]
	}
	return path[strings.LastIndexByte(path, '.')+1:]
}

// inPod is a pod with these fields in its only container, and then what else there is.
func inPod(fields string) string {
	return "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n" +
		"  containers:\n  - name: app\n    image: i\n" + fields
}

// TestUnknownFields: where a key is found however the object is written, and what is advised. A want is the line, the
// path, and a part of the message.
func TestUnknownFields(t *testing.T) {
	const at = "spec.containers[0]"
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"51: timing below httpGet": {inPod("    livenessProbe:\n      httpGet: {port: 80, initialDelaySeconds: 5}\n"),
			[]string{"9 " + at + ".livenessProbe.httpGet.initialDelaySeconds one level up, into livenessProbe."}},
		"51: misspelt": {inPod("    livenesProbe: {httpGet: {port: 80}}\n"),
			[]string{"8 " + at + ".livenesProbe Write livenessProbe."}},
		"letter case": {inPod("    livenessprobe: {httpGet: {port: 80}}\n    Image: j\n"), []string{
			"8 " + at + ".livenessprobe Write livenessProbe.", "9 " + at + ".Image because image is there, too."}},
		"one level down": {inPod("    readinessProbe: {path: /, httpGet: {port: 80}}\n"),
			[]string{"8 " + at + ".readinessProbe.path Move it one level down, into httpGet."}},
		"one of several": {inPod("  - {name: b, image: i}\n  livenessProbe: {exec: {command: [a]}}\n"),
			[]string{"9 spec.livenessProbe into an entry of containers."}},
		"misspelt on the wrong level": {inPod("    livenessProbe:\n      tcpSocket: {port: 80, periodSecond: 5}\n"),
			[]string{"9 " + at + ".livenessProbe.tcpSocket.periodSecond into livenessProbe, and write periodSeconds."}},
		"without a value": {inPod("    livenesProbe:\n"), []string{"8 " + at + ".livenesProbe Write livenessProbe."}},
		"a key twice": {inPod("    livenesProbe: 1\n    livenesProbe: 2\n"),
			[]string{"9 " + at + ".livenesProbe Write"}},
		"the last one counts": {inPod("    securityContext: {a1: 1}\n    securityContext: {b1: 1}\n"),
			[]string{"9 " + at + ".securityContext.b1 securityContext has no field b1, "}},
		"in a list of lists of no fields": {inPod("    args: [[livenesProbe]]\n"), nil}, // it cannot be read
		"an ephemeral container": {inPod("  ephemeralContainers: [{name: e, image: i, comand: [sh]}]\n"),
			[]string{"8 spec.ephemeralContainers[0].comand spec.ephemeralContainers[0] has no field comand, "}},
		"a key with dots": {inPod("    a.b/c: 1\n    e]f: 1\n    \"\": 1\n"), []string{
			"6 " + at + "[e]f] no field e]f, ", "8 " + at + "[a.b/c] no field a.b/c, ",
			"10 " + at + `[] no field "", `}},
		"a merge key": {inPod("    env:\n    - &e {name: a, valu: b}\n    - {<<: *e, name: c, value: d}\n"), []string{
			"9 " + at + ".env[0].valu Write value.", "9 " + at + ".env[1].valu because value is there, too."}},
		"merge keys in a list": {
			inPod("    env: [&a {name: a, x1: 1}, &b {name: b, y1: 1, x1: 2}, {<<: [*a, *b]}]\n"),
			[]string{"8 " + at + ".env[0].x1 ", "8 " + at + ".env[1].y1 ", "8 " + at + ".env[1].x1 ",
				"8 " + at + ".env[2].x1 ", "8 " + at + ".env[2].y1 "}},
		"an alias": {inPod("    livenessProbe: &p {tcpSocket: {port: 80}, period: 5}\n    readinessProbe: *p\n"),
			[]string{"8 " + at + ".livenessProbe.period no field period, ", "8 " + at + ".readinessProbe.period no "}},
		"json": {"{\"apiVersion\": \"v1\",\n\"kind\": \"Pod\", \"spec\": {\"containers\": [\n" +
			"{\"name\": \"app\", \"image\": \"i\",\n\"livenesProbe\": {}}]}}",
			[]string{"4 " + at + ".livenesProbe Write livenessProbe."}},
		"items": {"apiVersion: v1\nkind: List\nitms: 1\nitems:\n- apiVersion: v1\n  kind: Pod\n" +
			"  metadata: {nam: a}\n  spec: {containers: [{name: app, image: i}]}\n",
			[]string{"7 metadata.nam Write name."}},
		"items of a typed list": {"apiVersion: v1\nkind: PodList\nitems:\n" +
			"- spec: {containers: [{name: app, image: i}], host: a}\n", []string{"4 spec.host "}},
	} {
		var got []string
		for _, f := range unknownIn(t, strictPolicy(), c.text) {
			got = append(got, fmt.Sprintf("%d %s %s", f.Line, f.Path, f.Message))
		}
		matches := slices.EqualFunc(got, c.want, func(got, want string) bool {
			line, rest, _ := strings.Cut(want, " ")
			path, part, _ := strings.Cut(rest, " ")
			return strings.HasPrefix(got, line+" "+path+" ") && strings.Contains(got, part)
		})
		if !matches {
			t.Errorf("%s:\n%s", name, cmp.Diff(c.want, got))
		}
	}
}

// TestUnknownFieldsAreBounded: however many there are the report is short, and soon there.
func TestUnknownFieldsAreBounded(t *testing.T) {
	var keys strings.Builder
	for i := range 50_000 {
		fmt.Fprintf(&keys, "    initialDelay%d: 1\n", i)
	}
	first := func(n int) string { return strings.Join(strings.SplitAfter(keys.String(), "\n")[:n], "") }
	long := `{"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"name": "a"}], "` +
		strings.Repeat("initialDelaySeconds", 100_000) + `": 1}}`
	aliased := "    volumeMounts:\n    - &a {x1: 1, y1: 1}\n" + strings.Repeat("    - *a\n", 30_000)
	for name, c := range map[string]struct {
		text     string
		findings int
		last     string
	}{
		"many":       {inPod(keys.String()), 21, "this key, too, and 49979 after it. Correct those"},
		"one more":   {inPod(first(21)), 21, "no field initialDelay20,"},
		"just 20":    {inPod(first(20)), 20, "no field initialDelay19,"},
		"by aliases": {inPod(aliased), 21, "this key, too, and 59981 after it."},
		"long":       {long, 1, "no field initialDelaySecondsinitialDelaySecondsinitialDelaySecondsin…,"},
	} {
		start := time.Now()
		found := unknownIn(t, strictPolicy(), c.text)
		if len(found) != c.findings || !strings.Contains(found[len(found)-1].Message, c.last) {
			t.Errorf("%s: %d findings, the last: %+v", name, len(found), found[max(0, len(found)-1):])
		}
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("%s: %s", name, took)
		}
	}
}

// TestUnknownFieldByPolicy: the rule follows the policy as any other, and is off where Kubernetes may know more.
func TestUnknownFieldByPolicy(t *testing.T) {
	load := func(keys string) *policy.Policy {
		text := "apiVersion: podvet.dev/v1alpha1\nkind: Policy\n" + keys
		p, err := policy.Load(catalogue.All, "p.yaml", []byte(text), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	const exempt = `exemptions: [{match: {%s}, rules: [unknown-field], reason: a test, expires: 2999-01-01}]`
	own, newer := pod.Kubelets{From: 30, To: pod.Newest}, pod.Kubelets{From: pod.Newest, To: pod.Newest + 1}
	const text = "    livenesProbe: {}\n  hostname: a\n  hostnames: b\n"
	for name, c := range map[string]struct {
		policy *policy.Policy
		text   string
		want   string
	}{
		"minimal":       {load("profile: minimal"), inPod(text), "warn app, warn"},
		"recommended":   {load(""), inPod(text), "warn app, warn"},
		"strict":        {load("profile: strict"), inPod(text), "deny app, deny"},
		"by a level":    {load("rules: {unknown-field: {level: deny}}"), inPod(text), "deny app, deny"},
		"off":           {load("rules: {unknown-field: {level: off}}"), inPod(text), ""},
		"mode warn":     {load("profile: strict\nmode: warn"), inPod(text), "warn app, warn"},
		"mode off":      {load("mode: off"), inPod(text), ""},
		"injected":      {load("injectedContainers: [app]"), inPod(text), "audit app, warn"},
		"exempt":        {load(fmt.Sprintf(exempt, "kinds: [Pod]")), inPod(text), "audit app, audit"},
		"a container":   {load(fmt.Sprintf(exempt, "containers: [app]")), inPod(text), "audit app, warn"},
		"a mirror pod":  {load(""), strings.Replace(inPod(text), "{name: p}", mirror, 1), ""},
		"the same":      {load("").WithKubernetes(own), inPod(text), "warn app, warn"},
		"newer":         {load("").WithKubernetes(newer), inPod(text), ""},
		"newer, asked":  {load("kubernetes: \"1.38\"\nrules: {unknown-field: {level: deny}}"), inPod(text), ""},
		"newer, scoped": {load("scopes: [{name: new, kubernetes: \"1.40\"}]"), inPod(text), ""},
	} {
		var got []string
		for _, f := range unknownIn(t, c.policy, c.text) {
			got = append(got, strings.TrimSpace(f.Level.String()+" "+f.Container))
		}
		if strings.Join(got, ", ") != c.want {
			t.Errorf("%s: %s, want %s", name, strings.Join(got, ", "), c.want)
		}
	}
}

const mirror = "{name: p, annotations: {kubernetes.io/config.mirror: x}}"

// TestUnknownFieldsChangeNoFix: what is fixed is the same with unknown keys and without, and no fix repairs them.
func TestUnknownFieldsChangeNoFix(t *testing.T) {
	const probe = "    readinessProbe: {httpGet: {path: /ready, port: 80}}\n" +
		"    livenessProbe: {httpGet: {port: 80}%s}\n    ports: [{containerPort: 80%s}]\n"
	change := func(text string) manifest.Change {
		docs, problems := documents(text)
		if len(docs) != 1 || problems != nil {
			t.Fatalf("%d documents, %v", len(docs), problems)
		}
		changes := Changes{Judge: Judge{Policy: policy.Default(catalogue.All)}}
		change, problem := changes.Of(docs[0])
		if problem != nil {
			t.Fatal(problem)
		}
		return change
	}
	want := change(inPod(fmt.Sprintf(probe, "", "")))
	got := change(inPod(fmt.Sprintf(probe, ", perod: 1", ", livenessProbe: {}")))
	if len(want.Operations) == 0 || !cmp.Equal(want.Operations, got.Operations) || len(got.Fixed) != len(want.Fixed) {
		t.Errorf("with unknown keys: %+v, without: %+v", got, want)
	}
	for _, f := range unknownIn(t, strictPolicy(), inPod(fmt.Sprintf(probe, ", perod: 1", ""))) {
		if f.Fixable {
			t.Errorf("%+v", f)
		}
	}
}

func documents(text string) (docs []*manifest.Document, problems []manifest.Problem) {
	stream.Split("test", strings.NewReader(text), func(c stream.Chunk) {
		more, bad := manifest.Parse(c)
		docs, problems = append(docs, more...), append(problems, bad...)
	}, func(p manifest.Problem) { problems = append(problems, p) })
	return docs, problems
}
