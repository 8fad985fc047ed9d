package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/podvet/podvet/test/e2e/env"
	"github.com/podvet/podvet/test/podvet"
)

// newWork holds new work to the rules and lets old workloads keep running.
const newWork = policyHeader + "workloads: deny\nownedPods: warn\n"

// brokenWorkloads are a Deployment and a CronJob with a finding that denies.
func brokenWorkloads(deployment, cronJob string) string {
	return fmt.Sprintf(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: %[1]s}
spec:
  selector: {matchLabels: {app: %[1]s}}
  template:
    metadata: {labels: {app: %[1]s}}
    spec:
      containers:
      - name: app
        image: i:1
        startupProbe: {httpGet: {path: /, port: nowhere}}
        readinessProbe: {httpGet: {path: /, port: 80}}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: %[2]s}
spec:
  schedule: 0 3 1 1 *
  jobTemplate:
    spec:
      template:
        metadata: {labels: {app: %[2]s}}
        spec: {restartPolicy: Never, containers: [{name: task, image: i, restartPolicy: Always}]}
`, deployment, cronJob)
}

// oldWorkloads is a namespace with workloads that were there before podvet was.
type oldWorkloads struct {
	*podvet.Server
	ns, policy string
}

func startAfterOldWorkloads(t *testing.T, label string) oldWorkloads {
	t.Helper()
	o := oldWorkloads{ns: env.Namespace(t, label), policy: filepath.Join(t.TempDir(), "policy.yaml")}
	env.Must(t, o.ns, brokenWorkloads("old", "nightly"), "create", "-f", "-")
	controllersPod(t, o.ns, "old", 30*time.Second)
	o.write(t, newWork)
	var err error
	if o.Server, err = podvet.Serve(t.Context(), env.Binary, t.TempDir(), o.policy); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = o.Stop() })
	if err := register(t.Context(), label, o.Server, "Fail"); err != nil {
		t.Fatal(err)
	}
	return o
}

func (o oldWorkloads) write(t *testing.T, text string) {
	t.Helper()
	if err := os.WriteFile(o.policy, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// podsOf are the names of an app's pods that stay.
func (o oldWorkloads) podsOf(t *testing.T, app string) []string {
	t.Helper()
	var names []string
	for _, p := range env.List[corev1.PodList](t, o.ns, "pods", env.OfApp(app)).Items {
		if p.DeletionTimestamp == nil {
			names = append(names, p.Name)
		}
	}
	return names
}

// refused is a command that the API server refuses because of what podvet says of the container.
func (o oldWorkloads) refused(t *testing.T, says, stdin string, args ...string) {
	t.Helper()
	_, stderr, ok := env.Kubectl(t, o.ns, stdin, args...)
	if ok || !strings.Contains(stderr, `admission webhook "validate.podvet.dev" denied the request: `) ||
		!strings.Contains(stderr, says) {
		t.Errorf("kubectl %s, ok %t: %s", strings.Join(args, " "), ok, stderr)
	}
}

const (
	unresolved = `container "app": startupProbe uses undeclared port "nowhere", so it is never ready. `
	endless    = `container "task": it restarts when it succeeds, so the Job never completes. `
)

// TestOldWorkloadsKeepRunning: what was there before survives a drain and is scaled, while its next change and all that
// is new is refused where its author sees it.
func TestOldWorkloadsKeepRunning(t *testing.T) {
	t.Parallel()
	o := startAfterOldWorkloads(t, "old-work")

	before := o.podsOf(t, "old")
	o.drain(t, before[0])
	if !podvet.Await(t.Context(), 30*time.Second, func() bool {
		now := o.podsOf(t, "old")
		return len(now) == 1 && now[0] != before[0]
	}) {
		t.Fatalf("after the drain of %q there are %q", before, o.podsOf(t, "old"))
	}
	warned := fmt.Sprintf(`podvet_findings_total{level="warn",mode="enforce",namespace=%q,object="pod",`+
		`rule="probe-port-unresolved"} 1`, o.ns)
	if text, err := podvet.Fetch(o.Metrics); err != nil || !strings.Contains(text, warned) {
		t.Errorf("the metrics do not say %s: %v: %s", warned, err, grep(text, "podvet_findings_total"))
	}

	env.Must(t, o.ns, "", "scale", "deployment", "old", "--replicas=2") // by the subresource
	env.Must(t, o.ns, "", "patch", "deployment", "old", "-p", `{"spec":{"replicas":3}}`)
	env.Must(t, o.ns, "", "label", "deployment", "old", "team=a")
	env.Must(t, o.ns, "", "annotate", "deployment", "old", "note=b")
	if !podvet.Await(t.Context(), 30*time.Second, func() bool {
		return env.Get[appsv1.Deployment](t, o.ns, "deployment", "old").Status.Replicas == 3
	}) {
		t.Errorf("scaled to 3, there are %q", o.podsOf(t, "old"))
	}
	env.Must(t, o.ns, "", "patch", "cronjob", "nightly", "-p", `{"spec":{"schedule":"0 4 1 1 *"}}`)
	env.Must(t, o.ns, "", "create", "job", "now", "--from=cronjob/nightly")
	controllersPod(t, o.ns, "nightly", 30*time.Second)

	o.refused(t, unresolved, "", "set", "image", "deployment/old", "app=i:2")
	o.refused(t, unresolved, "", "rollout", "restart", "deployment/old")
	o.refused(t, endless, "", "set", "image", "cronjob/nightly", "task=j")
	news := strings.SplitAfter(brokenWorkloads("new", "hourly"), "---\n")
	o.refused(t, unresolved, news[0], "create", "-f", "-")
	o.refused(t, endless, news[1], "create", "-f", "-")
	left := env.Get[appsv1.Deployment](t, o.ns, "deployment", "old").Spec.Template.Spec.Containers[0].Image
	if left != "i:1" {
		t.Errorf("the image is %s", left)
	}
	// Whoever repairs it may change it.
	env.Must(t, o.ns, "", "patch", "deployment", "old", "--type=json",
		"-p", `[{"op":"replace","path":"/spec/template/spec/containers/0/startupProbe/httpGet/port","value":80}]`)
}

// TestOnlyOwnedPodsAreSpared: pods of nobody and of custom owners are refused as ever, and with ownedPods: enforce
// those of old workloads too.
func TestOnlyOwnedPodsAreSpared(t *testing.T) {
	t.Parallel()
	o := startAfterOldWorkloads(t, "spared")
	for _, owner := range []string{"", ", ownerReferences: [{apiVersion: example.com/v1, kind: Shop, name: s, " +
		"uid: 00000000-0000-4000-8000-000000000000, controller: true}]"} {
		o.refused(t, unresolved, `
