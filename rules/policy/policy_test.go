package policy_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/catalogue"
	"github.com/podvet/podvet/rules/pod"
	"github.com/podvet/podvet/rules/policy"
	"github.com/podvet/podvet/test/randpod"
)

const header = "apiVersion: podvet.dev/v1alpha1\nkind: Policy\n"

func setting(t *testing.T, text, rule string) rules.Setting {
	t.Helper()
	p, err := policy.Load(catalogue.All, "p.yaml", []byte(header+text), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range catalogue.All.Rules() {
		if r.ID == rule {
			return p.Settings()[i]
		}
	}
	t.Fatalf("no rule %s", rule)
	return rules.Setting{}
}

func TestSettings(t *testing.T) {
	for _, c := range []struct {
		text, rule string
		level      rules.Level
		fix        rules.FixMode
	}{
		{"", "no-startup-probe", rules.Warn, rules.DefaultFix},
		{"profile: minimal", "no-startup-probe", rules.Off, rules.NoFix},
		{"profile: strict", "no-startup-probe", rules.Deny, rules.DefaultFix},
		{"fixes: false", "no-startup-probe", rules.Warn, rules.NoFix},
		{"rules: {no-startup-probe: {fix: false}}", "no-startup-probe", rules.Warn, rules.NoFix},
		{"rules: {no-startup-probe: {fix: true}}", "no-startup-probe", rules.Warn, rules.AskedFix},
		{"rules: {no-startup-probe: {level: off}}", "no-startup-probe", rules.Off, rules.NoFix},
		{"rules: {no-startup-probe: {level: off, fix: true}}", "no-startup-probe", rules.Off, rules.AskedFix},
		{"profile: minimal\nrules: {no-startup-probe: {level: audit}}",
			"no-startup-probe", rules.Audit, rules.DefaultFix},
		{"rules: {startup-budget-too-short: {fix: true}}", "startup-budget-too-short", rules.Warn, rules.AskedFix},
		{"", "startup-budget-too-short", rules.Warn, rules.NoFix},
		{"mode: warn", "probe-port-unresolved", rules.Deny, rules.NoFix}, // the plan caps it
		{"mode: off", "probe-port-unresolved", rules.Off, rules.NoFix},
		{"mode: off\nrules: {no-startup-probe: {fix: true}}", "no-startup-probe", rules.Off, rules.NoFix},
	} {
		got := setting(t, c.text, c.rule)
		if got.Level != c.level || got.Fix != c.fix {
			t.Errorf("%q: %s has level %s and fix %d, want %s and %d",
				c.text, c.rule, got.Level, got.Fix, c.level, c.fix)
		}
	}
}

// TestParamsKeepOtherDefaults: a policy names only what it changes.
func TestParamsKeepOtherDefaults(t *testing.T) {
	keys := "rules: {no-startup-probe: {params: {minBootSeconds: 0}}}"
	got := fmt.Sprintf("%+v", setting(t, keys, "no-startup-probe").Params)
	want := "{MinBootSeconds:0 AcceleratedMinBootSeconds:300 BudgetSeconds:300 AcceleratedBudgetSeconds:1800 " +
		"PeriodSeconds:3}"
	if got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestDefaultPolicy: the text that people start from is what is in force without one.
func TestDefaultPolicy(t *testing.T) {
	built, err := policy.Load(catalogue.All, "default", []byte(header), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(built.Settings(), policy.Default(catalogue.All).Settings()); diff != "" {
		t.Errorf("(-a bare header +default.yaml):\n%s", diff)
	}
	bare, def := ruling(built, "", "Pod", nil, nil), ruling(policy.Default(catalogue.All), "", "Pod", nil, nil)
	if bare.Workloads != def.Workloads || bare.Mode != def.Mode {
		t.Errorf("%+v and %+v", bare, def)
	}
	for _, name := range rules.DefaultInjected {
		if !strings.Contains(string(policy.DefaultText), "- "+name+"\n") {
			t.Errorf("default.yaml does not list %s", name)
		}
	}
}

// FuzzLoad: a text is a policy or has mistakes, in a file as in a cluster, and a policy can judge.
func FuzzLoad(f *testing.F) {
	f.Add(string(policy.DefaultText))
	f.Add(header + "rules:\n" +
		"  no-readiness-probe: {fix: true, params: {template: {portName: http, probe: {httpGet: {port: http}}}}}\n")
	f.Add(header + "injectedContainers: &a [*a]\n")
	f.Add(allKeys)
	f.Add(header + "rules: {no-readiness-probe: &a {fix: true}, no-liveness-probe: *a, bare-pod: *a}\n")
	f.Add(header + "rules: {<<: {bare-pod: {level: off}}}\n")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := policy.Load(catalogue.All, "p.yaml", []byte(text), time.Now())
		if (p == nil) == (err == nil) {
			t.Errorf("policy %v, error %v", p, err)
		}
		if err != nil && strings.TrimSpace(err.Error()) == "" {
			t.Error("an error without a word")
		}
		shared, unknown, sharedErr := policy.LoadShared(catalogue.All, "p.yaml", []byte(text), time.Now())
		if (shared == nil) == (sharedErr == nil) || err == nil && (sharedErr != nil || len(unknown) > 0) {
			t.Errorf("alone %v, in a cluster %v, unknown %v", err, sharedErr, unknown)
		}
		if shared != nil {
			use(t, shared)
		}
	})
}

// use has a policy judge and fix pods.
func use(t *testing.T, p *policy.Policy) {
	generator := randpod.New(1)
	for range 3 {
		random := generator.Pod()
		random.Namespace = "pay-1"
		subject, ok := pod.Read(random)
		if !ok {
			t.Fatal("a pod is not judged")
		}
		ruling := p.For(subject, map[string]string{"team": "a", "podvet.dev/mode": "enforce"})
		rules.Vet(subject, ruling.Plan)
	}
}

// TestWithProfile: another profile in place of the policy's own is as if it were written.
func TestWithProfile(t *testing.T) {
	strict, err := policy.Load(catalogue.All, "x", []byte(header+"profile: strict"), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	changed := policy.Default(catalogue.All).WithProfile(rules.Strict)
	if diff := cmp.Diff(strict.Settings(), changed.Settings()); diff != "" {
		t.Error(diff)
	}
}

// TestParameterTypes: every parameter of every rule can be read, is named and says what it means.
func TestParameterTypes(t *testing.T) {
	for _, rule := range catalogue.All.Rules() {
		for _, p := range catalogue.Parameters(rule) {
			if p.Name == "" || p.Meaning == "" {
				t.Errorf("%s: parameter %+v", rule.ID, p)
			}
			for _, value := range []string{"1", "true", "text", "[a]", "{a: [b]}"} { // a type without a decoder panics
				_ = mistakes(t, fmt.Sprintf("%srules:\n  %s: {params: {%s: %s}}\n", header, rule.ID, p.Name, value))
			}
		}
	}
}
