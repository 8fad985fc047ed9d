package live_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/podvet/podvet/test/e2e/env"
	"github.com/podvet/podvet/test/podvet"
)

// template is that of a pod as large as usual ones.
func template(app string) corev1.PodTemplateSpec {
	labels := map[string]string{"app": app, "app.kubernetes.io/part-of": "shop", "team": "payments"}
	probe := &corev1.Probe{ProbeHandler: corev1.ProbeHandler{
		HTTPGet: &corev1.HTTPGetAction{Path: "/healthz", Port: intstr.FromString("http")}}}
	c := corev1.Container{Name: "app", Image: "registry.example/shop/" + app + ":1.2.3", LivenessProbe: probe,
		Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 8080}}}
	for i := range 20 {
		c.Env = append(c.Env, corev1.EnvVar{Name: fmt.Sprintf("SETTING_%d", i), Value: strings.Repeat("value ", 10)})
	}
	sidecar := c.DeepCopy()
	sidecar.Name, sidecar.Ports, sidecar.LivenessProbe = "proxy", nil, nil
	return corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: labels,
			Annotations: map[string]string{"example.com/notes": strings.Repeat("why this is so. ", 30)}},
		Spec: corev1.PodSpec{Containers: []corev1.Container{c, *sidecar}},
	}
}

// maker makes objects with many workers, and keeps the first error.
type maker struct {
	*kubernetes.Clientset
	work  chan func(context.Context) error
	group sync.WaitGroup
	once  sync.Once
	err   error
}

func newMaker(t *testing.T) *maker {
	t.Helper()
	config := rest.CopyConfig(env.API.Config)
	config.ContentType, config.QPS = "application/vnd.kubernetes.protobuf", -1
	m := &maker{Clientset: kubernetes.NewForConfigOrDie(config), work: make(chan func(context.Context) error)}
	for range 16 {
		m.group.Go(func() {
			for do := range m.work {
				if err := do(t.Context()); err != nil {
					m.once.Do(func() { m.err = err })
				}
			}
		})
	}
	return m
}

// workload makes the i-th in a namespace: of four of them two are Deployments of five pods, one is a StatefulSet of two
// and one a CronJob. Each second one has a bare pod beside it. It tells how many pods that makes.
func (m *maker) workload(ns string, i int) (pods int) {
	name := fmt.Sprintf("app-%d", i)
	meta := metav1.ObjectMeta{Name: name, Namespace: ns}
	pod := template(name)
	selector := &metav1.LabelSelector{MatchLabels: map[string]string{"app": name}}
	var create metav1.CreateOptions
	switch i % 4 {
	case 0, 1:
		d := &appsv1.Deployment{ObjectMeta: meta,
			Spec: appsv1.DeploymentSpec{Replicas: new(int32(5)), Selector: selector, Template: pod}}
		pods = 5
		m.work <- func(ctx context.Context) error {
			_, err := m.AppsV1().Deployments(ns).Create(ctx, d, create)
			return err
		}
	case 2:
		s := &appsv1.StatefulSet{ObjectMeta: meta,
			Spec: appsv1.StatefulSetSpec{Replicas: new(int32(2)), Selector: selector, ServiceName: name, Template: pod,
				PodManagementPolicy: appsv1.ParallelPodManagement}}
		pods = 2
		m.work <- func(ctx context.Context) error {
			_, err := m.AppsV1().StatefulSets(ns).Create(ctx, s, create)
			return err
		}
	case 3:
		pod.Spec.RestartPolicy = corev1.RestartPolicyNever
		c := &batchv1.CronJob{ObjectMeta: meta, Spec: batchv1.CronJobSpec{Schedule: "0 3 1 1 *",
			JobTemplate: batchv1.JobTemplateSpec{Spec: batchv1.JobSpec{Template: pod}}}}
		m.work <- func(ctx context.Context) error {
			_, err := m.BatchV1().CronJobs(ns).Create(ctx, c, create)
			return err
		}
	}
	if i%2 == 0 {
		bare := template("bare")
		bare.Name, bare.Namespace = name+"-bare", ns
		pods++
		m.work <- func(ctx context.Context) error {
			p := &corev1.Pod{ObjectMeta: bare.ObjectMeta, Spec: bare.Spec}
			_, err := m.CoreV1().Pods(ns).Create(ctx, p, create)
			return err
		}
	}
	return pods
}

// TestSize: a large cluster is judged within a minute and 150 MB, a small one within what is less than that.
func TestSize(t *testing.T) {
	workloads, limit, most := 150, 20*time.Second, int64(100e6)
	if *whole {
		workloads, limit, most = 3000, time.Minute, 150e6
	}
	m := newMaker(t)
	pods := 0
	var namespaces []string
	for i := range workloads {
		if i%(workloads/10) == 0 { // whole tenths
			namespaces = append(namespaces, env.Namespace(t, ""))
		}
		pods += m.workload(namespaces[len(namespaces)-1], i)
	}
	close(m.work)
	m.group.Wait()
	if m.err != nil {
		t.Fatal(m.err)
	}
	if !podvet.Await(t.Context(), 10*time.Minute, func() bool { return m.count(t, namespaces) >= pods }) {
		t.Fatalf("%d of %d pods were made", m.count(t, namespaces), pods)
	}
	for _, format := range []string{"text", "json"} {
		r := check(t, "", "", "--cluster", "--fail-on=none", "-o", format)
		t.Logf("%s of %d pods and %d workloads: %.1f s, %d MB, %d bytes of report",
			format, pods, workloads, r.took.Seconds(), r.peak/1e6, len(r.stdout))
		if r.status != 0 {
			t.Errorf("status %d: %s", r.status, r.stderr)
		}
		if r.took > limit || r.peak > most {
			t.Errorf("%s: %v and %d MB, and %v and %d MB are the most", format, r.took, r.peak/1e6, limit, most/1e6)
		}
		if format == "json" {
			bare := (workloads + 1) / 2
			if f := r.reported(t); f.Summary.Subjects < workloads+bare || f.Summary.PassedOver < pods-bare {
				t.Errorf("%d workloads and %d pods, %d of them bare: %+v", workloads, pods, bare, f.Summary)
			}
		}
	}
}

// count is how many pods there are in namespaces: other tests make some beside them.
func (m *maker) count(t *testing.T, namespaces []string) (pods int) {
	t.Helper()
	for _, ns := range namespaces {
		list, err := m.CoreV1().Pods(ns).List(t.Context(), metav1.ListOptions{Limit: 1})
		if err != nil {
			t.Fatal(err)
		}
		pods += len(list.Items)
		if list.RemainingItemCount != nil {
			pods += int(*list.RemainingItemCount)
		}
	}
	return pods
}
