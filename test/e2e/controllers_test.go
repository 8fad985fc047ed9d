package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podvet/podvet/rules/pod"
	"github.com/podvet/podvet/test/e2e/env"
	"github.com/podvet/podvet/test/podvet"
)

// TestControllers: the real controllers' pods come back patched, their templates stay as written.
func TestControllers(t *testing.T) {
	t.Parallel()
	ns := env.Namespace(t, "main")
	for _, kind := range []string{"Deployment", "StatefulSet", "DaemonSet"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			name := strings.ToLower(kind)
			if kind == "DaemonSet" {
				// It takes a pod until the node lifecycle controller misses its heartbeats, after 50 s, and taints it.
				node := fmt.Sprintf(`
apiVersion: v1
kind: Node
metadata: {name: %[1]s, labels: {kubernetes.io/hostname: %[1]s}}
`, ns)
				env.Must(t, ns, node, "create", "-f", "-")
				t.Cleanup(func() { _, _, _ = env.API.Kubectl(context.Background(), "delete", "node", ns) })
			}
			manifest := fmt.Sprintf(`
apiVersion: apps/v1
kind: %s
metadata: {name: %[2]s}
spec:
  selector: {matchLabels: {app: %[2]s}}
  template:
    metadata: {labels: {app: %[2]s}}
    spec:%s`, kind, name, fixable)
			stdout, stderr := env.Must(t, ns, manifest, "apply", "-f", "-")
			if stdout != name+".apps/"+name+" created\n" || len(warnings(stderr)) > 0 {
				t.Errorf("%q %q", stdout, stderr)
			}
			made := controllersPod(t, ns, name, 2*time.Minute)
			wasFixed(t, made)
			// The three have the same shape as far as this goes.
			workload := env.Get[appsv1.Deployment](t, ns, name, name)
			if c := workload.Spec.Template.Spec.Containers[0]; c.StartupProbe != nil ||
				*workload.Spec.Template.Spec.TerminationGracePeriodSeconds != 30 {
				t.Error("the template was changed")
			}
		})
	}
}

func TestJobAndCronJob(t *testing.T) {
	t.Parallel()
	ns := env.Namespace(t, "main")
	template := func(app string) string {
		return "{metadata: {labels: {app: " + app + "}}, spec: {restartPolicy: Never, " +
			"containers: [{name: task, image: i, lifecycle: {preStop: {sleep: {seconds: 30}}}}]}}"
	}
	check := func(t *testing.T, stderr string, made *corev1.Pod) {
		t.Helper()
		if len(warnings(stderr)) > 0 {
			t.Errorf("warned: %q", stderr)
		}
		if *made.Spec.TerminationGracePeriodSeconds != 40 || fixed(made) != "prestop-exceeds-grace/task" {
			t.Errorf("grace %d, annotation %q", *made.Spec.TerminationGracePeriodSeconds, fixed(made))
		}
		secondPassChangesNothing(t, builtIn, made)
	}
	t.Run("Job", func(t *testing.T) {
		t.Parallel()
		_, stderr := env.Must(t, ns, `
apiVersion: batch/v1
kind: Job
metadata: {name: once}
spec:
  template: `+template("once"), "create", "-f", "-")
		check(t, stderr, controllersPod(t, ns, "once", 30*time.Second))
	})
	t.Run("CronJob", func(t *testing.T) {
		t.Parallel()
		_, stderr := env.Must(t, ns, `
apiVersion: batch/v1
kind: CronJob
metadata: {name: cron}
spec:
  schedule: '* * * * *'
  jobTemplate:
    spec:
      template: `+template("cron"), "create", "-f", "-")
		made := controllersPod(t, ns, "cron", 90*time.Second) // at the next full minute
		check(t, stderr, made)
		if subject, _ := pod.SubjectOf(made); subject.OwnerKind != "CronJob" {
			t.Errorf("the owner of %s is named %s", made.OwnerReferences[0].Name, subject.OwnerKind)
		}
	})
	t.Run("Job that never completes", func(t *testing.T) {
		t.Parallel()
		_, stderr := env.Must(t, ns, `
apiVersion: batch/v1
kind: Job
metadata: {name: endless}
spec:
  template:
    metadata: {labels: {app: endless}}
    spec:
      restartPolicy: Never
      containers:
      - {name: task, image: i, restartPolicy: Always}
`, "create", "-f", "-")
		if got := warnings(stderr); !slices.Equal(got, []string{"job-container-restart-always"}) {
			t.Errorf("warnings %q", got)
		}
		denied(t, ns, "Job", "endless", `container "task": it restarts when it succeeds, so the Job never completes. `)
	})
}

// denied waits for the event with which a controller says that its pod was refused.
func denied(t *testing.T, ns, kind, name, text string) {
	t.Helper()
	var seen string
	if !podvet.Await(t.Context(), 30*time.Second, func() bool {
		list := env.List[corev1.EventList](t, ns, "events",
			metav1.ListOptions{FieldSelector: "reason=FailedCreate,involvedObject.kind=" + kind})
		for _, e := range list.Items {
			seen = e.Message
			if strings.HasPrefix(e.InvolvedObject.Name, name) && strings.Contains(e.Message, text) {
				return true
			}
		}
		return false
	}) {
		t.Errorf("no event of %s %s says %q; last: %q", kind, name, text, seen)
	}
}
