package rules_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/policy"
)

// sections are what every rule's page must hold, in this order; "The fix" only where there is one.
var sections = []string{"What happens", "What to write instead", "The fix", "When to leave it out", "Facts"}

func TestEveryRuleHasAPage(t *testing.T) {
	for _, rule := range rules.Catalogue() {
		t.Run(rule.ID, func(t *testing.T) {
			if _, err := os.Stat("catalogue/" + rule.ID + "/rule.md"); err != nil {
				t.Fatalf("the rule has no page: %v", err)
			}
			page := rule.Documentation()
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
	folders, err := filepath.Glob("catalogue/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range folders {
		if rules.Lookup(filepath.Base(folder)) == nil {
			t.Errorf("%s: no rule has this id", folder)
		}
	}
}

// TestFixtures: each rule finds what its bad files say (lines "# want: "), nothing in the good file of the
// same name, which is the bad one with the advice followed, and its fix makes of the bad file the fixed one.
func TestFixtures(t *testing.T) {
	for _, rule := range rules.Catalogue() {
		t.Run(rule.ID, func(t *testing.T) {
			plan := fixturePlan(t, rule)
			bad := badFixtures(t, rule)
			if len(bad) == 0 {
				t.Fatal("no bad*.yaml")
			}
			fixes := 0
			for _, file := range bad {
				t.Run(filepath.Base(file), func(t *testing.T) {
					subject, wants := readFixture(t, file)
					if len(wants) == 0 {
						t.Fatal(`no line "# want: "`)
					}
					got := findingsOf(rule, rules.Judge(subject, plan))
					if *update {
						writeWants(t, file, got)
					} else if diff := cmp.Diff(wants, got); diff != "" {
						t.Errorf("findings (-want +got), go test ./rules -run TestFixtures -update writes them:\n%s", diff)
					}
					adviceIsFollowed(t, wants, strings.Replace(file, "/bad", "/good", 1))
					good, _ := readFixture(t, strings.Replace(file, "/bad", "/good", 1))
					if got := findingsOf(rule, rules.Judge(good, plan)); len(got) > 0 {
						t.Errorf("the good file: %s", got)
					}
					if checkFixed(t, rule, plan, file, subject) {
						fixes++
					}
				})
			}
			if rule.HasFix() && fixes == 0 {
				t.Error("no bad*.fixed.yaml shows the fix")
			}
		})
	}
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
var numbers = regexp.MustCompile(`(\w+Seconds|failureThreshold)(?: to)? (\d+)`)

// adviceIsFollowed looks for each number that the messages advise, after their last colon, in the good file: of
// several for one field, as the grace of a pod, the largest. Where there is an alternative it may have been chosen.
func adviceIsFollowed(t *testing.T, messages []string, good string) {
	t.Helper()
	text, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	advised := map[string]int{}
	for _, message := range messages {
		advice := message[strings.LastIndex(message, ": ")+2:]
		if strings.Contains(advice, " or ") {
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

func checkFixed(t *testing.T, rule *rules.Rule, plan *rules.Plan, file string, subject *rules.Subject) bool {
	t.Helper()
	fixed, repaired := rules.Fix(subject, plan)
	want := strings.TrimSuffix(file, ".yaml") + ".fixed.yaml"
	if _, err := os.Stat(want); err != nil {
		for _, f := range fixed {
			if f.Rule == rule {
				t.Errorf("fixes %s, but there is no %s", f, want)
			}
		}
		return false
	}
	wanted, _ := readFixture(t, want)
	if diff := cmp.Diff(wanted.Spec, repaired.Spec); diff != "" {
		t.Errorf("the fix (-want +got):\n%s", diff)
	}
	if again, _ := rules.Fix(repaired, plan); len(again) > 0 {
		t.Errorf("not idempotent: fixes %v again", again)
	}
	return true
}

// TestGoodFixturesAreNotDenied: the good files of a rule are at peace with every deny rule of the recommended profile.
func TestGoodFixturesAreNotDenied(t *testing.T) {
	plan := rules.ProfilePlan(rules.Recommended)
	files, err := filepath.Glob("catalogue/*/good*.yaml")
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

func TestMessagesFitOnALine(t *testing.T) {
	for _, rule := range rules.Catalogue() {
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

// fixturePlan is the policy.yaml in the rule's folder, or the strict profile with the rule's fix asked for
// and no other.
func fixturePlan(t *testing.T, rule *rules.Rule) *rules.Plan {
	t.Helper()
	file := filepath.Join("catalogue", rule.ID, "policy.yaml")
	text, err := os.ReadFile(file)
	if os.IsNotExist(err) {
		text = fmt.Appendf(nil, "apiVersion: podvet.dev/v1alpha1\nkind: Policy\nprofile: strict\nrules: {%s: {fix: %v}}\n", rule.ID, rule.HasFix())
	} else if err != nil {
		t.Fatal(err)
	}
	p, err := policy.Load(file, text, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	settings := p.Settings()
	for i, other := range rules.Catalogue() {
		if other != rule {
			settings[i].Fix = rules.NoFix
		}
	}
	return rules.NewPlan(settings, nil, rules.Deny)
}

func badFixtures(t *testing.T, rule *rules.Rule) []string {
	t.Helper()
	files, err := filepath.Glob("catalogue/" + rule.ID + "/bad*.yaml")
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

// readFixture decodes an object with its defaults, and the findings that its comments promise.
func readFixture(t *testing.T, file string) (*rules.Subject, []string) {
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

func parseSubject(t *testing.T, file, text string) *rules.Subject {
	t.Helper()
	obj := parseObject(t, file, text)
	rules.Default(obj)
	subject, ok := rules.SubjectOf(obj)
	if !ok {
		t.Fatalf("%s: not a pod or a workload", file)
	}
	return subject
}

func parseObject(t *testing.T, file, text string) rules.Object {
	t.Helper()
	var kind struct{ APIVersion, Kind string }
	if err := yaml.Unmarshal([]byte(text), &kind); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	obj := rules.NewObject(kind.APIVersion, kind.Kind)
	if obj == nil {
		t.Fatalf("%s: not a pod or a workload: %s %s", file, kind.APIVersion, kind.Kind)
	}
	if err := yaml.UnmarshalStrict([]byte(text), obj); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return obj
}
