package policy_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/pod"
)

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
	docker := corev1.Container{Name: "worker-1", Image: "docker.io/registry.example/vendor/x"}
	web := corev1.Container{Name: "web", Image: "registry.example/vendor/web:2"}
	own := podIn("own", nil)
	own.Meta.Annotations = map[string]string{"podvet.dev/exempt": "no-readiness-probe, no-liveness-probe: prototype"}
	silent := podIn("own", nil)
	silent.Meta.Annotations = map[string]string{"podvet.dev/exempt": "no-readiness-probe"}
	elsewhere := podIn("x", nil)
	elsewhere.Meta.Annotations = own.Meta.Annotations
	all := []string{"deny no-readiness-probe/app", "warn no-liveness-probe/app", "warn bare-pod/"}
	for _, c := range []struct {
		name string
		now  time.Time
		s    *pod.Subject
		want []string
	}{
		{"one of two containers", now, podIn("batch", nil, worker, web),
			[]string{"audit no-readiness-probe/worker-1 (exempt: queue workers, no Service)",
				"deny no-readiness-probe/web",
				"warn no-liveness-probe/worker-1", "warn no-liveness-probe/web", "warn bare-pod/"}},
		{"its last day is over", now.Add(time.Second), podIn("batch", nil, worker),
			[]string{"warn no-readiness-probe/worker-1 (exemption expired on 2027-03-01)",
				"warn no-liveness-probe/worker-1", "warn bare-pod/"}},
		{"another namespace", now, podIn("batch2", nil, worker),
			[]string{"deny no-readiness-probe/worker-1", "warn no-liveness-probe/worker-1", "warn bare-pod/"}},
		{"another image", now, podIn("batch", nil, docker),
			[]string{"deny no-readiness-probe/worker-1", "warn no-liveness-probe/worker-1", "warn bare-pod/"}},
		{"all rules", now, podIn("x", map[string]string{"legacy": "yes"}),
			[]string{"audit no-readiness-probe/app (exempt: to be replaced)",
				"audit no-liveness-probe/app (exempt: to be replaced)", "audit bare-pod/ (exempt: to be replaced)"}},
		{"the pod as a whole", now, podIn("debug-1", nil), []string{"deny no-readiness-probe/app",
			"warn no-liveness-probe/app", "audit bare-pod/ (exempt: debugging)"}},
		{"by its own annotation", now, own, []string{"audit no-readiness-probe/app (exempt: prototype)",
			"audit no-liveness-probe/app (exempt: prototype)", "warn bare-pod/"}},
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
	for _, c := range []struct{ annotation, want string }{
		{"bare-pod: debugging", ""},
		{"bare-pod", `annotation podvet.dev/exempt is not honoured, because its reason is empty: ` +
			`write "rule-a,rule-b: reason"`},
		{"bare-pot,bare-pod: debugging",
			`annotation podvet.dev/exempt: there is no rule "bare-pot" (did you mean bare-pod?)`},
		{"bare-pod: " + strings.Repeat("x", 5000),
			"annotation podvet.dev/exempt is not honoured: it is longer than 4096 bytes"},
		{"bare-pod: two\nlines", `annotation podvet.dev/exempt is not honoured, because its reason has a line ` +
			`break or a control character: write "rule-a,rule-b: reason"`},
	} {
		s := podIn("x", nil)
		s.Meta.Annotations = map[string]string{"podvet.dev/exempt": c.annotation}
		if got := strings.Join(p.For(s, nil).Notes, "\n"); got != c.want {
			t.Errorf("%q: %s", c.annotation, got)
		}
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
		p := load(t, "exemptions: [{rules: [no-startup-probe], match: {containers: [app]}, reason: r"+expires+"}]",
			time.Now())
		for name, want := range map[string]int{"app": 0, "other": 1} {
			s := podIn("x", nil, corev1.Container{Name: name, Image: "i"})
			probe := corev1.Probe{ProbeHandler: corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{}},
				PeriodSeconds: 10, TimeoutSeconds: 1, FailureThreshold: 3, SuccessThreshold: 1}
			probe.TCPSocket.Port.IntVal = 80
			s.Containers[0].LivenessProbe, s.Containers[0].ReadinessProbe = &probe, &probe
			if fixed := rules.Fix(s, p.For(s, nil).Plan).Fixed; len(fixed) != want {
				t.Errorf("%s%s: fixed %v", name, expires, fixed)
			}
		}
	}
}

// TestLinesAreShort also with an exemption's note.
func TestLinesAreShort(t *testing.T) {
	p := load(t, "exemptions: [{rules: [\"*\"], reason: "+strings.Repeat("long ", 100)+"}]", time.Now())
	s := podIn("x", nil, corev1.Container{Name: strings.Repeat("n", 63), Image: "i"})
	for _, f := range rules.Judge(s, p.For(s, nil).Plan) {
		if line := f.String(); len([]rune(line)) > rules.MaxLine || !strings.HasSuffix(line, "…) ["+f.Rule.ID+"]") {
			t.Errorf("%d characters: %s", len([]rune(line)), line)
		}
	}
}

func TestPatterns(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"a", "a", true}, {"a", "ab", false}, {"*", "", true}, {"*", "a/b", true}, {"a*", "a", true},
		{"a*b", "ab", true}, {"a*b", "aXb", true}, {"a*b", "a", false}, {"a*a", "a", false},
		{"*b*", "abc", true}, {"*b*", "ac", false}, {"a*b*c", "a-b-b-c", true}, {"a*bc*c", "abc", false},
		{"registry.example/vendor/*", "registry.example/vendor/a/b:1", true},
		{"registry.example/vendor/*", "registryXexample/vendor/a", false},
		{"*@sha256:*", "i@sha256:00", true}, {"**", "x", true}, {"*a", "ba", true}, {"*a", "ab", false},
	} {
		p := load(t, "exemptions: [{rules: [\"*\"], match: {images: [\""+c.pattern+"\"]}, reason: r}]", time.Now())
		s := podIn("x", nil, corev1.Container{Name: "app", Image: c.name})
		if got := strings.Contains(strings.Join(found(p, s, nil), " "), "exempt"); got != c.want {
			t.Errorf("%s and %s: %v", c.pattern, c.name, got)
		}
	}
}

// TestExemptionsSilenceNoOtherRule: a rule yields to a finding that is at least as loud, and to no other.
func TestExemptionsSilenceNoOtherRule(t *testing.T) {
	s := podIn("x", nil)
	probe := corev1.Probe{ProbeHandler: corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{}}, PeriodSeconds: 30,
		TimeoutSeconds: 1, FailureThreshold: 3, SuccessThreshold: 1}
	probe.TCPSocket.Port.IntVal = 80
	s.Containers[0].LivenessProbe = &probe
	for _, c := range []struct{ text, want string }{
		{"profile: strict", "deny liveness-without-readiness/app"},
		{"profile: strict\nexemptions: [{rules: [liveness-without-readiness], reason: r}]",
			"audit liveness-without-readiness/app (exempt: r) deny no-readiness-probe/app"},
		{"profile: strict\nrules: {liveness-without-readiness: {level: \"off\"}}", "deny no-readiness-probe/app"},
	} {
		var got []string
		for _, line := range sorted(found(load(t, c.text, time.Now()), s, nil)) {
			if strings.Contains(line, "readiness") {
				got = append(got, line)
			}
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %q", c.text, got)
		}
	}
}
