package policy_test

import (
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/policy"
)

func load(t testing.TB, text string, now time.Time) *policy.Policy {
	t.Helper()
	p, err := policy.Load("p.yaml", []byte(header+text), now)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// pod is one with a container that has a port and no probe: no-readiness-probe warns in the recommended profile,
// and denies in strict; bare-pod is audit and warn.
func pod(namespace string, labels map[string]string, containers ...corev1.Container) *rules.Subject {
	if containers == nil {
		containers = []corev1.Container{{Name: "app", Image: "registry.example/app:1"}}
	}
	for i := range containers {
		containers[i].Ports = []corev1.ContainerPort{{ContainerPort: 80, Protocol: corev1.ProtocolTCP}}
	}
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "p", Labels: labels},
		Spec: corev1.PodSpec{RestartPolicy: corev1.RestartPolicyAlways, Containers: containers}}
	s, _ := rules.SubjectOf(p)
	return s
}

func ruling(p *policy.Policy, namespace, kind string, namespaceLabels, podLabels map[string]string) policy.Ruling {
	s := pod(namespace, podLabels)
	s.OwnerKind = kind
	return p.For(s, namespaceLabels)
}

func found(p *policy.Policy, s *rules.Subject, namespaceLabels map[string]string) []string {
	list := []string{}
	for _, f := range rules.Judge(s, p.For(s, namespaceLabels).Plan) {
		line := f.Level.String() + " " + f.Rule.ID + "/" + f.Container
		if f.Exempt != nil {
			line += " (" + f.Exempt.String() + ")"
		}
		list = append(list, line)
	}
	return list
}

func TestScopes(t *testing.T) {
	type labels = map[string]string
	p := load(t, `
mode: warn
rules:
  startup-budget-too-short: {params: {minSeconds: 40}}
scopes:
- name: payments
  match: {namespaces: [pay-*, "*-money"]}
  profile: strict
  mode: enforce
- name: team a
  match: {namespaceSelector: {matchLabels: {team: a}}, kinds: [Job, CronJob]}
  profile: minimal
- name: canary
  match: {podSelector: {matchExpressions: [{key: track, operator: In, values: [canary]}]}}
  rules: {no-readiness-probe: {level: "off"}}
- name: no tests
  match: {namespaceSelector: {matchExpressions: [{key: env, operator: NotIn, values: [test]}]}, namespaces: [live]}
  workloads: deny
- name: quiet
  match: {namespaces: [quiet]}
  mode: "off"
`, time.Now())
	for _, c := range []struct {
		name, namespace, kind      string
		namespaceLabels, podLabels labels
		mode                       policy.Mode
		workloads                  policy.Workloads
		want                       []string
	}{
		{"everyone", "x", "Pod", nil, nil, "warn", "warn", []string{"audit bare-pod/", "warn no-readiness-probe/app"}},
		{"by pattern", "pay-in", "Pod", nil, nil, "enforce", "warn", []string{"warn bare-pod/", "warn no-liveness-probe/app", "deny no-readiness-probe/app"}},
		{"by its end", "my-money", "Pod", nil, nil, "enforce", "warn", []string{"warn bare-pod/", "warn no-liveness-probe/app", "deny no-readiness-probe/app"}},
		{"no pattern", "xpay-in", "Pod", nil, nil, "warn", "warn", []string{"audit bare-pod/", "warn no-readiness-probe/app"}},
		{"both selectors", "x", "Job", labels{"team": "a"}, nil, "warn", "warn", []string{}},
		{"only one of two", "x", "Deployment", labels{"team": "a"}, nil, "warn", "warn", []string{"audit bare-pod/", "warn no-readiness-probe/app"}},
		{"the last profile wins", "pay-in", "CronJob", labels{"team": "a"}, nil, "enforce", "warn", []string{}},
		{"by a label of the pod", "pay-in", "Pod", nil, labels{"track": "canary"}, "enforce", "warn", []string{"warn bare-pod/", "warn no-liveness-probe/app"}},
		{"a label that is not there", "live", "Pod", nil, nil, "warn", "deny", []string{"audit bare-pod/", "warn no-readiness-probe/app"}},
		{"a label that is empty", "live", "Pod", labels{"env": ""}, nil, "warn", "deny", []string{"audit bare-pod/", "warn no-readiness-probe/app"}},
		{"a label that forbids", "live", "Pod", labels{"env": "test"}, nil, "warn", "warn", []string{"audit bare-pod/", "warn no-readiness-probe/app"}},
		{"off", "quiet", "Pod", nil, nil, "off", "warn", []string{}},
		{"the namespace's mode over a scope's", "quiet", "Pod", labels{"podvet.dev/mode": "audit"}, nil, "audit", "warn", []string{"audit bare-pod/", "audit no-readiness-probe/app"}},
		{"the namespace's mode over the document's", "x", "Pod", labels{"podvet.dev/mode": "off"}, nil, "off", "warn", []string{}},
		{"a mode that is none", "x", "Pod", labels{"podvet.dev/mode": "strict"}, nil, "warn", "warn", []string{"audit bare-pod/", "warn no-readiness-probe/app"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for range 2 { // the second time from the cache
				s := pod(c.namespace, c.podLabels)
				s.OwnerKind = c.kind
				got := p.For(s, c.namespaceLabels)
				if got.Mode != c.mode || got.Workloads != c.workloads {
					t.Errorf("mode %s, workloads %s", got.Mode, got.Workloads)
				}
				if diff := cmp.Diff(sorted(c.want), sorted(found(p, s, c.namespaceLabels))); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			}
		})
	}
}

