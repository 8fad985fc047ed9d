package recommend

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/catalogue"
	"github.com/podvet/podvet/rules/pod"
	"github.com/podvet/podvet/rules/policy"
)

// booted is what is collected of a Deployment whose pods booted in 50 s, a dozen times: they need 69 s.
func booted(t *testing.T, container string, starts int) *Collector {
	t.Helper()
	c, owner := NewCollector(), Owner{"shop", "Deployment", "web"}
	c.Pod(podOf(t, "containers: [{name: app, image: x, ports: [{containerPort: 80}], "+container+"}]"), owner, noon)
	c.boot(owner, starts)
	return c
}

// boot notes starts in 50 s.
func (c *Collector) boot(owner Owner, starts int) {
	app := c.owners[owner].of("app")
	app.spans = append(app.spans, slices.Repeat([]Span{spanOf(50, 0)}, starts)...)
}

// TestAdvice: which numbers fit which probes.
func TestAdvice(t *testing.T) {
	const (
		ready = "readinessProbe: {httpGet: {path: /, port: 80}}, "
		http  = "httpGet: {path: /, port: 80}"
	)
	for name, c := range map[string]struct{ container, want string }{
		"a livenessProbe kills": {ready + "livenessProbe: {" + http + "}", "startupProbe 3x24"},
		"by exec": {ready + "livenessProbe: {exec: {command: [check]}}",
			"livenessProbe.initialDelaySeconds 50"},
		"a livenessProbe lets live": {ready + "livenessProbe: {failureThreshold: 9, " + http + "}", ""},
		"with a delay that it needs": {
			ready + "livenessProbe: {initialDelaySeconds: 60, " + http + "}", ""},
		"with a delay that it needs not": {
			ready + "livenessProbe: {initialDelaySeconds: 60, failureThreshold: 9, " + http + "}",
			"livenessProbe.initialDelaySeconds 0"},
		"a startupProbe kills": {ready + "startupProbe: {failureThreshold: 3, " + http + "}",
			"startupProbe.failureThreshold 8"},
		"with a delay": {ready + "startupProbe: {failureThreshold: 3, initialDelaySeconds: 20, " + http + "}",
			"startupProbe.failureThreshold 6"},
		"a startupProbe lets live": {ready + "startupProbe: {failureThreshold: 9, " + http + "}", ""},
		"for far too long": {ready + "startupProbe: {failureThreshold: 90, " + http + "}",
			"startupProbe.failureThreshold 8"},
		"but longer than the livenessProbe": {ready + "livenessProbe: {failureThreshold: 20, " + http +
			"}, startupProbe: {failureThreshold: 90, " + http + "}", "startupProbe.failureThreshold 21"},
		"not longer than podvet's own": {
			ready + "startupProbe: {periodSeconds: 3, failureThreshold: 101, " + http + "}", ""},
		"behind an endless livenessProbe": {ready + "livenessProbe: {initialDelaySeconds: 2000000000, " + http +
			"}, startupProbe: {failureThreshold: 2000000000, " + http + "}", ""},
		"its delay is dead weight": {
			ready + "startupProbe: {failureThreshold: 3, initialDelaySeconds: 60, " + http + "}",
			"startupProbe.initialDelaySeconds 0, startupProbe.failureThreshold 8"},
		"readiness waits": {"readinessProbe: {initialDelaySeconds: 45, " + http + "}",
			"readinessProbe.initialDelaySeconds 0"},
		"readiness waits for a bit": {"readinessProbe: {initialDelaySeconds: 20, " + http + "}", ""},
		"a model server": {ready + "resources: {limits: {nvidia.com/gpu: 1}}, startupProbe: {failureThreshold: 90, " +
			http + "}", ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := booted(t, c.container, 12).Report(Options{Margin: DefaultMargin}).Containers[0]
			var got []string
			for _, a := range r.Advice {
				value := fmt.Sprint(a.Value)
				if p, ok := a.Value.(*corev1.Probe); ok {
					value = fmt.Sprintf("%dx%d", p.PeriodSeconds, p.FailureThreshold)
				}
				got = append(got, a.Field+" "+value)
			}
			if got := strings.Join(got, ", "); got != c.want || r.Needs != 69 {
				t.Errorf("got %q, want %q, needs %d", got, c.want, r.Needs)
			}
			if len(r.Advice) == 0 && r.Note != noteFits {
				t.Error(r.Note)
			}
		})
	}
}

// TestMargin: a margin is a number.
func TestMargin(t *testing.T) {
	for margin, fits := range map[float64]bool{
		1: true, 10: true, 0.9: false, 11: false, math.Inf(1): false, math.Inf(-1): false} {
		if err := (Options{Margin: margin}).Check(); (err == nil) != fits {
			t.Errorf("%g: %v", margin, err)
		}
	}
	if (Options{Margin: math.NaN()}).Check() == nil {
		t.Error("NaN is a margin")
	}
}

// TestFew: below ten starts there is no advice, unless it is asked for.
func TestFew(t *testing.T) {
	c := booted(t, "livenessProbe: {tcpSocket: {port: 80}}, readinessProbe: {tcpSocket: {port: 80}}", 9)
	r := c.Report(Options{Margin: DefaultMargin}).Containers[0]
	if len(r.Advice) > 0 || r.Needs > 0 || r.Note != noteFew {
		t.Errorf("%+v", r)
	}
	if r := c.Report(Options{Margin: DefaultMargin, Few: true}).Containers[0]; len(r.Advice) != 1 {
		t.Errorf("%+v", r)
	}
}

// TestPolicyAdvice: the policy that is advised has podvet fix the same.
func TestPolicyAdvice(t *testing.T) {
	const probes = "readinessProbe: {tcpSocket: {port: 80}}, "
	for _, container := range []string{
		probes + "livenessProbe: {tcpSocket: {port: 80}}",
		probes + "startupProbe: {tcpSocket: {port: 80}, failureThreshold: 4}",
	} {
		a := booted(t, container, 12).Report(Options{Margin: DefaultMargin}).Containers[0].Advice[0]
		params, err := json.Marshal(a.Policy.Params)
		if err != nil {
			t.Fatal(err)
		}
		const head = "apiVersion: podvet.dev/v1alpha1\nkind: Policy\nrules:\n"
		text := fmt.Appendf(nil, head+"  %s: {fix: true, params: %s}\n", a.Policy.Rule, params)
		p, err := policy.Load(catalogue.All, "", text, noon)
		if err != nil {
			t.Fatal(err)
		}
		s, _ := pod.Read(podOf(t, "containers: [{name: app, image: x, ports: [{containerPort: 80}], "+container+"}]"))
		fixed := rules.Fix(s, p.For(s, nil).Plan).Subject.Spec.Containers[0].StartupProbe
		want := fixed.DeepCopy()
		if probe, whole := a.Value.(*corev1.Probe); whole {
			want = probe
		} else {
			want.FailureThreshold = int32(a.Value.(int64))
		}
		if !equality.Semantic.DeepEqual(fixed, want) {
			t.Errorf("%s: the policy makes %+v, the advice %+v", container, fixed, want)
		}
	}
}
