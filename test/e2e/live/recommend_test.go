package live_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podvet/podvet/test/e2e/env"
)

// begun is a pod's status as a kubelet would write it: it was Ready some seconds after its containers started.
func begun(at time.Time, seconds int, containers []corev1.Container) corev1.PodStatus {
	ready := metav1.NewTime(at.Add(time.Duration(seconds) * time.Second))
	status := corev1.PodStatus{Phase: corev1.PodRunning, Conditions: []corev1.PodCondition{
		{Type: corev1.PodScheduled, Status: corev1.ConditionTrue, LastTransitionTime: metav1.NewTime(at)},
		{Type: corev1.ContainersReady, Status: corev1.ConditionTrue, LastTransitionTime: ready}}}
	for _, c := range containers {
		status.ContainerStatuses = append(status.ContainerStatuses, corev1.ContainerStatus{Name: c.Name, Ready: true,
			Image: c.Image, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{
				StartedAt: metav1.NewTime(at)}}})
	}
	return status
}

// starts makes pods with owners of a kind that this cluster does not know, so nobody deletes them, and an event for
// each.
func (m *maker) starts(ns string, pods int) {
	began := time.Now().Add(-time.Hour).Truncate(time.Second)
	for i := range pods {
		m.work <- func(ctx context.Context) error {
			template := template("web")
			name := fmt.Sprintf("web-%d", i)
			p := &corev1.Pod{ObjectMeta: template.ObjectMeta, Spec: template.Spec}
			p.Name, p.Namespace = name, ns
			p.OwnerReferences = []metav1.OwnerReference{{APIVersion: "example.com/v1", Kind: "Shop",
				Name: fmt.Sprintf("shop-%d", i/20), UID: "00000000-0000-0000-0000-000000000000", Controller: new(true)}}
			p.Spec.Containers[0].ReadinessProbe = p.Spec.Containers[0].LivenessProbe.DeepCopy()
			made, err := m.CoreV1().Pods(ns).Create(ctx, p, metav1.CreateOptions{})
			if err != nil {
				return err
			}
			made.Status = begun(began, 15+i%5, made.Spec.Containers)
			if _, err = m.CoreV1().Pods(ns).UpdateStatus(ctx, made, metav1.UpdateOptions{}); err != nil {
				return err
			}
			_, err = m.CoreV1().Events(ns).Create(ctx, &corev1.Event{
				ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: ns}, Reason: "Unhealthy",
				Message: "Readiness probe failed: " + strings.Repeat("no answer ", 20), Count: 2,
				LastTimestamp: metav1.NewTime(began.Add(5 * time.Second)),
				InvolvedObject: corev1.ObjectReference{Kind: "Pod", Namespace: ns, Name: name, UID: made.UID,
					FieldPath: "spec.containers{app}"}}, metav1.CreateOptions{})
			return err
		}
	}
}

// TestRecommend: the starts of a large cluster are read within a minute and 150 MB, with the rights to list pods and
// events and no others. Who may not list events is told so.
func TestRecommend(t *testing.T) {
	pods, limit, most := 500, 20*time.Second, int64(100e6)
	if *whole {
		pods, limit, most = 10_000, time.Minute, 150e6
	}
	ns := env.Namespace(t, "")
	m := newMaker(t)
	m.starts(ns, pods)
	close(m.work)
	m.group.Wait()
	if m.err != nil {
		t.Fatal(m.err)
	}
	for _, command := range []string{
		"create serviceaccount reads", "create serviceaccount pods-only",
		"create clusterrole reads-" + ns + " --verb=list --resource=pods,events",
		"create clusterrolebinding reads-" + ns + " --clusterrole=reads-" + ns + " --serviceaccount=" + ns + ":reads",
		"create role pods-only --verb=list --resource=pods",
		"create rolebinding pods-only --role=pods-only --serviceaccount=" + ns + ":pods-only",
	} {
		env.Must(t, ns, "", strings.Fields(command)...)
	}
	reads, podsOnly := env.Kubeconfig(t, ns, "reads", ""), env.Kubeconfig(t, ns, "pods-only", "")

	r := podvetAs(t, env.Binary, reads, "", "recommend", "--cluster", "-o", "json")
	t.Logf("%d pods: %.1f s, %d MB", pods, r.took.Seconds(), r.peak/1e6)
	if r.status != 0 || r.took > limit || r.peak > most {
		t.Errorf("status %d, %v, %d MB: %s", r.status, r.took, r.peak/1e6, r.stderr)
	}
	var found struct {
		Containers []struct {
			Namespace, Kind, Name, Container string
			Starts                           int
			Advice                           []struct{ Field string }
		}
	}
	if err := json.Unmarshal([]byte(r.stdout), &found); err != nil {
		t.Fatal(err)
	}
	owners := 0
	for _, c := range found.Containers {
		if c.Kind != "Shop" || c.Container != "app" {
			continue
		}
		owners++
		if c.Namespace != ns || c.Starts != 20 || len(c.Advice) != 1 || c.Advice[0].Field != "startupProbe" {
			t.Errorf("%+v", c)
		}
	}
	if owners != pods/20 {
		t.Errorf("%d owners", owners)
	}

	// So is why of a workload whose pods are among them.
	r = podvetAs(t, env.Binary, reads, "", "why", "shop/shop-0", "-n", ns)
	t.Logf("why, %d pods: %.1f s, %d MB", pods, r.took.Seconds(), r.peak/1e6)
	if r.status > 1 || r.took > limit || r.peak > most || !strings.Contains(r.stdout, "Pod "+ns+"/web-") {
		t.Errorf("status %d, %v, %d MB: %s%s", r.status, r.took, r.peak/1e6, r.stdout, r.stderr)
	}

	r = podvetAs(t, env.Binary, podsOnly, "", "recommend", "shop/shop-0", "-n", ns)
	if r.status != 2 || !strings.Contains(r.stdout, ns+" Shop/shop-0, container app: 20 starts") || !strings.Contains(
		r.stderr, "events: cannot be listed because you may not list events in the namespace "+ns) {
		t.Errorf("status %d, %s%s", r.status, r.stdout, r.stderr)
	}
}
