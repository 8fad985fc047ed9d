package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podvet/podvet/test/e2e/env"
)

// TestPodsThatPredate: nobody is hindered in working on what was there before podvet.
func TestPodsThatPredate(t *testing.T) {
	t.Parallel()
	ns := env.Namespace(t, "")
	env.Must(t, ns, badPod, "create", "-f", "-")
	env.Must(t, "", "", "label", "namespace", ns, "podvet-test=main", "--overwrite")
	for _, args := range [][]string{
		{"set", "image", "pod/bad", "app=j"},
		{"label", "pod", "bad", "a=b"},
		{"annotate", "pod", "bad", "a=b"},
		{"patch", "pod", "bad", "--type=strategic", "-p", `{"spec":{"containers":[{"name":"app","image":"k"}]}}`},
		{"debug", "bad", "--image=busybox", "--container=debugger", "--attach=false", "--profile=general"},
	} {
		stdout, stderr, ok := env.Kubectl(t, ns, "", args...)
		if !ok || len(warnings(stderr)) > 0 || args[0] != "debug" && !strings.HasPrefix(stdout, "pod/bad ") {
			t.Errorf("kubectl %s: %q %q", strings.Join(args, " "), stdout, stderr)
		}
		if args[0] == "set" && getPod(t, ns, "bad").Spec.Containers[0].Image != "j" {
			t.Error("the image is not set")
		}
	}
	stored := getPod(t, ns, "bad")
	if stored.Labels["a"] != "b" || stored.Annotations["a"] != "b" || stored.Spec.Containers[0].Image != "k" ||
		len(stored.Spec.EphemeralContainers) != 1 {
		t.Errorf("not all of it was done: %+v", stored)
	}
	if fixed(stored) != "" {
		t.Errorf("podvet changed it: %q", fixed(stored))
	}
	eviction := fmt.Sprintf(`{"apiVersion":"policy/v1","kind":"Eviction","metadata":{"name":"bad","namespace":%q}}`, ns)
	cmd := env.API.KubectlCommand(t.Context(),
		"create", "--raw", "/api/v1/namespaces/"+ns+"/pods/bad/eviction", "-f", "-")
	cmd.Stdin = strings.NewReader(eviction)
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), `"status":"Success"`) {
		t.Errorf("eviction: %s", out)
	}
}

// TestDeploymentThatPredates: scaling is silent, a rollout is told, and the pods are refused with the reason.
func TestDeploymentThatPredates(t *testing.T) {
	t.Parallel()
	ns := env.Namespace(t, "")
	env.Must(t, ns, `
apiVersion: apps/v1
kind: Deployment
metadata: {name: old}
spec:
  selector: {matchLabels: {app: old}}
  template:
    metadata: {labels: {app: old}}
    spec:
      containers:
      - name: app
        image: i
        startupProbe: {httpGet: {path: /, port: nowhere}, failureThreshold: 30}
        readinessProbe: {tcpSocket: {port: 80}}
`, "create", "-f", "-")
	controllersPod(t, ns, "old", 30*time.Second)
	env.Must(t, "", "", "label", "namespace", ns, "podvet-test=main", "--overwrite")

	stdout, stderr := env.Must(t, ns, "", "scale", "deployment", "old", "--replicas=2")
	if len(warnings(stderr)) > 0 || stdout != "deployment.apps/old scaled\n" {
		t.Errorf("scale: %q %q", stdout, stderr)
	}
	denied(t, ns, "ReplicaSet", "old-", refusal)
	if stored := env.Get[appsv1.Deployment](t, ns, "deployment", "old"); *stored.Spec.Replicas != 2 {
		t.Errorf("%d replicas", *stored.Spec.Replicas)
	}
	_, stderr = env.Must(t, ns, "", "rollout", "restart", "deployment", "old")
	if got := warnings(stderr); !slices.Equal(got, []string{"probe-port-unresolved"}) {
		t.Errorf("rollout restart: %q", stderr)
	}
	stored := env.Get[appsv1.Deployment](t, ns, "deployment", "old")
	if stored.Spec.Template.Annotations["kubectl.kubernetes.io/restartedAt"] == "" {
		t.Error("the rollout is not stored")
	}
	if list := env.List[corev1.PodList](t, ns, "pods", metav1.ListOptions{}); len(list.Items) != 1 {
		t.Errorf("%d pods, want the one that was there before", len(list.Items))
	}
}
