package catalogue_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	"sigs.k8s.io/yaml"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/catalogue"
	"github.com/podvet/podvet/rules/pod"
	"github.com/podvet/podvet/rules/policy"
)

// sections are what every rule's page must hold, in this order; "The fix" only where there is one.
var sections = []string{"Why it matters", "Write instead", "The fix", "When to switch it off", "Sources"}

func TestEveryRuleHasAPage(t *testing.T) {
	for _, rule := range catalogue.All.Rules() {
		t.Run(rule.ID, func(t *testing.T) {
			if _, err := os.Stat("" + rule.ID + "/rule.md"); err != nil {
				t.Fatalf("the rule has no page: %v", err)
			}
			page := catalogue.Documentation(rule)
			if !strings.HasPrefix(page, "# "+rule.ID+"\n\n") {
				t.Errorf("the page must start with %q and a blank line", "# "+rule.ID)
			}
			var want, got []string
			for _, s := range sections {
				if s != "The fix" || rule.HasFix() {
					want = append(want, s)
				}
			}
			for _, match := range regexp.MustCompile(`(?m)^## (.*)$`).FindAllStringSubmatch(page, -1) {
				got = append(got, match[1])
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("sections (-want +got):\n%s", diff)
			}
			if rule.Title == "" || rule.Title != strings.TrimSuffix(rule.Title, ".") {
				t.Errorf("title %q", rule.Title)
			}
		})
	}
}

// TestEveryFolderHasARule fails for a folder that no rule reads.
func TestEveryFolderHasARule(t *testing.T) {
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if code, _ := filepath.Glob(entry.Name() + "/*.go"); len(code) > 0 { // a package that rules stand on
			continue
		}
		if entry.IsDir() && catalogue.All.Lookup(entry.Name()) == nil {
			t.Errorf("%s: no rule in the list has this id", entry.Name())
		}
	}
}

// profilePlan is the plan of a profile without any policy.
func profilePlan(profile rules.Profile) *rules.Plan {
	settings := make([]rules.Setting, len(catalogue.All.Rules()))
	for i, rule := range catalogue.All.Rules() {
		settings[i].Level = rule.Levels[profile]
		if rule.FixByDefault && settings[i].Level != rules.Off {
			settings[i].Fix = rules.DefaultFix
		}
	}
	return catalogue.All.NewPlan(settings, rules.Options{Injected: rules.DefaultInjected, Most: rules.Deny})
}

// TestCatalogue: the list, the order of the fixes, the pages and the fixtures are complete.
func TestCatalogue(t *testing.T) {
	if catalogue.Err != nil {
		t.Error(catalogue.Err)
	}
}

// minVariations is how many bad fixtures each rule has beside bad.yaml.
const minVariations = 2

// TestFixtures: each rule finds what its bad files say (lines "# want: "), nothing in the good file of the same name,
// which is the bad one with the advice followed, and nothing in its look-alikes. Its fix turns the bad file into the
// fixed one. With -update the wants and the fixed files are written and nothing is checked.
func TestFixtures(t *testing.T) {
	for _, rule := range engineRules() {
		t.Run(rule.ID, func(t *testing.T) {
			plan := fixturePlan(t, rule)
			bad := badFixtures(t, rule)
			if !slices.Contains(bad, rule.ID+"/bad.yaml") || len(bad) < 1+minVariations {
				t.Errorf("%d bad fixtures: write bad.yaml and at least %d variations bad-*.yaml",
					len(bad), minVariations)
			}
			alike, err := filepath.Glob(rule.ID + "/look-alike*.yaml")
			if err != nil || len(alike) == 0 {
				t.Errorf("no look-alike*.yaml: show what the rule must leave alone: %v", err)
			}
			for _, file := range alike {
				subject, _ := readFixture(t, file)
				if got := findingsOf(rule, rules.Judge(subject, plan)); len(got) > 0 {
					t.Errorf("%s: %s", file, got)
				}
			}
			for _, file := range bad {
				t.Run(filepath.Base(file), func(t *testing.T) { checkFixture(t, rule, plan, file) })
			}
		})
	}
}

func checkFixture(t *testing.T, rule *rules.Rule, plan *rules.Plan, file string) {
	t.Helper()
	subject, wants := readFixture(t, file)
	got := findingsOf(rule, rules.Judge(subject, plan))
	if *update {
		writeWants(t, file, got)
		writeFixed(t, plan, file, subject)
		return
	}
	if len(wants) == 0 {
		t.Fatal(`no line "# want: ": run this test with -update, then read what it wrote`)
	}
	if diff := cmp.Diff(wants, got); diff != "" {
		t.Errorf("findings (-want +got), go test ./rules/catalogue -run TestFixtures -update writes them:\n%s", diff)
	}
	goodFile := strings.Replace(file, "/bad", "/good", 1)
	adviceIsFollowed(t, wants, goodFile)
	good, _ := readFixture(t, goodFile)
	if got := findingsOf(rule, rules.Judge(good, plan)); len(got) > 0 {
		t.Errorf("the good file: %s", got)
	}
	checkFixed(t, rule, plan, file, subject)
}