// TestScopesMergeParams: field by field, over the document's and over each other.
func TestScopesMergeParams(t *testing.T) {
	p := load(t, `
rules:
  no-startup-probe: {params: {minBootSeconds: 60, budgetSeconds: 100}}
scopes:
- match: {namespaces: [a, b]}
  rules: {no-startup-probe: {params: {budgetSeconds: 200}}}
- match: {namespaces: [b]}
  rules: {no-startup-probe: {level: deny, params: {periodSeconds: 7}}}
`, time.Now())
	for namespace, want := range map[string]string{"x": "F=35", "a": "F=68", "b": "F=30"} {
		s := pod(namespace, nil)
		c := s.Containers[0].Container
		probe := corev1.Probe{ProbeHandler: corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{}}, PeriodSeconds: 10, TimeoutSeconds: 1, FailureThreshold: 3, SuccessThreshold: 1}
		probe.TCPSocket.Port.IntVal = 80
		c.LivenessProbe, c.ReadinessProbe = &probe, &probe
		result := rules.Vet(s, p.For(s, nil).Plan)
		startup := result.Spec.Containers[0].StartupProbe
		if startup == nil {
			t.Fatalf("%s: nothing added, %v", namespace, result.Findings)
		}
		if got := fmt.Sprintf("F=%d", startup.FailureThreshold); got != want {
			t.Errorf("%s: %s, want %s (P=%d)", namespace, got, want, startup.PeriodSeconds)
		}
	}
}

