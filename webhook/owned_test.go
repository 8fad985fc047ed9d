package webhook

import (
	"slices"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admission/v1"

	"github.com/podvet/podvet/rules"
)

// owned is an object with a controller.
func owned(object, apiVersion, kind, name string) string {
	return strings.Replace(object, "metadata: {name: ", "metadata: {ownerReferences: "+
		"[{apiVersion: "+apiVersion+", kind: "+kind+", name: "+name+", uid: u, controller: true}], name: ", 1)
}

// endlessPod is one that no Job may have.
const endlessPod = `
apiVersion: v1
kind: Pod
metadata: {name: endless}
spec:
  restartPolicy: Never
  containers: [{name: app, image: i, restartPolicy: Always}]
`

// TestOwnedPods: with ownedPods: warn the pods of built-in workloads are created, with the warnings of what would have
// refused them. Pods without owner and of custom owners are judged as ever.
func TestOwnedPods(t *testing.T) {
	plain := newTestHandler(t, "workloads: deny")
	lenient := newTestHandler(t, "workloads: deny\nownedPods: warn")
	for _, c := range []struct {
		apiVersion, kind, name string
		created                bool
	}{
		{"apps/v1", "ReplicaSet", "web-7d4b", true},
		{"apps/v1", "StatefulSet", "db", true},
		{"apps/v1", "DaemonSet", "agent", true},
		{"v1", "ReplicationController", "old", true},
		{"batch/v1", "Job", "once", true},
		{"batch/v1", "Job", "cron-29000000", true},
		{"", "", "", false}, // nobody's
		{"apps.kruise.io/v1alpha1", "CloneSet", "c", false},
		{"example.com/v1", "ReplicaSet", "r", false},
		{"example.com/v1", "Job", "j", false},
	} {
		object := badPod
		rule := "probe-port-unresolved"
		if c.kind == "Job" && c.created {
			rule, object = "job-container-restart-always", endlessPod
		}
		if c.kind != "" {
			object = owned(object, c.apiVersion, c.kind, c.name)
		}
		if answer := ask(t, plain, "/validate", reviewOf(t, object)); answer.Allowed {
			t.Errorf("%s %s: created without ownedPods", c.apiVersion, c.kind)
		}
		answer := ask(t, lenient, "/validate", reviewOf(t, object))
		warned := slices.ContainsFunc(answer.Warnings, func(line string) bool {
			return strings.HasPrefix(line, speaker) && strings.HasSuffix(line, "["+rule+"]")
		})
		if answer.Allowed != c.created || warned != c.created {
			t.Errorf("%s %s: %+v", c.apiVersion, c.kind, answer)
		}
		found := answer.AuditAnnotations["findings"]
		if c.created && (strings.Contains(found, "deny ") || !strings.Contains(found, "warn "+rule+"/app")) {
			t.Errorf("%s %s: the audit log says %q", c.apiVersion, c.kind, found)
		}
	}
}

// TestOwnedPodsInScopes: the key holds where it is written, and a mode that refuses nothing does not change.
func TestOwnedPodsInScopes(t *testing.T) {
	h := newTestHandler(t, `
workloads: deny
scopes: [{match: {kinds: [StatefulSet]}, ownedPods: warn}, {match: {kinds: [DaemonSet]}, ownedPods: warn, mode: audit}]
`)
	for kind, want := range map[string]struct{ allowed, warned bool }{
		"ReplicaSet": {false, true}, "StatefulSet": {true, true}, "DaemonSet": {true, false},
	} {
		answer := ask(t, h, "/validate", reviewOf(t, owned(badPod, "apps/v1", kind, "x")))
		if answer.Allowed != want.allowed || len(answer.Warnings) > 0 != want.warned {
			t.Errorf("%s: %+v", kind, answer)
		}
	}
}

const badCronJob = `
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly}
spec:
  schedule: "0 3 * * *"
  suspend: false
  jobTemplate:
    spec:
      template:
        metadata: {labels: {app: nightly}}
        spec:
          restartPolicy: Never
          containers: [{name: app, image: i, restartPolicy: Always}]
`