// writeFixed writes what the fix makes of a file, and removes a file for which there is no fix any more.
func writeFixed(t *testing.T, plan *rules.Plan, file string, subject *pod.Subject) {
	t.Helper()
	name := strings.TrimSuffix(file, ".yaml") + ".fixed.yaml"
	repair := rules.Fix(subject, plan)
	if len(repair.Fixed) == 0 {
		_ = os.Remove(name)
		return
	}
	if old, err := os.ReadFile(name); err == nil {
		if was := parseSubject(t, name, string(old)); cmp.Equal(was.Spec, repair.Subject.Spec) {
			return // people write these more readably
		}
	}
	if err := os.WriteFile(name, patched(t, file, rules.Patch(subject, repair.Subject)), 0o644); err != nil {
		t.Fatal(err)
	}
}

// patched is the text of a file with a patch applied.
func patched(t *testing.T, file string, operations []rules.Operation) []byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := yaml.YAMLToJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	patch, err := jsonpatch.DecodePatch([]byte(asJSON(t, operations)))
	if err != nil {
		t.Fatal(err)
	}
	if raw, err = patch.Apply(raw); err != nil {
		t.Fatal(err)
	}
	if text, err = yaml.JSONToYAML(raw); err != nil {
		t.Fatal(err)
	}
	return text
}

func writeWants(t *testing.T, file string, messages []string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	rest := regexp.MustCompile(`(?m)^# want: .*\n`).ReplaceAllString(string(text), "")
	for i := range messages {
		messages[i] = "# want: " + messages[i] + "\n"
	}
	if err := os.WriteFile(file, []byte(strings.Join(messages, "")+rest), 0o644); err != nil {
		t.Fatal(err)
	}
}

// numbers are what an advice says to write: a field and its value.
var numbers = regexp.MustCompile(`(\w+Seconds|failureThreshold)(?: to)?(?: at least)? (\d+)`)

// adviceIsFollowed looks for each number that the messages advise, after their first sentence, in the good file: of
// several for one field, as the grace of a pod, the largest. Where there is an alternative it may have been chosen.
func adviceIsFollowed(t *testing.T, messages []string, good string) {
	t.Helper()
	text, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	advised := map[string]int{}
	for _, message := range messages {
		_, advice, _ := strings.Cut(message, ". ")
		if strings.Contains(advice, " or ") || strings.Contains(advice, "If ") {
			continue
		}
		for _, match := range numbers.FindAllStringSubmatch(advice, -1) {
			n, err := strconv.Atoi(match[2])
			if err != nil {
				t.Fatal(err)
			}
			advised[match[1]] = max(advised[match[1]], n)
		}
	}
	for field, n := range advised {
		if !regexp.MustCompile(fmt.Sprintf(`%s: %d\b`, field, n)).Match(text) {
			t.Errorf("%s does not follow the advice: no %s: %d", good, field, n)
		}
	}
}

// checkFixed holds a fix against the file of its name, which there is where the fix changes something.
func checkFixed(t *testing.T, rule *rules.Rule, plan *rules.Plan, file string, subject *pod.Subject) {
	t.Helper()
	repair := rules.Fix(subject, plan)
	want := strings.TrimSuffix(file, ".yaml") + ".fixed.yaml"
	if _, err := os.Stat(want); err != nil {
		if len(repair.Fixed) > 0 {
			t.Errorf("fixes %s, but there is no %s: go test ./rules/catalogue -run TestFixtures -update writes it",
				repair.Fixed, want)
		}
		return
	}
	if !rule.HasFix() {
		t.Errorf("%s, but the rule has no fix", want)
	}
	wanted, _ := readFixture(t, want)
	if diff := cmp.Diff(wanted.Spec, repair.Subject.Spec); diff != "" {
		t.Errorf("what the fix makes of %s is not %s (-want +got):\n%s", file, want, diff)
	}
	written := parseSubject(t, file, string(patched(t, file, rules.Patch(subject, repair.Subject))))
	if diff := cmp.Diff(repair.Subject.Spec, written.Spec, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("the patch of %s lacks what only setters of probes that are there, SetTimeout, SetPeriod and "+
			"SetFailures, put into it (-fixed +written):\n%s", file, diff)
	}
	for _, f := range rules.Judge(repair.Subject, plan) {
		if f.Rule == rule && slices.Contains(repair.Fixed, rules.Fixed{Rule: rule, Container: f.Container}) {
			t.Errorf("the fix of %s does not end what the rule finds: %s", file, f)
		}
	}
	if again := rules.Fix(repair.Subject, plan).Fixed; len(again) > 0 {
		t.Errorf("not idempotent: fixes %v again", again)
	}
}

