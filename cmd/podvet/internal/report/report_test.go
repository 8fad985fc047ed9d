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
	"github.com/podvet/podvet/rules/catalogue"
)

func reportOf(passedOver int, subjects ...*Subject) *Report {
	r := &Report{}
	var entries []Entry
	for _, s := range subjects {
		r.Summary.Count(s)
		entries = append(entries, Entry{Subject: s})
	}
	if r.Entries = slices.Values(entries); passedOver > 0 {
		r.Summary.PassedOver = passedOver
		r.Skipped = []Skipped{{Kind: "Service", Reason: NotAWorkload, Count: passedOver}}
	}
	return r
}

// with is the report with more entries at its end.
func (r *Report) with(more ...Entry) *Report {
	for _, e := range more {
		r.Summary.Invalid += len(e.Invalid)
	}
	r.Entries = slices.Values(append(slices.Collect(r.Entries), more...))
	return r
}

func invalid(file string, line int, message string) Entry {
	return Entry{Invalid: []Problem{{file, line, message}}}
}

func sample() *Report {
	web := &Subject{File: "deploy/web.yaml", Line: 3, APIVersion: "apps/v1", Kind: "Deployment",
		Namespace: "shop", Name: "web",
		Findings: []Finding{
			{Rule: "probe-port-unresolved", Level: rules.Deny, Container: "app",
				Path: "spec.template.spec.containers[0].startupProbe.httpGet.port", Line: 17, Message: unresolved},
			{Rule: "no-readiness-probe", Level: rules.Warn, Container: "app", Path: "spec.template.spec.containers[0]",
				Line: 12, Message: "100% a, b: <c> [no-readiness-probe]"},
		}, Fixed: []Fixed{{Rule: "no-startup-probe", Container: "app", Line: 14, Message: slow,
			Path: "spec.template.spec.containers[0].livenessProbe", Figure: "figure"}}}
	pod := &Subject{File: "deploy/web.yaml", Line: 40, APIVersion: "v1", Kind: "Pod", Name: "p",
		Findings: []Finding{
			{Rule: "bare-pod", Level: rules.Audit, Path: "spec", Message: "nothing recreates it [bare-pod]"},
		}}
	sound := &Subject{File: "ä b.yaml", Line: 1, APIVersion: "batch/v1", Kind: "Job", Name: "sound",
		Findings: []Finding{}}
	return reportOf(2, web, pod, sound)
}

const unresolved = `container "app": startupProbe uses port "x", which it does not declare. ` +
	`Write a number. [probe-port-unresolved]`

const slow = `container "app": livenessProbe kills a boot longer than 20 s. Add a startupProbe. [no-startup-probe]`

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
       12  warn     100% a, b: <c> [no-readiness-probe]
       14  fixable  container "app": livenessProbe kills a boot longer than 20
                    s. Add a startupProbe. podvet fixes this. [no-startup-probe]
       17  deny     container "app": startupProbe uses port "x", which it does
                    not declare. Write a number. [probe-port-unresolved]
  Pod p
           audit    nothing recreates it [bare-pod]