// TestNewWorkIsHeldToTheRules: with workloads: deny and ownedPods: warn a new workload and a changed template are
// refused, and nothing else of a workload is.
func TestNewWorkIsHeldToTheRules(t *testing.T) {
	h := newTestHandler(t, "workloads: deny\nownedPods: warn")
	replaced := func(object string, oldnew ...string) string {
		changed := strings.NewReplacer(oldnew...).Replace(object)
		if changed == object {
			t.Fatalf("%q are not in it", oldnew)
		}
		return changed
	}
	const annotated = "metadata: {labels: {app: web}, annotations: {kubectl.kubernetes.io/restartedAt: now}}"
	replicaSet := replaced(badDeployment, "kind: Deployment", "kind: ReplicaSet")
	_, template, _ := strings.Cut(badCronJob, "    spec:\n")
	job := "apiVersion: batch/v1\nkind: Job\nmetadata: {name: nightly-29000000}\nspec:\n" + template
	for _, c := range []struct {
		name, before, now string
		subresource       string
		allowed           bool
	}{
		{"a new Deployment", "", badDeployment, "", false},
		{"a new CronJob", "", badCronJob, "", false},
		{"a Job of nobody", "", job, "", false},
		{"a ReplicaSet of nobody", "", replicaSet, "", false},
		{"a ReplicaSet of a Rollout", "", owned(replicaSet, "argoproj.io/v1alpha1", "Rollout", "web"), "", false},
		{"another image", badDeployment, replaced(badDeployment, "image: i", "image: j"), "", false},
		{"rollout restart", badDeployment, replaced(badDeployment, "metadata: {labels: {app: web}}", annotated),
			"", false},
		{"another image of a CronJob", badCronJob, replaced(badCronJob, "image: i", "image: j"), "", false},

		{"a ReplicaSet of its Deployment", "", owned(replicaSet, "apps/v1", "Deployment", "web"), "", true},
		{"a Job of its CronJob", "", owned(job, "batch/v1", "CronJob", "nightly"), "", true},
		{"scaled by the spec", badDeployment, replaced(badDeployment, "replicas: 1", "replicas: 5"), "", true},
		{"scaled by the subresource", badDeployment, badDeployment, "scale", true},
		{"a status", badDeployment, badDeployment, "status", true},
		{"a status without a subresource", badDeployment, badDeployment + "status: {replicas: 1}\n", "", true},
		{"a label", badDeployment, replaced(badDeployment, "{name: web}", "{name: web, labels: {a: b}}"), "", true},
		{"an annotation", badDeployment, replaced(badDeployment, "{name: web}", "{name: web, annotations: {a: b}}"),
			"", true},
		{"paused", badDeployment, replaced(badDeployment, "replicas: 1", "replicas: 1\n  paused: true"), "", true},
		{"what the API server defaults", badDeployment,
			replaced(badDeployment, "      containers:", "      terminationGracePeriodSeconds: 30\n      containers:"),
			"", true},
		{"a suspended CronJob", badCronJob, replaced(badCronJob, "suspend: false", "suspend: true"), "", true},
		{"another schedule", badCronJob, replaced(badCronJob, "0 3", "0 4"), "", true},
		{"a finalizer goes", replaced(badDeployment, "{name: web}", "{name: web, finalizers: [a/b]}"), badDeployment,
			"", true},
	} {
		review := reviewOf(t, c.now, func(r *admissionv1.AdmissionRequest) {
			r.SubResource = c.subresource
			if c.before != "" {
				r.Operation, r.OldObject.Raw = admissionv1.Update, objectOf(t, reviewOf(t, c.before))
			}
		})
		answer := ask(t, h, "/validate", review)
		if answer.Allowed != c.allowed {
			t.Errorf("%s: allowed %t", c.name, answer.Allowed)
		}
		if !c.allowed && !strings.Contains(answer.Result.Message, `container "app": `) {
			t.Errorf("%s: refused with %q", c.name, answer.Result.Message)
		}
	}
}

// TestNothingIsSaidOfPodsThatAreNotRefused: a template's warning does not threaten with a refusal that never comes.
func TestNothingIsSaidOfPodsThatAreNotRefused(t *testing.T) {
	for text, want := range map[string]string{"ownedPods: warn": speaker, "ownedPods: enforce": rules.WillRefuse} {
		answer := ask(t, newTestHandler(t, text), "/validate", reviewOf(t, badDeployment))
		if !answer.Allowed || !strings.HasPrefix(answer.Warnings[0], want+"container ") {
			t.Errorf("%s: %+v", text, answer)
		}
	}
	// The pods have no deadline for their rollout.
	const slow = "spec: {progressDeadlineSeconds: 60, selector: {matchLabels: {a: b}}, template: {metadata: {labels: " +
		"{a: b}}, spec: {containers: [{name: c, image: i, readinessProbe: {tcpSocket: {port: 80}}, " +
		"startupProbe: {tcpSocket: {port: 80}, failureThreshold: 30}}]}}}"
	h := newTestHandler(t, "rules: {startup-exceeds-progress-deadline: {level: deny}}")
	answer := ask(t, h, "/validate", reviewOf(t, "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n"+slow))
	if len(answer.Warnings) != 1 || !strings.HasPrefix(answer.Warnings[0], speaker+"container ") {
		t.Errorf("a slow rollout: %+v", answer)
	}
}