func TestExemptions(t *testing.T) {
	now := time.Date(2027, 2, 28, 23, 59, 59, 0, time.UTC)
	const text = `
profile: strict
scopes:
- match: {namespaces: [own]}
  allowPodExemptions: true
exemptions:
- rules: [no-readiness-probe]
  match: {namespaces: [batch], containers: [worker-*], images: ["registry.example/vendor/*"]}
  reason: queue workers, no Service
  expires: 2027-03-01
- rules: ["*"]
  match: {podSelector: {matchLabels: {legacy: "yes"}}}
  reason: to be replaced
- rules: [bare-pod]
  match: {kinds: [Pod], namespaces: [debug-*]}
  reason: debugging
`
	worker := corev1.Container{Name: "worker-1", Image: "registry.example/vendor/deep/er:2"}
	web := corev1.Container{Name: "web", Image: "registry.example/vendor/web:2"}
	own := pod("own", nil)
	own.Meta.Annotations = map[string]string{"podvet.dev/exempt": "no-readiness-probe, no-liveness-probe: prototype"}
	silent := pod("own", nil)
	silent.Meta.Annotations = map[string]string{"podvet.dev/exempt": "no-readiness-probe"}
	elsewhere := pod("x", nil)
	elsewhere.Meta.Annotations = own.Meta.Annotations
	all := []string{"deny no-readiness-probe/app", "warn no-liveness-probe/app", "warn bare-pod/"}
	for _, c := range []struct {
		name string
		now  time.Time
		s    *rules.Subject
		want []string
	}{
		{"one of two containers", now, pod("batch", nil, worker, web), []string{"audit no-readiness-probe/worker-1 (exempt: queue workers, no Service)", "deny no-readiness-probe/web",
			"warn no-liveness-probe/worker-1", "warn no-liveness-probe/web", "warn bare-pod/"}},
		{"its last day is over", now.Add(time.Second), pod("batch", nil, worker), []string{"warn no-readiness-probe/worker-1 (exemption expired on 2027-03-01)", "warn no-liveness-probe/worker-1", "warn bare-pod/"}},
		{"another namespace", now, pod("batch2", nil, worker), []string{"deny no-readiness-probe/worker-1", "warn no-liveness-probe/worker-1", "warn bare-pod/"}},
		{"another image", now, pod("batch", nil, corev1.Container{Name: "worker-1", Image: "docker.io/registry.example/vendor/x"}), []string{"deny no-readiness-probe/worker-1", "warn no-liveness-probe/worker-1", "warn bare-pod/"}},
		{"all rules", now, pod("x", map[string]string{"legacy": "yes"}), []string{"audit no-readiness-probe/app (exempt: to be replaced)", "audit no-liveness-probe/app (exempt: to be replaced)", "audit bare-pod/ (exempt: to be replaced)"}},
		{"the pod as a whole", now, pod("debug-1", nil), []string{"deny no-readiness-probe/app", "warn no-liveness-probe/app", "audit bare-pod/ (exempt: debugging)"}},
		{"by its own annotation", now, own, []string{"audit no-readiness-probe/app (exempt: prototype)", "audit no-liveness-probe/app (exempt: prototype)", "warn bare-pod/"}},
		{"by its own annotation, without a reason", now, silent, all},
		{"by its own annotation, where that is not allowed", now, elsewhere, all},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := load(t, text, c.now)
			got := found(p, c.s, nil)
			if diff := cmp.Diff(sorted(c.want), sorted(got)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestPodExemptionNotes: what is wrong with a pod's own exemption is said.
func TestPodExemptionNotes(t *testing.T) {
	p := load(t, "allowPodExemptions: true", time.Now())
	for annotation, want := range map[string]string{
		"bare-pod: debugging":                    "",
		"bare-pod":                               `annotation podvet.dev/exempt is not honoured: its reason is empty: say why, for those who read it later: write "rule-a,rule-b: reason"`,
		"bare-pot,bare-pod: debugging":           `annotation podvet.dev/exempt: there is no rule "bare-pot" (did you mean bare-pod?)`,
		"bare-pod: " + strings.Repeat("x", 5000): "annotation podvet.dev/exempt is not honoured: it is longer than 4096 bytes",
		"bare-pod: two\nlines":                   `annotation podvet.dev/exempt is not honoured: its reason has a line break or a control character: write one line: write "rule-a,rule-b: reason"`,
	} {
		s := pod("x", nil)
		s.Meta.Annotations = map[string]string{"podvet.dev/exempt": annotation}
		if got := strings.Join(p.For(s, nil).Notes, "\n"); got != want {
			t.Errorf("%q: %s", annotation, got)
		}
	}
}

// TestUnknownMode: a namespace's label that names no mode is said, and the policy's mode stays.
func TestUnknownMode(t *testing.T) {
	p := load(t, "mode: warn\nallowPodExemptions: true", time.Now())
	s := pod("x", nil)
	s.Meta.Annotations = map[string]string{"podvet.dev/exempt": "bare-pod"}
	for range 2 { // worked out, and kept
		r := p.For(s, map[string]string{"podvet.dev/mode": "enfroce"})
		if r.Mode != policy.ModeWarn || len(r.Notes) != 2 ||
			r.Notes[0] != `namespace "x": label podvet.dev/mode is "enfroce", no mode: write enforce, warn, audit or off: until then its mode is warn` {
			t.Errorf("%s %q", r.Mode, r.Notes)
		}
	}
	if r := p.For(s, map[string]string{"podvet.dev/mode": "off"}); r.Mode != policy.ModeOff || len(r.Notes) != 1 {
		t.Errorf("%s %q", r.Mode, r.Notes)
	}
}

// TestExpiry: whoever holds a policy is told when to compile it again.
func TestExpiry(t *testing.T) {
	const text = `exemptions:
- {rules: [bare-pod], reason: r, expires: 2027-03-01}
- {rules: [bare-pod], reason: r, expires: 2027-02-01}
- {rules: [bare-pod], reason: r, expires: 2027-02-02}
`
	for _, c := range []struct {
		now, until string
		expired    int
	}{
		{"2027-01-31T23:59:59Z", "2027-02-01T00:00:00Z", 0},
		{"2027-02-01T00:00:00Z", "2027-02-02T00:00:00Z", 1},
		{"2027-02-28T00:00:00Z", "2027-03-01T00:00:00Z", 2},
		{"2027-03-01T00:00:00Z", "0001-01-01T00:00:00Z", 3},
	} {
		now, _ := time.Parse(time.RFC3339, c.now)
		p := load(t, text, now)
		if got := p.Until.Format(time.RFC3339); got != c.until || p.Expired != c.expired {
			t.Errorf("at %s: until %s, %d expired, want %s and %d", c.now, got, p.Expired, c.until, c.expired)
		}
	}
}

// TestExemptedFixes are not applied, nor once the exemption has expired: the calendar changes no pod.
func TestExemptedFixes(t *testing.T) {
	for _, expires := range []string{"", ", expires: 2020-01-01"} {
		p := load(t, "exemptions: [{rules: [no-startup-probe], match: {containers: [app]}, reason: r"+expires+"}]", time.Now())
		for name, want := range map[string]int{"app": 0, "other": 1} {
			s := pod("x", nil, corev1.Container{Name: name, Image: "i"})
			probe := corev1.Probe{ProbeHandler: corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{}}, PeriodSeconds: 10, TimeoutSeconds: 1, FailureThreshold: 3, SuccessThreshold: 1}
			probe.TCPSocket.Port.IntVal = 80
			s.Containers[0].LivenessProbe, s.Containers[0].ReadinessProbe = &probe, &probe
			if fixed, _ := rules.Fix(s, p.For(s, nil).Plan); len(fixed) != want {
				t.Errorf("%s%s: fixed %v", name, expires, fixed)
			}
		}
	}
}

// TestUncapped: what a mode hides can be counted.
func TestUncapped(t *testing.T) {
	p := load(t, "profile: strict\nmode: audit", time.Now())
	s := pod("x", nil)
	for _, f := range rules.Judge(s, p.For(s, nil).Plan) {
		if f.Level != rules.Audit || f.Rule.ID == "no-readiness-probe" && f.Uncapped != rules.Deny {
			t.Errorf("%s: %s, uncapped %s", f.Rule.ID, f.Level, f.Uncapped)
		}
	}
}

// TestLinesAreShort also with an exemption's note.
func TestLinesAreShort(t *testing.T) {
	p := load(t, "exemptions: [{rules: [\"*\"], reason: "+strings.Repeat("long ", 100)+"}]", time.Now())
	s := pod("x", nil, corev1.Container{Name: strings.Repeat("n", 63), Image: "i"})
	for _, f := range rules.Judge(s, p.For(s, nil).Plan) {
		if line := f.String(); len([]rune(line)) > rules.MaxLine || !strings.HasSuffix(line, "…) ["+f.Rule.ID+"]") {
			t.Errorf("%d characters: %s", len([]rune(line)), line)
		}
	}
}

// TestSharedPolicy: a rule of another version is no reason to refuse a policy in a cluster.
func TestSharedPolicy(t *testing.T) {
	text := header + "rules:\n  rule-of-tomorrow: {level: deny, params: {x: 1}}\n  bare-pod: {level: deny}\nexemptions:\n- {rules: [rule-of-yesterday, no-readiness-probe], reason: r}\n"
	p, unknown, err := policy.LoadShared("p.yaml", []byte(text), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	want := "p.yaml:4: rules.rule-of-tomorrow: there is no such rule: podvet rules lists them\np.yaml:7: exemptions[0].rules[0]: there is no such rule: podvet rules lists them"
	if diff := cmp.Diff(want, unknown.Error()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"audit no-readiness-probe/app (exempt: r)", "deny bare-pod/"}, sorted(found(p, pod("x", nil), nil))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, _, err := policy.LoadShared("p.yaml", []byte(text+"mode: on\n"), time.Now()); err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("all mistakes are named where there is one: %v", err)
	}
}

func TestPatterns(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"a", "a", true}, {"a", "ab", false}, {"*", "", true}, {"*", "a/b", true}, {"a*", "a", true}, {"a*b", "ab", true}, {"a*b", "aXb", true},
		{"a*b", "a", false}, {"a*a", "a", false}, {"*b*", "abc", true}, {"*b*", "ac", false}, {"a*b*c", "a-b-b-c", true}, {"a*bc*c", "abc", false},
		{"registry.example/vendor/*", "registry.example/vendor/a/b:1", true}, {"registry.example/vendor/*", "registryXexample/vendor/a", false},
		{"*@sha256:*", "i@sha256:00", true}, {"**", "x", true}, {"*a", "ba", true}, {"*a", "ab", false},
	} {
		p := load(t, "exemptions: [{rules: [\"*\"], match: {images: [\""+c.pattern+"\"]}, reason: r}]", time.Now())
		s := pod("x", nil, corev1.Container{Name: "app", Image: c.name})
		if got := strings.Contains(strings.Join(found(p, s, nil), " "), "exempt"); got != c.want {
			t.Errorf("%s and %s: %v", c.pattern, c.name, got)
		}
	}
}

