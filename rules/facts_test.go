package rules_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/policy"
)

func TestFormulas(t *testing.T) {
	for _, c := range []struct{ d, p, timeout, f, guaranteed, worst, refused int64 }{
		{0, 10, 1, 30, 290, 301, 300}, // the well-known example
		{0, 10, 1, 3, 20, 31, 30},     // the defaults
		{0, 5, 30, 3, 10, 95, 15},     // a timeout above the period stretches it
		{30, 10, 1, 3, 50, 61, 60},
		{0, 10, 1, 2147483647, 21474836460, 21474836471, 21474836470},
	} {
		p := rules.Probe{Probe: &corev1.Probe{InitialDelaySeconds: int32(c.d), PeriodSeconds: int32(c.p), TimeoutSeconds: int32(c.timeout), FailureThreshold: int32(c.f)}}
		if p.Guaranteed() != c.guaranteed || p.Worst() != c.worst || p.Refused() != c.refused {
			t.Errorf("%+v: guaranteed %d, worst %d, refused %d", c, p.Guaranteed(), p.Worst(), p.Refused())
		}
	}
}

// finds judges a pod by one rule of the strict profile and returns its messages.
func finds(t *testing.T, rule, yaml string) []string {
	t.Helper()
	return findingsOf(rules.Lookup(rule), rules.Judge(parseSubject(t, yaml, yaml), rules.ProfilePlan(rules.Strict)))
}

func TestPreStopSleeps(t *testing.T) {
	for command, sleeps := range map[string]string{
		`[sleep, "25"]`: "25", `[sleep, 25s]`: "25", `[/bin/sleep, "25"]`: "25", `[sleep, "25.5"]`: "", `[sleep, 25m]`: "", `[sleep, "25", "5"]`: "", `[sleep]`: "",
		`[sh, -c, sleep 25]`: "25", `[/bin/bash, -c, "sleep 25; x"]`: "25", `[ash, -c, sleep 25 && x]`: "25", `[dash, -c, "sleep 25||x"]`: "25",
		`[sh, -c, "  sleep 25s\nx"]`: "25", `[sh, -c, "\n/usr/bin/sleep 25"]`: "25", `[sh, -c, "sleep 25 ; x"]`: "25",
		`[sh, -c, sleep 25 & x]`: "", `[sh, -c, "sleep 25 | x"]`: "", `[sh, -c, x; sleep 25]`: "", `[sh, -c, "true||/bin/sleep 25"]`: "", `[sh, -c, "#/sleep 25"]`: "",
		`[sh, -ec, sleep 25]`: "", `[zsh, -c, sleep 25]`: "", `[sh, sleep 25]`: "", `[sh, -c, sleepy 25]`: "", `[sleep, "0"]`: "",
		`[sleep, "99999999999999999999"]`: "1099511627776",
	} {
		got := finds(t, "prestop-exceeds-grace", "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: app, image: i, lifecycle: {preStop: {exec: {command: "+command+"}}}}]}")
		want := sleeps != ""
		if (len(got) > 0) != want || want && !strings.Contains(got[0], "sleeps "+sleeps+" s of 30 s grace") {
			t.Errorf("%s: %q", command, got)
		}
	}
	// In a template a negative grace stays as written and counts as 1.
	template := "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: w}\nspec: {template: {spec: {terminationGracePeriodSeconds: -5, containers: [{name: app, image: i, lifecycle: {preStop: {exec: {command: [sleep, \"5\"]}}}}]}}}"
	if got := finds(t, "prestop-exceeds-grace", template); len(got) != 1 || !strings.Contains(got[0], "of 1 s grace") {
		t.Errorf("negative grace: %q", got)
	}
}

// TestSameHandler: every part of a handler counts.
func TestSameHandler(t *testing.T) {
	pair := func(live, ready string) string {
		return "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: app, image: i, ports: [{name: http, containerPort: 80}], livenessProbe: {" + live + "}, readinessProbe: {" + ready + "}}]}"
	}
	for _, same := range [][2]string{
		{"httpGet: {port: 80}", "httpGet: {path: /, port: http, scheme: HTTP}"},
		{"tcpSocket: {port: 80}", "tcpSocket: {port: http}"},
		{"grpc: {port: 80}", `grpc: {port: 80, service: ""}`},
		{"exec: {command: [a, b]}", "exec: {command: [a, b]}"},
		{"httpGet: {port: 80, httpHeaders: [{name: A, value: b}]}", "httpGet: {port: 80, httpHeaders: [{name: A, value: b}]}"},
	} {
		if len(finds(t, "liveness-equals-readiness", pair(same[0], same[1]))) != 1 {
			t.Errorf("%v are not seen as the same", same)
		}
	}
	for _, other := range [][2]string{
		{"httpGet: {port: 80}", "httpGet: {port: 81}"}, {"httpGet: {port: 80}", "httpGet: {port: 80, path: /x}"},
		{"httpGet: {port: 80}", "httpGet: {port: 80, scheme: HTTPS}"}, {"httpGet: {port: 80}", "httpGet: {port: 80, host: x}"},
		{"httpGet: {port: 80}", "httpGet: {port: 80, httpHeaders: [{name: A, value: b}]}"}, {"httpGet: {port: 80}", "tcpSocket: {port: 80}"},
		{"tcpSocket: {port: 80}", "tcpSocket: {port: 80, host: x}"}, {"grpc: {port: 80}", "grpc: {port: 80, service: x}"},
		{"grpc: {port: 80}", "grpc: {port: 81}"}, {"exec: {command: [a, b]}", "exec: {command: [a]}"},
		{"tcpSocket: {port: nowhere}", "tcpSocket: {port: nowhere}"},
	} {
		if got := finds(t, "liveness-equals-readiness", pair(other[0], other[1])); len(got) > 0 {
			t.Errorf("%v: %q", other, got)
		}
	}
}

