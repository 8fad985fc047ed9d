package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
	appsv1 "k8s.io/api/apps/v1"
	sigsyaml "sigs.k8s.io/yaml"

	"github.com/podvet/podvet/cmd/podvet/internal/preview"
	"github.com/podvet/podvet/rules/catalogue"
	"github.com/podvet/podvet/rules/pod"
	"github.com/podvet/podvet/rules/policy"
	"github.com/podvet/podvet/webhook"
)

const (
	policiesFolder = "../../docs/policies"
	schemaLine     = "# yaml-language-server: $schema=../../policy.schema.json\n"
)

// publishedPolicy is a folder of docs/policies.
type publishedPolicy struct {
	dir, title string
	source     policy.Source
	test       preview.Cases
}

// readPublished reads a folder of docs/policies and checks its form.
func readPublished(t *testing.T, dir string) publishedPolicy {
	t.Helper()
	file := filepath.Join(dir, "policy.yaml")
	source, err := preview.ReadPolicyFile(file, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	p := publishedPolicy{dir: dir, source: source}
	test := filepath.Join(dir, "test.yaml")
	text, err := os.ReadFile(test)
	if err != nil {
		t.Fatal(err)
	}
	if err := preview.DecodeCases(test, text, &p.test); err != nil {
		t.Fatal(err)
	}
	// The schema, a title, what it does and why.
	comment, ok := strings.CutPrefix(string(source.Text), schemaLine+"#\n# ")
	if !ok {
		t.Fatalf("%s does not begin with %q, an empty comment and a title", file, schemaLine)
	}
	comment, _, _ = strings.Cut(comment, "\napiVersion: ")
	title, explanation, _ := strings.Cut(comment, "\n#\n")
	if p.title = title; !strings.HasSuffix(title, ".") || strings.Contains(title, "\n") || len(explanation) < 100 {
		t.Errorf("%s: title %q and explanation %q: write a sentence, and then what the policy does and why",
			file, title, explanation)
	}
	for line := range strings.SplitSeq(explanation, "\n") {
		if !strings.HasPrefix(line, "# ") || len(line) > 120 {
			t.Errorf("%s: %q is no line of a comment of at most 120 characters", file, line)
		}
	}
	return p
}

func publishedPolicies(t *testing.T) []publishedPolicy {
	t.Helper()
	entries, err := os.ReadDir(policiesFolder)
	if err != nil {
		t.Fatal(err)
	}
	var all []publishedPolicy
	for _, entry := range entries {
		if entry.IsDir() {
			all = append(all, readPublished(t, filepath.Join(policiesFolder, entry.Name())))
		}
	}
	if len(all) < 10 {
		t.Fatalf("only %d policies", len(all))
	}
	return all
}

// TestPolicies: each policy in docs/policies loads without advice and does what its text says, and its cases notice
// when a part of it is taken away.
func TestPolicies(t *testing.T) {
	for _, p := range publishedPolicies(t) {
		t.Run(filepath.Base(p.dir), func(t *testing.T) {
			day := p.test.Date
			if day == "" {
				t.Fatal("test.yaml has no date: its cases would end with an exemption")
			}
			if advice := adviceOf(t, p.source, day.Start()); len(advice) > 0 {
				t.Errorf("advice: %v", advice)
			}
			whole, err := p.source.Load(catalogue.All, day.Start())
			if err != nil {
				t.Fatal(err)
			}
			if len(p.test.Cases) < 2 || !slices.ContainsFunc(p.test.Cases, findsSomething) {
				t.Errorf("%d cases: write two, and one that finds something", len(p.test.Cases))
			}
			for _, c := range p.test.Cases {
				differences, err := p.run(c, p.source)
				if err != nil || len(differences) > 0 {
					t.Errorf("%s: %v\n%s", c.Name, err, strings.Join(differences, "\n"))
				}
			}
			for place, less := range lessened(t, p.source) {
				other, err := less.Load(catalogue.All, day.Start())
				if err == nil && len(preview.Policies(whole, other)) > 0 && !p.notice(t, less) {
					t.Errorf("no case notices that %s is gone", place)
				}
			}
		})
	}
}

func findsSomething(c preview.Case) bool {
	for _, findings := range c.Want {
		if len(findings) > 0 {
			return true
		}
	}
	return false
}

func (p publishedPolicy) run(c preview.Case, by policy.Source) ([]string, error) {
	if c.Date == "" {
		c.Date = p.test.Date
	}
	return c.Run(p.dir, by)
}

// notice tells whether a case fails by another policy.
func (p publishedPolicy) notice(t *testing.T, other policy.Source) bool {
	t.Helper()
	return slices.ContainsFunc(p.test.Cases, func(c preview.Case) bool {
		differences, err := p.run(c, other)
		if err != nil {
			t.Fatal(err)
		}
		return len(differences) > 0
	})
}

// notReported is what no report tells of: names, and what happens to a workload and with which numbers a probe is
// written at admission, see TestPoliciesAtAdmission.
var notReported = regexp.MustCompile(`\.(name|owner|budgetSeconds)$|workloads$|\.template\.probe\.`)

// lessened is the policy with one key or one entry of a list taken away, for each of them.
func lessened(t *testing.T, source policy.Source) map[string]policy.Source {
	t.Helper()
	var root yaml.Node
	if err := yaml.Unmarshal(source.Text, &root); err != nil {
		t.Fatal(err)
	}
	all := map[string]policy.Source{}
	var walk func(n *yaml.Node, path string)
	walk = func(n *yaml.Node, path string) {
		width := 1
		if n.Kind == yaml.MappingNode {
			width = 2
		}
		content := n.Content
		for i := 0; i < len(content); i += width {
			at := fmt.Sprintf("%s[%d]", path, i)
			if n.Kind == yaml.MappingNode {
				at = strings.TrimPrefix(path+"."+content[i].Value, ".")
			}
			if notReported.MatchString(at) {
				continue
			}
			n.Content = slices.Concat(content[:i], content[i+width:])
			text, err := yaml.Marshal(&root)
			n.Content = content
			if err != nil {
				t.Fatal(err)
			}
			all[at] = policy.Source{File: source.File, Text: text}
			walk(content[i+width-1], at)
		}
	}
	walk(root.Content[0], "")
	return all
}

// TestPolicyTestOfPolicies: the command passes all cases, as docs/policies/README.md says.
func TestPolicyTestOfPolicies(t *testing.T) {
	root := newRoot("podvet")
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetArgs([]string{"policy", "test", policiesFolder})
	passed := regexp.MustCompile(`^[1-9]\d+ passed, 0 failed\n$`)
	if err := root.Execute(); err != nil || !passed.MatchString(out.String()) {
		t.Errorf("%v\n%s", err, out.String())
	}
}

// TestPoliciesIndex: docs/policies/README.md lists exactly the folders, by their titles.
func TestPoliciesIndex(t *testing.T) {
	var want []string
	for _, p := range publishedPolicies(t) {
		name := filepath.Base(p.dir)
		want = append(want, fmt.Sprintf("- [%s](%s/policy.yaml): %s", name, name, p.title))
	}
	text, err := os.ReadFile(filepath.Join(policiesFolder, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	got := regexp.MustCompile(`(?m)^- \[.*$`).FindAllString(string(text), -1)
	if slices.Sort(got); !slices.Equal(got, want) {
		t.Errorf("docs/policies/README.md lists\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestPoliciesAtAdmission: what the policies do to workloads, and the probes that they write.
func TestPoliciesAtAdmission(t *testing.T) {
	const (
		unresolved = `{"metadata":{"name":"web"},"spec":{"template":{"spec":{"containers":[
			{"name":"app","readinessProbe":{"httpGet":{"port":"http"}}}
		]}}}}`
		unready = `{"metadata":{"name":"web"},"spec":{"containers":[
			{"name":"app","ports":[{"name":"http","containerPort":80,"protocol":"TCP"}]}
		]}}`
		numbers = `"periodSeconds":10,"failureThreshold":3,"timeoutSeconds":1,"successThreshold":1`
		slow    = `{"metadata":{"name":"web","labels":{"runtime":"jvm"}},"spec":{"containers":[{"name":"app",
			"readinessProbe":{"tcpSocket":{"port":80},` + numbers + `},
			"livenessProbe":{"tcpSocket":{"port":80},` + numbers + `}}]}}`
		warned = `"warnings":["podvet will refuse these pods: container \"app\": readinessProbe uses undeclared port`
		added  = `"value":{"httpGet":{"path":"/ready","port":"http","scheme":"HTTP"},` +
			`"timeoutSeconds":1,"periodSeconds":5,`
	)
	deployment, aPod := `"group":"apps","version":"v1","kind":"Deployment"`, `"group":"","version":"v1","kind":"Pod"`
	for _, c := range []struct{ policy, namespace, endpoint, kind, object, want string }{
		{"gitops", "shop", "/validate", deployment, unresolved, `"allowed":false`},
		{"strict-payments", "pay-core", "/validate", deployment, unresolved, `"allowed":false`},
		{"strict-payments", "pay-playground", "/validate", deployment, unresolved, warned},
		{"strict-payments", "shop", "/validate", deployment, unresolved, warned},
		{"declared-readiness", "shop", "/mutate", aPod, unready, added},
		{"slow-starters", "shop", "/mutate", aPod, slow,
			`"periodSeconds":3,"successThreshold":1,"failureThreshold":201}`},
	} {
		review := fmt.Sprintf(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":
			{"uid":"1","operation":"CREATE","namespace":%q,"kind":{%s},"object":%s}}`,
			c.namespace, c.kind, c.object)
		request := httptest.NewRequest(http.MethodPost, c.endpoint, strings.NewReader(review))
		request.Header.Set("Content-Type", "application/json")
		recorder := httptest.NewRecorder()
		webhook.NewHandler(publishedAs(t, c.policy), 0, slog.New(slog.DiscardHandler)).ServeHTTP(recorder, request)
		var answer struct{ Response struct{ Patch []byte } }
		if err := json.Unmarshal(recorder.Body.Bytes(), &answer); err != nil {
			t.Errorf("%s: %v", c.policy, err)
		}
		if got := recorder.Body.String() + string(answer.Response.Patch); !strings.Contains(got, c.want) {
			t.Errorf("%s in %s: %d %s, want %s", c.policy, c.namespace, recorder.Code, got, c.want)
		}
	}
	subject, _ := pod.SubjectOf(&appsv1.Deployment{})
	gitops := publishedAs(t, "gitops")
	labels := map[string]string{"example.com/add-on": "true"}
	if got := gitops.For(subject, labels).Workloads; got != policy.WorkloadsWarn {
		t.Errorf("workloads of add-ons: %s", got)
	}
}

func publishedAs(t *testing.T, name string) *policy.Policy {
	t.Helper()
	p := readPublished(t, filepath.Join(policiesFolder, name))
	loaded, err := p.source.Load(catalogue.All, p.test.Date.Start())
	if err != nil {
		t.Fatal(err)
	}
	return loaded
}

// TestPolicyGuide: the policies in docs/policy.md are good ones, its cases pass, and its list of keys is whole.
func TestPolicyGuide(t *testing.T) {
	text, err := os.ReadFile("../../docs/policy.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	blocks := 0
	for _, match := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		var head struct{ Kind string }
		if err := sigsyaml.Unmarshal([]byte(match[1]), &head); err != nil {
			t.Errorf("%v in\n%s", err, match[1])
		}
		source, err := preview.ReadPolicy("docs/policy.md", []byte(match[1]))
		if err != nil {
			t.Error(err)
		}
		switch head.Kind {
		case policy.Kind, "ConfigMap":
			blocks++
			day := policy.Day("2026-12-01").Start()
			if _, err := source.Load(catalogue.All, day); err != nil {
				t.Error(err)
			}
			if advice := adviceOf(t, source, day); len(advice) > 0 {
				t.Error(advice)
			}
		}
		names := map[string]string{policy.Kind: "policy.yaml", preview.CasesKind: "test.yaml"}
		if name := names[head.Kind]; name != "" {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(match[1]), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if blocks < 2 {
		t.Errorf("only %d policies", blocks)
	}
	// worker.yaml, which its second case names, is the object of the first.
	test, err := os.ReadFile(filepath.Join(dir, "test.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var cases preview.Cases
	if err := preview.DecodeCases("test.yaml", test, &cases); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "worker.yaml"), []byte(cases.Cases[0].Objects), 0o600); err != nil {
		t.Fatal(err)
	}
	run := preview.TestRun{Out: t.Output()}
	if err := run.File(filepath.Join(dir, "test.yaml")); err != nil || run.Failed > 0 || run.Passed < 2 {
		t.Errorf("the cases: %d passed, %d failed, %v", run.Passed, run.Failed, err)
	}
	var schema struct {
		Properties map[string]struct {
			Items struct {
				Properties map[string]struct{ Properties map[string]any }
			}
		}
	}
	if err := sigsyaml.Unmarshal(policy.Schema(catalogue.All), &schema); err != nil {
		t.Fatal(err)
	}
	keys := map[string]bool{}
	for key, property := range schema.Properties {
		keys[key] = true
		for key, property := range property.Items.Properties {
			keys[key] = true
			for key := range property.Properties { // of a match
				keys[key] = true
			}
		}
	}
	if len(keys) < 20 {
		t.Errorf("only the keys %v", keys)
	}
	for key := range keys {
		if !strings.Contains(string(text), "`"+key+"`") {
			t.Errorf("docs/policy.md does not explain the key %s", key)
		}
	}
}

// adviceOf is the advice about a policy, which must be a good one.
func adviceOf(t *testing.T, source policy.Source, day time.Time) policy.Errors {
	t.Helper()
	doc, _, err := policy.ReadDocument(catalogue.All, source)
	if err != nil {
		t.Fatal(err)
	}
	return doc.Advice(day, nil)
}
