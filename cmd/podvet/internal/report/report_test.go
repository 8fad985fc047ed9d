package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/podvet/podvet/rules"
)

func reportOf(passedOver int, subjects ...*Subject) *Report {
	r := &Report{Summary: Summary{PassedOver: passedOver}, Subjects: slices.Values(subjects), Problems: slices.Values([]Problem(nil))}
	for _, s := range subjects {
		r.Summary.Count(s)
	}
	return r
}

func sample() *Report {
	return reportOf(2,
		&Subject{File: "deploy/web.yaml", Line: 3, APIVersion: "apps/v1", Kind: "Deployment", Namespace: "shop", Name: "web",
			Findings: []Finding{
				{Rule: "probe-port-unresolved", Level: rules.Deny, Container: "app", Path: "spec.template.spec.containers[0].startupProbe.httpGet.port", Line: 17,
					Message: `container "app": startupProbe names port "x", which is not declared: it errs for ever and is never started: declare it here or write a number [probe-port-unresolved]`},
				{Rule: "no-readiness-probe", Level: rules.Warn, Container: "app", Path: "spec.template.spec.containers[0]", Line: 12, Message: "100% a, b: <c> [no-readiness-probe]"},
			}, Fixed: []Fixed{{"no-startup-probe", "app"}}},
		&Subject{File: "deploy/web.yaml", Line: 40, APIVersion: "v1", Kind: "Pod", Name: "p",
			Findings: []Finding{{Rule: "bare-pod", Level: rules.Audit, Path: "spec", Message: "nothing recreates it [bare-pod]"}}},
		&Subject{File: "ä b.yaml", Line: 1, APIVersion: "batch/v1", Kind: "Job", Name: "sound", Findings: []Finding{}})
}