// TestKillBeforeUnready holds the rule against the formula, with every duration of a failing answer tried.
func TestKillBeforeUnready(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	numbers := func() (p, timeout, f int64) { return 1 + r.Int64N(12), 1 + r.Int64N(15), 1 + r.Int64N(6) }
	found := 0
	for range 3000 {
		lp, lt, lf := numbers()
		rp, rt, rf := numbers()
		before := false
		for d := 0.0; d <= 16; d += 0.5 {
			l, u := min(d, float64(lt)), min(d, float64(rt))
			before = before || float64(lf-1)*max(float64(lp), l)+l < float64(rp)+float64(rf-1)*max(float64(rp), u)+u
		}
		probe := func(p, timeout, f int64) string {
			return fmt.Sprintf("{tcpSocket: {port: 80}, periodSeconds: %d, timeoutSeconds: %d, failureThreshold: %d}", p, timeout, f)
		}
		got := finds(t, "liveness-equals-readiness", "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: app, image: i, livenessProbe: "+probe(lp, lt, lf)+", readinessProbe: "+probe(rp, rt, rf)+"}]}")
		if (len(got) > 0) != before {
			t.Fatalf("liveness P%d T%d F%d, readiness P%d T%d F%d: kill first %v, found %q", lp, lt, lf, rp, rt, rf, before, got)
		}
		if before {
			found++
		}
	}
	if found < 300 || found > 2700 {
		t.Errorf("%d of 3000 are found", found)
	}
}

