package live_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/podvet/podvet/test/e2e/env"
	"github.com/podvet/podvet/test/podvet"
)

// TestWhyOfManyPods: the worst of a workload's pods comes first, however many there are, and what many are sick of is
// said once. What podvet says of real pods is in test/node.
func TestWhyOfManyPods(t *testing.T) {
	const replicas = 14
	ns := env.Namespace(t, "")
	env.Must(t, ns, "", "create", "deployment", "web", "--image=registry.example/web:1",
		fmt.Sprint("--replicas=", replicas))
	client := kubernetes.NewForConfigOrDie(env.API.Config).CoreV1()
	var pods []corev1.Pod
	if !podvet.Await(t.Context(), time.Minute, func() bool {
		list, err := client.Pods(ns).List(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		pods = list.Items
		return len(pods) == replicas
	}) {
		t.Fatalf("%d pods", len(pods))
	}
	for i := range pods {
		p := &pods[i]
		state := corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.Now()}}
		p.Status.Phase = corev1.PodRunning
		ready := corev1.ConditionTrue
		switch i {
		case 3, 5, 8: // killed again and again
			state = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}}
			ready = corev1.ConditionFalse
			_, err := client.Events(ns).Create(t.Context(), &corev1.Event{
				ObjectMeta: metav1.ObjectMeta{Name: p.Name, Namespace: ns},
				InvolvedObject: corev1.ObjectReference{Kind: "Pod", Namespace: ns, Name: p.Name, UID: p.UID,
					FieldPath: "spec.containers{web}"},
				Reason: "FailedPostStartHook", Message: "PostStartHook failed", Count: 4, LastTimestamp: metav1.Now(),
			}, metav1.CreateOptions{})
			if err != nil {
				t.Fatal(err)
			}
		case 11:
			state = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ErrImagePull"}}
			ready = corev1.ConditionFalse
		}
		p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionTrue},
			{Type: corev1.PodReady, Status: ready}}
		p.Status.ContainerStatuses = []corev1.ContainerStatus{
			{Name: "web", Ready: ready == corev1.ConditionTrue, State: state}}
		if _, err := client.Pods(ns).UpdateStatus(t.Context(), p, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	r := podvetAs(t, env.Binary, "", "", "why", "deploy/web", "-n", ns)
	image, hook := strings.Index(r.stdout, "[image]"), strings.Index(r.stdout, "[poststart-fails]")
	if r.status != 1 || image < 0 || hook < image || strings.Count(r.stdout, "[poststart-fails]") != 1 ||
		!strings.Contains(r.stdout, "(likewise 2 other pods: ") ||
		!strings.Contains(r.stdout, "(likewise 9 other pods: ") {
		t.Errorf("status %d: %s%s", r.status, r.stdout, r.stderr)
	}
	if r := podvetAs(t, env.Binary, "", "", "why", pods[0].Name, "-n", ns); r.status != 0 ||
		!strings.Contains(r.stdout, "Nothing is wrong that podvet can see.") {
		t.Errorf("status %d: %s%s", r.status, r.stdout, r.stderr)
	}
	want := fmt.Sprintf(
		"podvet: there is no Deployment/none in namespace %q: see kubectl get pods -n %[1]s, or write -n\n", ns)
	if r := podvetAs(t, env.Binary, "", "", "why", "deploy/none", "-n", ns); r.status != 2 || r.stderr != want {
		t.Errorf("status %d: %s%s", r.status, r.stdout, r.stderr)
	}
}

// TestWhyWithoutRights: who may not list events is told so, and what the status tells; who may not read pods gets no
// answer.
func TestWhyWithoutRights(t *testing.T) {
	ns := env.Namespace(t, "")
	env.Must(t, ns, "", "run", "web", "--image=i")
	for _, command := range []string{
		"create serviceaccount some", "create serviceaccount none", "create role some --verb=get --resource=pods",
		"create rolebinding some --role=some --serviceaccount=" + ns + ":some",
	} {
		env.Must(t, ns, "", strings.Fields(command)...)
	}
	some, none := env.Kubeconfig(t, ns, "some", ""), env.Kubeconfig(t, ns, "none", "")
	want := fmt.Sprintf("warning: events cannot be read because you may not list events in the namespace %s: "+
		"what they tell is missing\n", ns)
	if r := podvetAs(t, env.Binary, some, "", "why", "web", "-n", ns); r.status != 0 || r.stderr != want ||
		!strings.Contains(r.stdout, "Pod "+ns+"/web: pending") {
		t.Errorf("status %d: %s%s", r.status, r.stdout, r.stderr)
	}
	if r := podvetAs(t, env.Binary, none, "", "why", "web", "-n", ns); r.status != 2 || r.stderr != fmt.Sprintf(
		"podvet: pod \"web\" cannot be read because you may not get pods in the namespace %s\n", ns) {
		t.Errorf("status %d: %s%s", r.status, r.stdout, r.stderr)
	}
	if r := podvetAs(t, env.Binary, filepath.Join(t.TempDir(), "none"), "", "why", "web"); r.status != 2 {
		t.Errorf("status %d: %s%s", r.status, r.stdout, r.stderr)
	}
}