3 objects: 1 deny, 1 warn, 1 audit, 1 fixable
skipped: Service 2
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
		return &Subject{File: "stdin", Kind: "Pod", Namespace: "shop", Name: name, Owner: "Deployment/web",
			Findings: []Finding{{Rule: "r", Level: rules.Warn, Message: "m [r]"}}}
	}
	want := "stdin\n  Deployment shop/web (2 pods)\n           warn     m [r]\n\n" +
		"2 objects: 0 deny, 2 warn, 0 audit, 0 fixable; what pods of one owner share is shown once and " +
		"counts for each\n"
	if diff := cmp.Diff(want, write(t, reportOf(0, pod("a"), pod("b")), "text", Options{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// sarifLog is what TestSARIF looks at.
type sarifLog struct {
	Runs []struct {
		Tool        sarifTool
		Invocations []struct {
			Successful    bool                `json:"executionSuccessful"`
			Notifications []sarifNotification `json:"toolExecutionNotifications"`
		}
		Results []sarifResult
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
	subjects := slices.Collect[*Subject](sample().Subjects)
	subjects[1].File = filepath.Join(here, "sub", "p.yaml")
	r := reportOf(0, subjects...)
	broken := reportOf(0, subjects...).with(invalid("a b.yaml", 3, "is not YAML: x"),
		invalid("gone.yaml", 0, "cannot be read"))
	for name, r := range map[string]*Report{"sample": r, "empty": reportOf(0), "invalid": broken} {
		out := write(t, r, "sarif", Options{
			Version: "v1", Folder: here, Rules: catalogue.All.Rules(), Page: catalogue.Page})
		instance, err := jsonschema.UnmarshalJSON(strings.NewReader(out))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(instance); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	var log sarifLog
	options := Options{Folder: here, Rules: catalogue.All.Rules(), Page: catalogue.Page}
	if err := json.Unmarshal([]byte(write(t, r, "sarif", options)), &log); err != nil {
		t.Fatal(err)
	}
	run := log.Runs[0]
	if len(run.Tool.Driver.Rules) != len(catalogue.All.Rules()) {
		t.Errorf("%d rules", len(run.Tool.Driver.Rules))
	}
	for _, rule := range run.Tool.Driver.Rules {
		if !strings.Contains(rule.Help.Markdown, "## Why it matters") || !strings.HasPrefix(rule.HelpURI, "https://") {
			t.Errorf("%s has no help", rule.ID)
		}
	}
	if ran := run.Invocations[0]; !ran.Successful || len(ran.Notifications) > 0 {
		t.Errorf("%+v", ran)
	}
	var failed sarifLog
	if err := json.Unmarshal([]byte(write(t, broken, "sarif", Options{})), &failed); err != nil {
		t.Fatal(err)
	}
	ran := failed.Runs[0].Invocations[0]
	if ran.Successful || len(ran.Notifications) != 2 || len(failed.Runs[0].Results) != len(run.Results) {
		t.Fatalf("%+v", failed.Runs[0])
	}
	const notification = `{"level":"error","message":{"text":"is not YAML: x"},"locations":[` +
		`{"physicalLocation":{"artifactLocation":{"uri":"a%20b.yaml"},"region":{"startLine":3}}}]}`
	if n := string(asJSON(t, ran.Notifications[0])); n != notification {
		t.Errorf("%s", n)
	}
	var got []string
	for _, result := range run.Results {
		location := result.Locations[0].Physical
		line := "none"
		if location.Region != nil {
			line = string(asJSON(t, location.Region.StartLine))
		}
		rule := run.Tool.Driver.Rules[result.RuleIndex].ID
		got = append(got, strings.Join([]string{result.Level, rule, location.Artifact.URI, line}, " "))
	}
	want := []string{"warning no-readiness-probe deploy/web.yaml 12", "note no-startup-probe deploy/web.yaml 14",
		"error probe-port-unresolved deploy/web.yaml 17", "note bare-pod sub/p.yaml none"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if uri := relativeURI(here, "ä b.yaml"); uri != "%C3%A4%20b.yaml" {
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
	got := readJUnit(t, sample(), Options{})
	if got.Tests != 3 || got.Failures != 1 || len(got.Suites) != 2 ||
		got.Suites[0].Tests != 2 || got.Suites[0].Failures != 1 || got.Suites[1].Name != "ä b.yaml" {
		t.Errorf("%+v", got)
	}
	web, pod := got.Suites[0].Cases[0], got.Suites[0].Cases[1]
	if web.Name != "Deployment shop/web" || web.Failure == nil ||
		!strings.Contains(web.Failure.Text, "deploy/web.yaml:17: deny: container \"app\"") ||
		!strings.Contains(web.Output, "warn: 100% a, b: <c>") {
		t.Errorf("%+v", web)
	}
	if !strings.Contains(web.Output, "deploy/web.yaml:14: fixable: container \"app\": livenessProbe kills") ||
		!strings.Contains(web.Output, "podvet fixes this. [no-startup-probe]") {
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

func readJUnit(t *testing.T, r *Report, o Options) junitSuites {
	t.Helper()
	var got junitSuites
	if err := xml.Unmarshal([]byte(write(t, r, "junit", o)), &got); err != nil {
		t.Fatal(err)
	}
	return got
}

// TestInvalidInput is an error where a machine reads the report, and beside the findings, in the order of the input.
func TestInvalidInput(t *testing.T) {
	r := reportOf(0).with(invalid("a.yaml", 3, "is not YAML: x, y"))
	const annotation = "::error file=a.yaml,line=3,title=podvet%3A invalid input::is not YAML: x, y\n"
	if got := write(t, r, "github", Options{}); got != annotation {
		t.Errorf("github: %s", got)
	}
	suites := readJUnit(t, r, Options{})
	if suites.Tests != 1 || suites.Errors != 1 ||
		suites.Suites[0].Cases[0].Error.Text != "a.yaml:3: is not YAML: x, y" {
		t.Errorf("junit: %+v", suites)
	}
	var got struct {
		Summary Summary
		Invalid []Problem
	}
	if err := json.Unmarshal([]byte(write(t, r, "json", Options{})), &got); err != nil {
		t.Fatal(err)
	}
	wantInvalid := []Problem{{"a.yaml", 3, "is not YAML: x, y"}}
	if got.Summary.Invalid != 1 || !cmp.Equal(wantInvalid, got.Invalid) {
		t.Errorf("json: %+v", got)
	}
	// Beside subjects: of the same file, and of one with nothing else.
	subjects := slices.Collect[*Subject](sample().Subjects)
	r = reportOf(0, subjects[0]).with(invalid("none.yaml", 1, "x"), Entry{Subject: subjects[2]},
		Entry{Subject: subjects[2], Invalid: []Problem{{"ä b.yaml", 3, "y"}, {"ä b.yaml", 4, "z"}}},
		Entry{Object: "Pod broken", Invalid: []Problem{{"ä b.yaml", 9, "y"}}})
	suites = readJUnit(t, r, Options{})
	var names []string
	for _, suite := range suites.Suites {
		names = append(names, fmt.Sprintf("%s %d of %d", suite.Name, suite.Errors, suite.Tests))
	}
	want := []string{"deploy/web.yaml 0 of 1", "none.yaml 1 of 1", "ä b.yaml 2 of 3"}
	if diff := cmp.Diff(want, names); diff != "" || suites.Tests != 5 || suites.Errors != 3 {
		t.Errorf("(-want +got):\n%s", diff)
	}
	both, broken := suites.Suites[2].Cases[1], suites.Suites[2].Cases[2]
	if both.Name != "Job sound" || both.Error.Text != "ä b.yaml:3: y\nä b.yaml:4: z" || broken.Name != "Pod broken" {
		t.Errorf("%+v %+v", both, broken)
	}
	text := write(t, r, "text", Options{})
	_, text, _ = strings.Cut(text, "[probe-port-unresolved]\n")
	const beside = "\nnone.yaml:1: x\n\nä b.yaml:3: y\nä b.yaml:4: z\nä b.yaml:9: y\n\n" +
		"1 object: 1 deny, 1 warn, 0 audit, 1 fixable, 4 invalid\n"
	if diff := cmp.Diff(beside, text); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestFailures: what --fail-on names is a failure in junit too, denials always.
func TestFailures(t *testing.T) {
	at := func(level rules.Level) *Subject { return &Subject{Findings: []Finding{{Level: level}}} }
	denied, warned, noted, repaired := at(rules.Deny), at(rules.Warn), at(rules.Audit), &Subject{Fixed: []Fixed{{}}}
	for on, want := range map[FailOn]int{Denials: 1, Warnings: 2, Fixable: 3, Nothing: 1} {
		r := reportOf(0, denied, warned, repaired, noted)
		if got := readJUnit(t, r, Options{FailOn: on}).Failures; got != want {
			t.Errorf("%s: %d failures, want %d", on, got, want)
		}
	}
	for _, c := range []struct {
		on   FailOn
		s    *Subject
		want bool
	}{
		{Denials, denied, true}, {Denials, warned, false}, {Warnings, denied, true}, {Warnings, warned, true},
		{Warnings, repaired, false}, {Fixable, repaired, true}, {Fixable, warned, true}, {Fixable, noted, false},
		{Nothing, denied, false},
	} {
		if got := reportOf(0, c.s).Summary.Failed(c.on); got != c.want {
			t.Errorf("--fail-on %s of %+v: %t", c.on, c.s, got)
		}
	}
}

func TestSummary(t *testing.T) {
	r := reportOf(0, &Subject{Capped: true, DeniedInEnforce: 3})
	r.Skipped = []Skipped{{Reason: BelowChart("charts/web"), Count: 2},
		{Kind: "Rollout", Reason: UnknownKind, Count: 1}, {Kind: "Service", Reason: NotAWorkload, Count: 2},
		{Kind: "Pod", Reason: JudgedWithOwner, Count: 3}, {Reason: NoObject, Count: 1}}
	want := []string{"1 object: 0 deny, 0 warn, 0 audit, 0 fixable",
		"skipped: Pod 3 (judged with the owner), Service 2, Rollout 1, 2 files below the Helm chart charts/web, " +
			"1 file without a Kubernetes object", "3 would be denied in mode enforce"}
	if diff := cmp.Diff(want, r.lines(false)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestGitHub(t *testing.T) {
	want := "::warning file=deploy/web.yaml,line=12,title=podvet%3A Deployment shop/web::" +
		"100%25 a, b: <c> [no-readiness-probe]\n" +
		"::notice file=deploy/web.yaml,line=14,title=podvet%3A Deployment shop/web::" +
		strings.Replace(slow, " [", " podvet fixes this. [", 1) + "\n" +
		"::error file=deploy/web.yaml,line=17,title=podvet%3A Deployment shop/web::" + unresolved + "\n" +
		"::notice file=deploy/web.yaml,title=podvet%3A Pod p::nothing recreates it [bare-pod]\n"
	if diff := cmp.Diff(want, write(t, sample(), "github", Options{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