func sorted(list []string) []string { return slices.Sorted(slices.Values(list)) }

// TestAliasesExpandToLittle: a few lines of aliases must not fill the memory of every replica.
func TestAliasesExpandToLittle(t *testing.T) {
	names := make([]string, 100)
	for i := range names {
		names[i] = fmt.Sprint("n", i)
	}
	one := "exemptions:\n- &e {rules: [no-readiness-probe], reason: r, match: {namespaces: [" + strings.Join(names, ",") + "]}}\n"
	if got := mistakes(t, header+one+strings.Repeat("- *e\n", 50)); got != nil {
		t.Errorf("a few aliases: %q", got)
	}
	got := mistakes(t, header+one+strings.Repeat("- *e\n", 9400))
	if len(got) != 1 || !strings.HasSuffix(got[0], "aliases make this too large: write it out") {
		t.Errorf("%d mistakes, %q", len(got), got[:min(len(got), 3)])
	}
	// Parameters are read after the rest, and may be an alias themselves.
	params := "params: &p {template: {portName: http, probe: {httpGet: {path: /, port: http, httpHeaders: [" + strings.Repeat("{name: a, value: b}, ", 500) + "]}}}}"
	got = mistakes(t, header+"rules: {no-readiness-probe: {"+params+"}}\nscopes:\n"+strings.Repeat("- rules: {no-readiness-probe: {params: *p}}\n", 500))
	if len(got) != 1 || !strings.HasSuffix(got[0], "aliases make this too large: write it out") {
		t.Errorf("of parameters: %d mistakes, %q", len(got), got[:min(len(got), 3)])
	}
	if got := mistakes(t, header+"rules: {no-readiness-probe: {"+params+", fix: true}}\nscopes: [{rules: {no-readiness-probe: {params: *p, fix: true}}}]\n"); got != nil {
		t.Errorf("an alias of parameters: %q", got)
	}
}