func write(t *testing.T, r *Report, format string, o Options) string {
	t.Helper()
	var out bytes.Buffer
	if err := r.Write(&out, format, o); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestText(t *testing.T) {
	const want = `deploy/web.yaml
  Deployment shop/web
       17  deny   container "app": startupProbe names port "x", which is not
                  declared: it errs for ever and is never started: declare it
                  here or write a number [probe-port-unresolved]
       12  warn   100% a, b: <c> [no-readiness-probe]
  Pod p
           audit  nothing recreates it [bare-pod]

3 objects: 1 deny, 1 warn, 1 audit; 2 passed over
`
	got := write(t, sample(), "text", Options{Width: 80})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for line := range strings.Lines(got) {
		if len(strings.TrimSuffix(line, "\n")) > 80 {
			t.Errorf("%d columns: %s", len(line), line)
		}
	}
	if plainText := write(t, sample(), "text", Options{}); strings.Contains(plainText, "\x1b") {
		t.Error("colour without a terminal")
	}
	if colored := write(t, sample(), "text", Options{Color: true}); !strings.Contains(colored, "\x1b[31mdeny\x1b[0m") {
		t.Errorf("no colour: %q", colored)
	}
}

func TestPodsOfOneOwnerAreOneGroup(t *testing.T) {
	pod := func(name string) *Subject {
		return &Subject{File: "stdin", Kind: "Pod", Namespace: "shop", Name: name, Owner: "Deployment/web", Findings: []Finding{{Rule: "r", Level: rules.Warn, Message: "m [r]"}}}
	}
	want := "stdin\n  Deployment shop/web (2 pods)\n           warn   m [r]\n\n2 objects: 0 deny, 2 warn, 0 audit; what pods of one owner share is shown once\n"
	if diff := cmp.Diff(want, write(t, reportOf(0, pod("a"), pod("b")), "text", Options{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestSARIF validates against the schema of OASIS and looks at what code scanning needs.
func TestSARIF(t *testing.T) {
	text, err := os.ReadFile("testdata/sarif-schema-2.1.0.json")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("sarif.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("sarif.json")
	if err != nil {
		t.Fatal(err)
	}
	here, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	subjects := slices.Collect(sample().Subjects)
	subjects[1].File = filepath.Join(here, "sub", "p.yaml")
	r := reportOf(0, subjects...)
	invalid := reportOf(0, subjects...)
	invalid.Problems = slices.Values([]Problem{{"a b.yaml", 3, "is not YAML: x"}, {"gone.yaml", 0, "cannot be read"}})
	for name, r := range map[string]*Report{"sample": r, "empty": reportOf(0), "invalid": invalid} {
		out := write(t, r, "sarif", Options{Version: "v1"})
		instance, err := jsonschema.UnmarshalJSON(strings.NewReader(out))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(instance); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	var log sarifLog
	if err := json.Unmarshal([]byte(write(t, r, "sarif", Options{})), &log); err != nil {
		t.Fatal(err)
	}
	run := log.Runs[0]
	if len(run.Tool.Driver.Rules) != len(rules.Catalogue()) {
		t.Errorf("%d rules", len(run.Tool.Driver.Rules))
	}
	for _, rule := range run.Tool.Driver.Rules {
		if !strings.Contains(rule.Help.Markdown, "## What happens") || !strings.HasPrefix(rule.HelpURI, "https://") {
			t.Errorf("%s has no help", rule.ID)
		}
	}
	if ran := run.Invocations[0]; !ran.Successful || len(ran.Notifications) > 0 {
		t.Errorf("%+v", ran)
	}
	var failed sarifLog
	if err := json.Unmarshal([]byte(write(t, invalid, "sarif", Options{})), &failed); err != nil {
		t.Fatal(err)
	}
	ran := failed.Runs[0].Invocations[0]
	if ran.Successful || len(ran.Notifications) != 2 || len(failed.Runs[0].Results) != len(run.Results) {
		t.Fatalf("%+v", failed.Runs[0])
	}
	if n := string(asJSON(t, ran.Notifications[0])); n != `{"level":"error","message":{"text":"is not YAML: x"},"locations":[{"physicalLocation":{"artifactLocation":{"uri":"a%20b.yaml"},"region":{"startLine":3}}}]}` {
		t.Errorf("%s", n)
	}
	var got []string
	for _, result := range run.Results {
		location := result.Locations[0].Physical
		line := "none"
		if location.Region != nil {
			line = string(asJSON(t, location.Region.StartLine))
		}
		got = append(got, strings.Join([]string{result.Level, run.Tool.Driver.Rules[result.RuleIndex].ID, location.Artifact.URI, line}, " "))
	}
	want := []string{"error probe-port-unresolved deploy/web.yaml 17", "warning no-readiness-probe deploy/web.yaml 12", "note bare-pod sub/p.yaml none"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if uri := relativeURI("ä b.yaml"); uri != "%C3%A4%20b.yaml" {
		t.Errorf("uri %s", uri)
	}
}

func asJSON(t *testing.T, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestJUnit(t *testing.T) {
	got := readJUnit(t, sample())
	if got.Tests != 3 || got.Failures != 1 || len(got.Suites) != 2 || got.Suites[0].Tests != 2 || got.Suites[0].Failures != 1 || got.Suites[1].Name != "ä b.yaml" {
		t.Errorf("%+v", got)
	}
	web, pod := got.Suites[0].Cases[0], got.Suites[0].Cases[1]
	if web.Name != "Deployment shop/web" || web.Failure == nil || !strings.Contains(web.Failure.Text, "deploy/web.yaml:17: deny: container \"app\"") || !strings.Contains(web.Output, "warn: 100% a, b: <c>") {
		t.Errorf("%+v", web)
	}
	if pod.Failure != nil || !strings.Contains(pod.Output, "audit: nothing recreates it") {
		t.Errorf("%+v", pod)
	}
}

type junitSuites struct {
	Tests    int `xml:"tests,attr"`
	Failures int `xml:"failures,attr"`
	Errors   int `xml:"errors,attr"`
	Suites   []struct {
		Name     string     `xml:"name,attr"`
		Tests    int        `xml:"tests,attr"`
		Failures int        `xml:"failures,attr"`
		Errors   int        `xml:"errors,attr"`
		Cases    []testCase `xml:"testcase"`
	} `xml:"testsuite"`
}

func readJUnit(t *testing.T, r *Report) junitSuites {
	t.Helper()
	var got junitSuites
	if err := xml.Unmarshal([]byte(write(t, r, "junit", Options{})), &got); err != nil {
		t.Fatal(err)
	}
	return got
}

// TestInvalidInput is an error where a machine reads the report.
func TestInvalidInput(t *testing.T) {
	r := reportOf(0)
	r.Problems = slices.Values([]Problem{{"a.yaml", 3, "is not YAML: x, y"}})
	if got := write(t, r, "github", Options{}); got != "::error file=a.yaml,line=3,title=podvet%3A invalid input::is not YAML: x, y\n" {
		t.Errorf("github: %s", got)
	}
	suites := readJUnit(t, r)
	if suites.Tests != 1 || suites.Errors != 1 || suites.Suites[0].Cases[0].Error.Text != "a.yaml:3: is not YAML: x, y" {
		t.Errorf("junit: %+v", suites)
	}
	if got := write(t, r, "json", Options{}); !strings.Contains(got, `"text": "is not YAML: x, y"`) {
		t.Errorf("json: %s", got)
	}
	// Beside subjects: of the same file, and of one with nothing else.
	r = sample()
	r.Problems = slices.Values([]Problem{{"none.yaml", 1, "x"}, {"ä b.yaml", 3, "y"}})
	suites = readJUnit(t, r)
	var names []string
	for _, suite := range suites.Suites {
		names = append(names, fmt.Sprintf("%s %d of %d", suite.Name, suite.Errors, suite.Tests))
	}
	if diff := cmp.Diff([]string{"none.yaml 1 of 1", "deploy/web.yaml 0 of 2", "ä b.yaml 1 of 2"}, names); diff != "" || suites.Tests != 5 || suites.Errors != 2 {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestGitHub(t *testing.T) {
	want := "::error file=deploy/web.yaml,line=17,title=podvet%3A Deployment shop/web::container \"app\": startupProbe names port \"x\", which is not declared: it errs for ever and is never started: declare it here or write a number [probe-port-unresolved]\n" +
		"::warning file=deploy/web.yaml,line=12,title=podvet%3A Deployment shop/web::100%25 a, b: <c> [no-readiness-probe]\n" +
		"::notice file=deploy/web.yaml,title=podvet%3A Pod p::nothing recreates it [bare-pod]\n"
	if diff := cmp.Diff(want, write(t, sample(), "github", Options{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