apiVersion: v1
kind: Pod
metadata: {name: alone`+owner+`}
spec: {containers: [{name: app, image: i, startupProbe: {httpGet: {port: nowhere}}}]}
`, "create", "-f", "-")
	}
	o.write(t, strings.Replace(newWork, "warn", "enforce", 1))
	if !podvet.Await(t.Context(), 30*time.Second, func() bool {
		text, err := podvet.Fetch(o.Metrics)
		return err == nil && strings.Contains(text, hashOf(t, strings.Replace(newWork, "warn", "enforce", 1)))
	}) {
		t.Fatal("the policy does not change")
	}
	env.Must(t, o.ns, "", "delete", "pod", "-l", "app=old", "--grace-period=0", "--force")
	denied(t, o.ns, "ReplicaSet", "old-", unresolved)
}

// drain drains a node that runs a pod: no kubelet is needed, as with no time to stop the API server deletes the pod.
func (o oldWorkloads) drain(t *testing.T, name string) {
	t.Helper()
	node := "node-of-" + o.ns
	env.Must(t, o.ns, "{apiVersion: v1, kind: Node, metadata: {name: "+node+"}}", "create", "-f", "-")
	t.Cleanup(func() { _, _, _ = env.API.Kubectl(context.Background(), "delete", "node", node) })
	env.Must(t, o.ns, fmt.Sprintf(`{"apiVersion": "v1", "kind": "Binding", "metadata": {"name": %q},
"target": {"apiVersion": "v1", "kind": "Node", "name": %q}}`, name, node),
		"create", "--raw", "/api/v1/namespaces/"+o.ns+"/pods/"+name+"/binding", "-f", "-")
	out, stderr := env.Must(t, o.ns, "", "drain", node, "--ignore-daemonsets", "--grace-period=0", "--timeout=60s")
	if !strings.Contains(out, "evicting pod "+o.ns+"/"+name) && !strings.Contains(stderr, "pod/"+name) {
		t.Errorf("drain says %q %q", out, stderr)
	}
}
