package catalogue_test

import (
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/pod"
)

// TestNoProgressDeadline: a deadline that the API server refuses is its own to say, and no advice follows from it.
func TestNoProgressDeadline(t *testing.T) {
	const rule = "startup-exceeds-progress-deadline"
	deployment := func(deadline string) string {
		return "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: w}\nspec:\n" +
			"  progressDeadlineSeconds: " + deadline + "\n" +
			"  template: {spec: {containers: [{name: app, image: i, startupProbe: {tcpSocket: {port: 80}, " +
			"periodSeconds: 2147483647, failureThreshold: 2147483647}}]}}"
	}
	const tooLong = "  startup-budget-too-long: {level: off}\n"
	for deadline, findings := range map[string]int{"-2147483648": 0, "-1": 0, "0": 0, "1": 1, "2147483647": 0} {
		if got := findsUnder(t, rule, tooLong, deployment(deadline)); len(got) != findings {
			t.Errorf("deadline %s: %q", deadline, got)
		}
	}
}

// TestGraceForRefusedSleep: a longer grace period would make the API server take another container's sleep, which it
// refuses as it is written.
func TestGraceForRefusedSleep(t *testing.T) {
	const object = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n" +
		"  terminationGracePeriodSeconds: 20\n  containers:\n" +
		"  - {name: a, image: i, lifecycle: {preStop: {exec: {command: [sleep, '25']}}}}\n"
	plan := profilePlan(rules.Recommended)
	for other, want := range map[string]struct{ grace, problems int }{
		"{preStop: {sleep: {seconds: 20}}}":   {35, 0},
		"{preStop: {sleep: {seconds: 21}}}":   {20, 1},
		"{postStart: {sleep: {seconds: 30}}}": {20, 1},
	} {
		subject := parseSubject(t, other, object+"  - {name: b, image: i, lifecycle: "+other+"}\n")
		repaired := rules.Fix(subject, plan).Subject
		if repaired.Grace() != int64(want.grace) || len(repaired.Invalid()) != want.problems {
			t.Errorf("%s: grace %d, refused %v", other, repaired.Grace(), repaired.Invalid())
		}
	}
}

// TestSleepBeyondDefaultGrace: a pod that comes without its defaults still has the default grace period.
func TestSleepBeyondDefaultGrace(t *testing.T) {
	sleep := func(seconds int64) *corev1.LifecycleHandler {
		return &corev1.LifecycleHandler{Sleep: &corev1.SleepAction{Seconds: seconds}}
	}
	for seconds, fixes := range map[int64]int{30: 1, 31: 0} {
		p := &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "a", Image: "i",
			Lifecycle: &corev1.Lifecycle{PostStart: sleep(seconds), PreStop: sleep(25)}}}}}
		subject, _ := pod.SubjectOf(p)
		if fixed := rules.Fix(subject, profilePlan(rules.Recommended)).Fixed; len(fixed) != fixes {
			t.Errorf("postStart sleeps %d s: fixed %v", seconds, fixed)
		}
	}
}