// TestSelectorMistakes: all of a selector's mistakes are named, each at its line.
func TestSelectorMistakes(t *testing.T) {
	got := mistakes(t, header+`scopes:
- match:
    podSelector:
      matchExpressions:
      - {key: a, operator: in, values: [b]}
      - {key: -a, operator: Exists}
      - {key: a, operator: Exists, values: [b]}
      - {key: a, operator: In}
      matchLabels:
        a: "b c"
`)
	const at = "scopes[0].match.podSelector."
	want := []string{
		"p.yaml:7: " + at + `matchExpressions[0].operator: is "in": write In, NotIn, Exists or DoesNotExist (did you mean In?)`,
		"p.yaml:8: " + at + "matchExpressions[1]: is no label selector: key: Invalid value: \"-a\"",
		"p.yaml:9: " + at + "matchExpressions[2]: is no label selector: values: Invalid value: [\"b\"]: values set must be empty for exists and does not exist",
		"p.yaml:10: " + at + "matchExpressions[3]: is no label selector: values: Invalid value: null: for 'in', 'notin' operators, values set can't be empty",
		"p.yaml:12: " + at + "matchLabels.a: is no label selector: ",
	}
	if len(got) != len(want) {
		t.Fatalf("%q", got)
	}
	for i := range want {
		if !strings.HasPrefix(got[i], want[i]) {
			t.Errorf("%s\nwant %s", got[i], want[i])
		}
	}
}

