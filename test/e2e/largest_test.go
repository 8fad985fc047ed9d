package e2e

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/podvet/podvet/test/e2e/env"
	"github.com/podvet/podvet/test/podvet"
)

// fillings make pods that take all the room that the API server has for one, each in another way.
var fillings = map[string]struct {
	most int // as many as there is room for, or as the API server validates in time
	fill func(spec *corev1.PodSpec, n int)
}{
	"an argument, every byte of it escaped": {1_600_000, func(spec *corev1.PodSpec, n int) {
		spec.Containers[0].Args = []string{strings.Repeat("<", n)}
	}},
	"empty arguments": {800_000, func(spec *corev1.PodSpec, n int) {
		spec.Containers[0].Args = make([]string, n)
	}},
	"containers": {12_000, func(spec *corev1.PodSpec, n int) {
		for i := range n {
			spec.Containers = append(spec.Containers, corev1.Container{Name: fmt.Sprint("c", i), Image: "i"})
		}
	}},
	"volumes": {40_000, func(spec *corev1.PodSpec, n int) {
		for i := range n {
			spec.Volumes = append(spec.Volumes, corev1.Volume{Name: strconv.Itoa(i),
				VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}})
		}
	}},
	"variables": {40_000, func(spec *corev1.PodSpec, n int) {
		spec.Containers[0].Env = make([]corev1.EnvVar, n)
		for i := range n {
			spec.Containers[0].Env[i].Name = fmt.Sprint("A", i)
		}
	}},
	"node selector terms": {790_000, func(spec *corev1.PodSpec, n int) {
		spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{
			RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{
				NodeSelectorTerms: make([]corev1.NodeSelectorTerm, n)}}}
	}},
}

// TestLargestAndDeepestPods: every pod that the API server can store is judged, by a podvet with as much memory as the
// chart gives it. The webhooks are called with Fail, so one that cannot be judged is refused.
func TestLargestAndDeepestPods(t *testing.T) {
	dir := t.TempDir()
	p, err := podvet.Start(t.Context(), env.Binary, dir, []string{"GOMEMLIMIT=256MiB"}, "--local",
		"--cert-dir", filepath.Join(dir, "certs"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Stop() })
	if err := register(t.Context(), "largest", p, "Fail"); err != nil {
		t.Fatal(err)
	}
	ns := env.Namespace(t, "largest")
	var heard env.Warnings
	config := rest.CopyConfig(env.API.Config)
	config.ContentType, config.QPS, config.WarningHandler = "application/vnd.kubernetes.protobuf", -1, &heard
	client := kubernetes.NewForConfigOrDie(config)
	judged := func(t *testing.T, what string) {
		t.Helper()
		if !strings.Contains(strings.Join(heard.Texts, "\n"), "podvet: container \"app\": ") {
			t.Errorf("%s: not judged: %v", what, heard.Texts)
		}
		heard.Texts = nil
	}
	for name, f := range fillings {
		t.Run(name, func(t *testing.T) {
			for n := f.most; ; n -= n / 20 {
				made := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{GenerateName: "p-"},
					Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "i"}}}}
				made.Spec.Containers[0].LivenessProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{
					HTTPGet: &corev1.HTTPGetAction{Port: intstr.FromString("web")}}}
				f.fill(&made.Spec, n)
				_, err := client.CoreV1().Pods(ns).Create(t.Context(), made, metav1.CreateOptions{})
				switch {
				case err == nil:
					t.Logf("%d were stored", n)
					judged(t, name)
					return
				case strings.Contains(err.Error(), "webhook") || !strings.Contains(err.Error(), "too large") &&
					!strings.Contains(err.Error(), "larger than max"):
					t.Fatalf("%d: %.300v", n, err)
				}
				heard.Texts = nil
			}
		})
	}
	t.Run("deep", func(t *testing.T) {
		for depth := 9_998; ; depth-- { // that of all that may be nested, less what managed fields are in
			fields := strings.Repeat(`{"f:a":`, depth) + "{}" + strings.Repeat("}", depth)
			text := `{"apiVersion":"v1","kind":"Pod","metadata":{"generateName":"p-","managedFields":[{"manager":"m",` +
				`"operation":"Update","apiVersion":"v1","fieldsType":"FieldsV1","fieldsV1":` + fields +
				`}]},"spec":{"containers":[{"name":"app","image":"i",` +
				`"livenessProbe":{"httpGet":{"port":"web"}}}]}}`
			err := client.CoreV1().RESTClient().Post().Namespace(ns).Resource("pods").
				SetHeader("Content-Type", "application/json").Body([]byte(text)).Do(t.Context()).Error()
			switch {
			case err == nil:
				t.Logf("nested %d deep", depth)
				judged(t, "deep")
				return
			case depth < 9_900 || strings.Contains(err.Error(), "webhook"):
				t.Fatalf("%d deep: %.300v", depth, err)
			}
			heard.Texts = nil
		}
	})
}