// TestWhenNothingIsAdded: the conditions of the startupProbe that podvet adds, one by one.
func TestWhenNothingIsAdded(t *testing.T) {
	const sound = "ports: [{name: http, containerPort: 8080}], livenessProbe: {httpGet: {port: http}}, readinessProbe: {tcpSocket: {port: http}}"
	change := func(from, to string) string { return strings.Replace(sound, from, to, 1) }
	for name, c := range map[string]struct {
		fields, policy string
		added          bool
	}{
		"sound":                 {sound, "", true},
		"a number not declared": {change("{port: http}", "{port: 9999}"), "", true},
		"UDP only":              {change("containerPort: 8080", "containerPort: 8080, protocol: UDP"), "", false},
		"UDP and TCP":           {change("ports: [", "ports: [{containerPort: 8080, protocol: UDP}, "), "", true},
		"not declared":          {change("{port: http}", "{port: nowhere}"), "", false},
		"no readinessProbe":     {strings.Split(sound, ", readinessProbe")[0], "", false},
		"T > P":                 {change("{httpGet: {port: http}}", "{httpGet: {port: http}, timeoutSeconds: 11}"), "", false},
		"T = P":                 {change("{httpGet: {port: http}}", "{httpGet: {port: http}, timeoutSeconds: 10}"), "", true},
		"guaranteed enough":     {change("{httpGet: {port: http}}", "{httpGet: {port: http}, failureThreshold: 6}"), "", false},
		"less than liveness":    {sound, "rules: {no-startup-probe: {params: {budgetSeconds: 30}}}", false}, // worst 31
		"just as liveness":      {sound, "rules: {no-startup-probe: {params: {budgetSeconds: 31}}}", true},
		"refused anyway":        {change("{httpGet: {port: http}}", "{httpGet: {port: http, scheme: FTP}}"), "", false},
		"run to completion":     {sound + ", restartPolicy: OnFailure", "", false},
	} {
		p, err := policy.Load("p", []byte("apiVersion: podvet.dev/v1alpha1\nkind: Policy\n"+c.policy), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		subject := parseSubject(t, name, "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: app, image: i, "+c.fields+"}]}")
		fixed, repaired := rules.Fix(subject, p.Plan())
		if (len(fixed) > 0) != c.added || (repaired.Spec.Containers[0].StartupProbe != nil) != c.added {
			t.Errorf("%s: fixed %v", name, fixed)
		}
	}
}

// TestFixesSettle: one fix may make room for an earlier one; a second run finds nothing to do.
func TestFixesSettle(t *testing.T) {
	p, err := policy.Load("p", []byte("apiVersion: podvet.dev/v1alpha1\nkind: Policy\nrules: {startup-budget-too-short: {fix: true, params: {minSeconds: 600}}, no-startup-probe: {fix: true}}"), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	subject := parseSubject(t, "p", "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: app, image: i, livenessProbe: {httpGet: {port: 80}}, readinessProbe: {tcpSocket: {port: 80}}}]}")
	fixed, repaired := rules.Fix(subject, p.Plan())
	if got := fmt.Sprint(fixed); got != "[startup-budget-too-short/app no-startup-probe/app]" {
		t.Errorf("fixed %s", got)
	}
	if probe := (rules.Probe{Probe: repaired.Spec.Containers[0].StartupProbe}); probe.Guaranteed() != 600 {
		t.Errorf("guarantees %d s", probe.Guaranteed())
	}
}

// TestLeftAlone: pods that only look as if a rule were about them.
func TestLeftAlone(t *testing.T) {
	for name, c := range map[string]struct {
		yaml string
		want []string
	}{
		"an Always container of a Job is not long-running": {"apiVersion: batch/v1\nkind: Job\nmetadata: {name: j}\nspec: {template: {spec: {restartPolicy: Never, containers: [{name: app, image: i, restartPolicy: Always, ports: [{containerPort: 80}]}]}}}",
			[]string{"job-container-restart-always"}},
		"the mirror annotation on a template says nothing": {"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: w}\nspec: {template: {metadata: {annotations: {kubernetes.io/config.mirror: x}}, spec: {containers: [{name: app, image: i, startupProbe: {tcpSocket: {port: x}, failureThreshold: 9}}]}}}",
			[]string{"no-liveness-probe", "probe-port-unresolved"}},
		"a budget of just what is asked": {"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: w}\nspec: {template: {spec: {containers: [{name: app, image: i, startupProbe: {tcpSocket: {port: 80}, periodSeconds: 5, failureThreshold: 6}, livenessProbe: {tcpSocket: {port: 80}}}]}}}", nil},
	} {
		var got []string
		for _, f := range rules.Judge(parseSubject(t, name, c.yaml), rules.ProfilePlan(rules.Strict)) {
			got = append(got, f.Rule.ID)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	udp := "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: app, image: i, ports: [{name: http, containerPort: 80, protocol: UDP}]}]}"
	everything, err := policy.Load("p", []byte(fixEverything), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if fixed, _ := rules.Fix(parseSubject(t, "udp", udp), everything.Plan()); len(fixed) > 0 {
		t.Errorf("a template for a TCP port is injected for a UDP port: %v", fixed)
	}
}

// TestLongNamesCostNoAdvice: with the longest name there can be, a message keeps both ends of the name and its advice.
func TestLongNamesCostNoAdvice(t *testing.T) {
	name := "checkout-" + strings.Repeat("x", 48) + "-worker"[:6]
	for _, rule := range rules.Catalogue() {
		for _, file := range badFixtures(t, rule) {
			subject, _ := readFixture(t, file)
			for _, f := range rules.Judge(subject, fixturePlan(t, rule)) {
				if f.Rule != rule || f.Container == "" {
					continue
				}
				f.Container = name
				line := f.String()
				if utf8.RuneCountInString(line) > rules.MaxLine || !strings.Contains(line, `"checkout`) || !strings.Contains(line, `-worke": `) || !strings.HasSuffix(line, f.Text+" ["+rule.ID+"]") {
					t.Errorf("%s: %s", file, line)
				}
			}
		}
	}
}

// TestManyContainers: a pod of more containers than anybody runs is judged and not repaired, for each attempt to repair
// judges all of it.
func TestManyContainers(t *testing.T) {
	plan := rules.ProfilePlan(rules.Recommended)
	probe := corev1.Probe{ProbeHandler: corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromInt32(80)}}}
	for n, repaired := range map[int]bool{100: true, 101: false} {
		pod := &corev1.Pod{}
		for i := range n {
			pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{Name: "c" + strconv.Itoa(i), Image: "i",
				Ports: []corev1.ContainerPort{{ContainerPort: 80}}, LivenessProbe: probe.DeepCopy(), ReadinessProbe: probe.DeepCopy()})
		}
		rules.Default(pod)
		s, _ := rules.SubjectOf(pod)
		if fixed, _ := rules.Fix(s, plan); len(fixed) > 0 != repaired {
			t.Errorf("%d containers: %d fixes", n, len(fixed))
		}
		if findings := rules.Judge(s, plan); len(findings) < n {
			t.Errorf("%d containers: %d findings", n, len(findings))
		}
	}
}