// TestLabelsThatBeginAlike: one mistake hides no other.
func TestLabelsThatBeginAlike(t *testing.T) {
	for range 8 {
		if got := mistakes(t, header+`scopes: [{match: {podSelector: {matchLabels: {app: "b c", app.kubernetes.io/name: "b c", app2: "b c"}}}}]`); len(got) != 3 {
			t.Fatalf("%q", got)
		}
	}
}

// TestManyNodes: what no list is too long for is still bounded.
func TestManyNodes(t *testing.T) {
	var text strings.Builder
	text.WriteString("scopes:\n")
	for range 3000 {
		text.WriteString("- match: {namespaces: [" + strings.Repeat("a,", 70) + "]}\n")
	}
	got := mistakes(t, header+text.String())
	if len(got) != 1 || !strings.Contains(got[0], "there are more than 200000 values in this policy") {
		t.Errorf("%q", got)
	}
}

// TestOperatorsKinds: what an operator calls its own is no typing mistake.
func TestOperatorsKinds(t *testing.T) {
	if got := mistakes(t, header+"scopes: [{match: {kinds: [TFJob, MXJob, FlinkDeployment, Node, DaemonJob, CloneSet, Workflow]}}]"); got != nil {
		t.Errorf("%q", got)
	}
}

// TestAnotherModeIsAnotherPolicy: what is told of a policy tells them apart.
func TestAnotherModeIsAnotherPolicy(t *testing.T) {
	if warn := policy.Default().WithMode(policy.ModeWarn); warn.Hash == policy.Default().Hash || ruling(warn, "x", "Pod", nil, nil).Mode != policy.ModeWarn {
		t.Errorf("%s", warn.Hash)
	}
}

// TestExemptionsSilenceNoOtherRule: a rule yields to a finding that is at least as loud, and to no other.
func TestExemptionsSilenceNoOtherRule(t *testing.T) {
	s := pod("x", nil)
	probe := corev1.Probe{ProbeHandler: corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{}}, PeriodSeconds: 30, TimeoutSeconds: 1, FailureThreshold: 3, SuccessThreshold: 1}
	probe.TCPSocket.Port.IntVal = 80
	s.Containers[0].LivenessProbe = &probe
	for text, want := range map[string]string{
		"profile: strict": "deny liveness-without-readiness/app",
		"profile: strict\nexemptions: [{rules: [liveness-without-readiness], reason: r}]": "audit liveness-without-readiness/app (exempt: r) deny no-readiness-probe/app",
		"profile: strict\nrules: {liveness-without-readiness: {level: \"off\"}}":          "deny no-readiness-probe/app",
	} {
		var got []string
		for _, line := range sorted(found(load(t, text, time.Now()), s, nil)) {
			if strings.Contains(line, "readiness") {
				got = append(got, line)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %q", text, got)
		}
	}
}

