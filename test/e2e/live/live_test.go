package live_test

import (
	_ "embed"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podvet/podvet/test/e2e/env"
	"github.com/podvet/podvet/test/podvet"
)

//go:embed testdata/workloads.yaml
var workloads string

// kinds are all that podvet judges, and namespaces, for kubectl.
const kinds = "ns,deploy,rs,rc,sts,ds,jobs,cronjobs,pods"

// ownPods are pods of a controller that is none of Kubernetes' own: here a ConfigMap, for the garbage collector lets
// pods of an owner stay that is there.
func ownPods(t *testing.T, ns string) {
	t.Helper()
	env.Must(t, ns, "", "create", "configmap", "ring")
	owner := env.Get[corev1.ConfigMap](t, ns, "configmap", "ring")
	var text strings.Builder
	for i := range 3 {
		fmt.Fprintf(&text, `---
apiVersion: v1
kind: Pod
metadata:
  name: ring-%d
  ownerReferences: [{apiVersion: v1, kind: ConfigMap, name: ring, uid: %s, controller: true}]
spec: {containers: [{name: app, image: i}]}
`, i, owner.UID)
	}
	env.Must(t, ns, text.String(), "create", "-f", "-")
}

// shop fills a namespace with one of each, waits until the controllers have made all pods, and rolls the Deployment
// out once more, which leaves an old ReplicaSet.
func shop(t *testing.T) string {
	t.Helper()
	ns := env.Namespace(t, "")
	env.Must(t, ns, workloads, "create", "-f", "-")
	env.Must(t, ns, "", "create", "job", "nightly-1", "--from=cronjob/nightly")
	ownPods(t, ns)
	made := func(pods, sets int) func() bool {
		return func() bool {
			return len(env.List[corev1.PodList](t, ns, "pods", metav1.ListOptions{}).Items) == pods &&
				len(env.List[appsv1.ReplicaSetList](t, ns, "replicasets", metav1.ListOptions{}).Items) == sets
		}
	}
	const others = 1 + 1 + 1 + 1 + 1 + 3 // of old, db, once, nightly-1, bare, ring
	if !podvet.Await(t.Context(), time.Minute, made(others+2, 2)) {
		t.Fatal("the controllers have not made all pods")
	}
	// The new pods are never ready, so the old ReplicaSet would stay beside them.
	env.Must(t, ns, "", "patch", "deploy", "web", "--type=merge", "-p",
		`{"spec": {"strategy": {"type": "Recreate", "rollingUpdate": null}}}`)
	env.Must(t, ns, "", "set", "image", "deploy/web", "app=i:2")
	if !podvet.Await(t.Context(), time.Minute, made(others+2, 3)) {
		t.Fatal("the Deployment was not rolled out")
	}
	return ns
}

// TestAsByPipe: a cluster and one of its namespaces are judged as what kubectl prints of them, but for the ReplicaSets
// that are kept for a rollback, which are skipped for a reason of their own.
func TestAsByPipe(t *testing.T) {
	ns := shop(t)
	for _, c := range []struct {
		name          string
		kubectl, args []string
	}{
		{"all", []string{"-A"}, nil},
		{"a namespace", nil, []string{"-n", ns}},
	} {
		t.Run(c.name, func(t *testing.T) {
			listed, _ := env.Must(t, ns, "", append([]string{"get", kinds, "-o", "json"}, c.kubectl...)...)
			pipe := check(t, "", listed, "--kubernetes", "1.34-1.37", "-o", "json", "-").reported(t)
			r := check(t, "", "", append([]string{"--cluster", "-o", "json"}, c.args...)...)
			live := r.reported(t)
			if diff := cmp.Diff(pipe.subjects, live.subjects); diff != "" {
				t.Errorf("-by pipe +in the cluster:\n%s", diff)
			}
			if r.status != 1 { // of the StatefulSet's probe
				t.Errorf("exit status %d", r.status)
			}
			for _, name := range []string{"Deployment/" + ns + "/web", "ReplicaSet/" + ns + "/alone",
				"Pod/" + ns + "/ring-1", "CronJob/" + ns + "/nightly", "Pod/" + ns + "/bare"} {
				if live.subjects[name] == nil {
					t.Errorf("%s is not judged", name)
				}
			}
			counts := counted(pipe)
			if c.args != nil {
				counts["Namespace"] = 1 // kubectl lists them all
			}
			if diff := cmp.Diff(counts, counted(live)); diff != "" {
				t.Errorf("skipped, -by pipe +in the cluster:\n%s", diff)
			}
		})
	}
	t.Run("for people", func(t *testing.T) {
		r := check(t, "", "", "--cluster", "-n", ns)
		for _, want := range []string{
			"\nDeployment/" + ns + "/web\n           warn     container", "ConfigMap/" + ns + "/ring (3 pods)\n",
			"ReplicaSet 1 (old, scaled to 0)", "Namespace 1,"} {
			if !strings.Contains("\n"+r.stdout, want) {
				t.Errorf("no %q in\n%s", want, r.stdout)
			}
		}
		if strings.Count(r.stderr, "\n") != 1 || !strings.HasPrefix(r.stderr, "judged by the built-in policy: "+
			"there is no MutatingWebhookConfiguration podvet") {
			t.Errorf("stderr %q", r.stderr)
		}
	})
}