// TestGoodFixturesAreNotDenied: the good files of a rule are at peace with every deny rule of the recommended profile.
func TestGoodFixturesAreNotDenied(t *testing.T) {
	plan := profilePlan(rules.Recommended)
	files, err := filepath.Glob("*/good*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if _, err := os.Stat(strings.Replace(file, "/good", "/bad", 1)); err != nil {
			t.Errorf("%s is the good side of nothing: %v", file, err)
		}
		subject, _ := readFixture(t, file)
		for _, f := range rules.Judge(subject, plan) {
			if f.Level == rules.Deny {
				t.Errorf("%s: %s", file, f)
			}
		}
	}
}

// engineRules are the rules that the engine runs. What is found by who reads files internal/vet tests.
func engineRules() []*rules.Rule {
	return slices.DeleteFunc(slices.Clone(catalogue.All.Rules()), func(r *rules.Rule) bool {
		return r.Group == rules.Files
	})
}

func TestMessagesFitOnALine(t *testing.T) {
	for _, rule := range engineRules() {
		for _, file := range badFixtures(t, rule) {
			_, wants := readFixture(t, file)
			for _, want := range wants {
				if utf8.RuneCountInString(want) > rules.MaxLine || strings.Contains(want, "…") {
					t.Errorf("%s: too long: %s", file, want)
				}
			}
		}
	}
}

// TestMessagesAreReadable: one colon at most after the container's name, a sentence with what will happen and one with
// what to write. A name of 20 characters leaves room for all of it, whatever the length of the id.
func TestMessagesAreReadable(t *testing.T) {
	quoted := regexp.MustCompile(`"[^"]*"`)
	for _, rule := range engineRules() {
		for _, file := range badFixtures(t, rule) {
			subject, _ := readFixture(t, file)
			for _, f := range rules.Judge(subject, fixturePlan(t, rule)) {
				if f.Rule != rule {
					continue
				}
				if f.Container != "" {
					f.Container = strings.Repeat("n", 20)
				}
				line := "podvet will refuse these pods: " + f.String()
				if n := utf8.RuneCountInString(line); n > rules.MaxLine || strings.Contains(line, "…") {
					t.Errorf("%s: %d characters: %s", file, n, line)
				}
				if colons := strings.Count(quoted.ReplaceAllString(f.Text, ""), ":"); colons > 1 {
					t.Errorf("%s: %d colons: %s", file, colons, f.Text)
				}
				if !strings.HasSuffix(f.Text, ".") || strings.Count(f.Text, ". ") == 0 {
					t.Errorf("%s: write a sentence with what will happen and one with what to write: %s", file, f.Text)
				}
			}
		}
	}
}

// fixturePlan is the policy.yaml in the rule's folder, or the strict profile with the rule's fix asked for
// and no other.
func fixturePlan(t *testing.T, rule *rules.Rule) *rules.Plan {
	t.Helper()
	file := filepath.Join(rule.ID, "policy.yaml")
	text, err := os.ReadFile(file)
	if os.IsNotExist(err) {
		text = fmt.Appendf(nil, `apiVersion: podvet.dev/v1alpha1
kind: Policy
profile: strict
rules: {%s: {fix: %v}}
`, rule.ID, rule.HasFix())
	} else if err != nil {
		t.Fatal(err)
	}
	p, err := policy.Load(catalogue.All, file, text, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	settings := p.Settings()
	for i, other := range catalogue.All.Rules() {
		if other != rule {
			settings[i].Fix = rules.NoFix
		}
	}
	return catalogue.All.NewPlan(settings, rules.Options{Most: rules.Deny})
}

func badFixtures(t *testing.T, rule *rules.Rule) []string {
	t.Helper()
	files, err := filepath.Glob("" + rule.ID + "/bad*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var bad []string
	for _, file := range files {
		if !strings.HasSuffix(file, ".fixed.yaml") {
			bad = append(bad, file)
		}
	}
	return bad
}

func findingsOf(rule *rules.Rule, findings []rules.Finding) []string {
	var lines []string
	for _, f := range findings {
		if f.Rule == rule {
			lines = append(lines, f.String())
		}
	}
	return lines
}

// readFixture decodes an object with its defaults, and the findings that its comments declare.
func readFixture(t *testing.T, file string) (*pod.Subject, []string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var wants []string
	for line := range strings.Lines(string(text)) {
		if want, ok := strings.CutPrefix(line, "# want: "); ok {
			wants = append(wants, strings.TrimSpace(want))
		}
	}
	return parseSubject(t, file, string(text)), wants
}

func parseSubject(t *testing.T, file, text string) *pod.Subject {
	t.Helper()
	subject, ok := pod.Read(parseObject(t, file, text))
	if !ok {
		t.Fatalf("%s: not a pod or a workload", file)
	}
	return subject
}

func parseObject(t *testing.T, file, text string) pod.Object {
	t.Helper()
	var kind struct{ APIVersion, Kind string }
	if err := yaml.Unmarshal([]byte(text), &kind); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	obj := pod.NewObject(kind.APIVersion, kind.Kind)
	if obj == nil {
		t.Fatalf("%s: not a pod or a workload: %s %s", file, kind.APIVersion, kind.Kind)
	}
	if err := yaml.UnmarshalStrict([]byte(text), obj); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return obj
}