// TestAdviceChangesNothing: what is called superfluous can be left out.
func TestAdviceChangesNothing(t *testing.T) {
	for text, want := range map[string]int{
		"rules: {no-readiness-probe: {level: warn}}":                                                                     1,
		"rules: {no-readiness-probe: {level: warn}}\nscopes: [{match: {namespaces: [pay-*]}, profile: strict}]":          0,
		"scopes: [{rules: {bare-pod: {level: audit}}}]":                                                                  1,
		"scopes: [{profile: strict}, {rules: {bare-pod: {level: audit}}}]":                                               0,
		"scopes: [{rules: {bare-pod: {level: audit}}}, {match: {namespaces: [a]}, rules: {bare-pod: {level: \"off\"}}}]": 0,
	} {
		if got := policy.Advice("p.yaml", []byte(header+text), time.Now(), nil); len(got) != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}

// TestAdviceOfMatches: what is nearly right is told from what is meant for another cluster.
func TestAdviceOfMatches(t *testing.T) {
	namespaces := map[string]map[string]string{"payments": {"tier": "gold"}, "shop": nil, "default": nil}
	for text, want := range map[string]string{
		"scopes: [{match: {namespaces: [payments, shpo]}}]": "p.yaml:3: scopes[0].match.namespaces[1]: this cluster has no namespace shpo (did you mean shop?)",
		// Of another cluster, it seems.
		"scopes: [{match: {namespaces: [payments, warehouse, \"shpo-*\"]}}]": "",
		"scopes: [{match: {namespaces: [warehouse]}}]":                       "p.yaml:3: scopes[0].match.namespaces: warehouse: no namespace of this cluster is meant: is that a typing mistake?",
		"exemptions: [{rules: [bare-pod, no-readiness-probe, \"*\"], match: {containers: [app]}, reason: r}]": "p.yaml:3: exemptions[0].rules[0]: bare-pod is about the pod as a whole, " +
			"never about a container or an image: write an exemption without these for it",
		"exemptions: [{rules: [bare-pod], reason: r}]": "",
	} {
		got := ""
		if advice := policy.Advice("p.yaml", []byte(header+text), time.Now(), namespaces); len(advice) > 0 {
			got = advice.Error()
		}
		if got != want {
			t.Errorf("%s:\n%s", text, got)
		}
	}
}

// TestLongKeysAreNotKept: what a request brings is not validated yet, and must not fill the memory.
func TestLongKeysAreNotKept(t *testing.T) {
	p := load(t, "", time.Now())
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	// Nor what comes of them: the scopes that labels choose.
	var scopes strings.Builder
	scopes.WriteString("scopes:\n")
	for i := range 12 {
		fmt.Fprintf(&scopes, "- match: {podSelector: {matchLabels: {l%d: \"1\"}}}\n", i)
	}
	chosen := load(t, scopes.String()+"- match: {podSelector: {matchExpressions: [{key: long, operator: Exists}]}}\n", time.Now())
	before := heap()
	for i := range 4096 {
		s := pod("x", map[string]string{"long": strings.Repeat("x", 1100)})
		for bit := range 12 {
			if i>>bit&1 == 1 {
				s.Meta.Labels[fmt.Sprint("l", bit)] = "1"
			}
		}
		chosen.For(s, nil)
	}
	if used := int64(heap()) - int64(before); used > 4<<20 {
		t.Errorf("of chosen scopes %d bytes are kept", used)
	}
	runtime.KeepAlive(chosen)
	before = heap()
	for i := range 500 {
		s := pod("x", nil)
		s.OwnerKind = strings.Repeat("k", 100_000) + strconv.Itoa(i)
		p.For(s, nil)
	}
	if used := int64(heap()) - int64(before); used > 10<<20 {
		t.Errorf("%d bytes are kept", used)
	}
	runtime.KeepAlive(p)
}