// counted is what is skipped by kind. By a pipe old ReplicaSets are among those of judged owners.
func counted(f found) map[string]int {
	counts := map[string]int{}
	for _, s := range f.Skipped {
		counts[s.Kind] += s.Count
	}
	return counts
}

// TestRights: a kind that an account may not list is one line, and all others are judged. Who may see one namespace
// looks at that.
func TestRights(t *testing.T) {
	ns := env.Namespace(t, "")
	env.Must(t, ns, workloads, "create", "-f", "-")
	for _, command := range []string{
		"create serviceaccount some", "create serviceaccount team", "create serviceaccount none",
		"create clusterrole some-" + ns + " --verb=list --resource=namespaces,pods,replicasets,statefulsets," +
			"daemonsets,replicationcontrollers,jobs,cronjobs",
		"create clusterrolebinding some-" + ns + " --clusterrole=some-" + ns + " --serviceaccount=" + ns + ":some",
		"create rolebinding team --clusterrole=view --serviceaccount=" + ns + ":team",
	} {
		env.Must(t, ns, "", strings.Fields(command)...)
	}
	some, team, none := env.Kubeconfig(t, ns, "some", ""), env.Kubeconfig(t, ns, "team", ""),
		env.Kubeconfig(t, ns, "none", "")

	r := check(t, some, "", "--cluster", "-o", "json")
	f := r.reported(t)
	want := "deployments.apps: cannot be listed because you may not list deployments.apps at the cluster scope. " +
		"They are missing from the counts.\n"
	if r.status != 2 || !strings.HasSuffix(r.stderr, want) || f.Summary.Invalid != 1 {
		t.Errorf("status %d, %q, %+v", r.status, r.stderr, f.Invalid)
	}
	if f.subjects["StatefulSet/"+ns+"/db"] == nil || f.subjects["Deployment/"+ns+"/web"] != nil {
		t.Errorf("judged: %q", slices.Sorted(maps.Keys(f.subjects)))
	}

	r = check(t, team, "", "--cluster", "-n", ns, "--fail-on=none")
	if r.status != 0 || !strings.Contains(r.stdout, "Deployment/"+ns+"/web") || !strings.Contains(r.stderr,
		"judged by the built-in policy: the MutatingWebhookConfiguration podvet cannot be read because "+
			"you may not get mutatingwebhookconfigurations.admissionregistration.k8s.io at the cluster scope") {
		t.Errorf("status %d, %s%s", r.status, r.stdout, r.stderr)
	}

	r = check(t, none, "", "--cluster")
	lines := strings.Count(r.stdout, "cannot be listed because")
	if r.status != 2 || strings.Contains(r.stdout, "User ") || lines != 9 {
		t.Errorf("status %d, %s%s", r.status, r.stdout, r.stderr)
	}
}

// TestNamespaces: one that is not there is a mistake, and one that is empty is not.
func TestNamespaces(t *testing.T) {
	r := check(t, "", "", "--cluster", "-n", "nowhere")
	if want := `podvet: there is no namespace "nowhere": kubectl get namespaces lists them` + "\n"; r.status != 2 ||
		!strings.HasSuffix(r.stderr, want) || r.stdout != "" {
		t.Errorf("status %d, %s%s", r.status, r.stdout, r.stderr)
	}
	ns := env.Namespace(t, "")
	if r := check(t, "", "", "--cluster", "-n", ns); r.status != 0 || !strings.Contains(r.stdout, "0 objects:") {
		t.Errorf("status %d, %s%s", r.status, r.stdout, r.stderr)
	}
}

// TestPlugin: installed as kubectl-podvet it is kubectl's.
func TestPlugin(t *testing.T) {
	ns := env.Namespace(t, "")
	env.Must(t, ns, "", "run", "web", "--image=i", "--port=80")
	dir := t.TempDir()
	if err := os.Symlink(env.Binary, filepath.Join(dir, "kubectl-podvet")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	r := podvetAs(t, env.API.Binaries.Kubectl, "", "", "podvet", "check", "--cluster", "-n", ns)
	if r.status != 0 || !strings.HasPrefix(r.stdout, "Pod/"+ns+"/web\n") {
		t.Errorf("status %d: %s%s", r.status, r.stdout, r.stderr)
	}
}

// TestUnreachable: a cluster that does not answer is one line.
func TestUnreachable(t *testing.T) {
	config := filepath.Join(t.TempDir(), "kubeconfig")
	text := `{apiVersion: v1, kind: Config, current-context: c, contexts: [{name: c, context: {cluster: c}}],
clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}]}`
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	r := check(t, config, "", "--cluster")
	if want := "podvet: the API server https://127.0.0.1:1 cannot be used because nothing listens there: " +
		"see that the cluster runs, or choose another with --context\n"; r.status != 2 || r.stderr != want {
		t.Errorf("status %d, %q", r.status, r.stderr)
	}
}
