// Package parity holds what podvet says of Kubernetes against Kubernetes' own code.
package parity

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	podutil "k8s.io/kubernetes/pkg/api/v1/pod"
	_ "k8s.io/kubernetes/pkg/apis/apps/install"
	_ "k8s.io/kubernetes/pkg/apis/batch/install"
	_ "k8s.io/kubernetes/pkg/apis/core/install"
	kubeprobe "k8s.io/kubernetes/pkg/probe"
	"sigs.k8s.io/yaml"

	"github.com/podvet/podvet/rules/pod"
	"github.com/podvet/podvet/test/randpod"
)

// objects are all fixtures and examples, then random pods and the templates around them.
func objects(t *testing.T, random int) map[string]pod.Object {
	t.Helper()
	all := map[string]pod.Object{}
	for _, pattern := range []string{"../../rules/catalogue/*/good*.yaml", "../../rules/catalogue/*/bad*.yaml",
		"../../examples/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: nothing there (%v)", pattern, err)
		}
		for _, file := range files {
			if strings.Contains(file, "/unknown-field/") {
				continue // Kubernetes has no such fields
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var kind metav1.TypeMeta
			if err := yaml.Unmarshal(text, &kind); err != nil {
				t.Fatal(err)
			}
			obj := pod.NewObject(kind.APIVersion, kind.Kind)
			if err := yaml.UnmarshalStrict(text, obj); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			all[file] = obj
		}
	}
	generator := randpod.New(11)
	kinds := [][2]string{{"apps/v1", "Deployment"}, {"apps/v1", "ReplicaSet"}, {"apps/v1", "StatefulSet"},
		{"apps/v1", "DaemonSet"},
		{"v1", "ReplicationController"}, {"batch/v1", "Job"}, {"batch/v1", "CronJob"}}
	for i := range random {
		generator.Valid = i%2 == 0
		p := generator.Pod()
		if !generator.Valid && i%3 == 0 {
			misname(&p.Spec)
		}
		all["random "+strconv.Itoa(i)] = p
		kind := kinds[i%len(kinds)]
		all[fmt.Sprintf("random %s %d", kind[1], i)] = workload(t, kind, p)
	}
	return all
}

// misname gives containers of every kind names and images of which some may not be.
func misname(spec *corev1.PodSpec) {
	names := []string{"app", "app", "web-1", "App_2", "-a", "a-", "a.b", "", "ü", "${P}", strings.Repeat("a", 63),
		strings.Repeat("a", 64)}
	images := []string{"app:1", "app:1", "", " ", " app:1", "app:1\n", "$(X)"}
	set := func(c *corev1.Container) {
		if rand.IntN(2) == 0 {
			c.Name, c.Image = names[rand.IntN(len(names))], images[rand.IntN(len(images))]
		}
	}
	for i := range spec.InitContainers {
		set(&spec.InitContainers[i])
	}
	for i := range spec.Containers {
		set(&spec.Containers[i])
	}
	for range rand.IntN(3) {
		c := corev1.Container{Name: "debug", Image: "app:1"}
		set(&c)
		spec.EphemeralContainers = append(spec.EphemeralContainers,
			corev1.EphemeralContainer{EphemeralContainerCommon: corev1.EphemeralContainerCommon(c)})
	}
}

// workload wraps a pod's spec as a template.
func workload(t *testing.T, kind [2]string, p *corev1.Pod) pod.Object {
	t.Helper()
	template := map[string]any{"spec": p.Spec}
	spec := map[string]any{"template": template}
	if kind[1] == "CronJob" {
		spec = map[string]any{"jobTemplate": map[string]any{"spec": spec}, "startingDeadlineSeconds": rand.IntN(4) - 1}
	}
	if kind[1] == "Deployment" {
		spec["progressDeadlineSeconds"], spec["minReadySeconds"] = rand.IntN(30)-1, rand.IntN(20)
		if rand.IntN(3) == 0 {
			delete(spec, "progressDeadlineSeconds")
		}
	}
	raw, err := json.Marshal(map[string]any{"apiVersion": kind[0], "kind": kind[1],
		"metadata": map[string]any{"name": "w"}, "spec": spec})
	if err != nil {
		t.Fatal(err)
	}
	obj := pod.NewObject(kind[0], kind[1])
	if err := json.Unmarshal(raw, obj); err != nil {
		t.Fatal(err)
	}
	return obj
}

// TestDefaults: the API server's own defaulting, of all that podvet reads.
func TestDefaults(t *testing.T) {
	for name, obj := range objects(t, 3000) {
		want := obj.DeepCopyObject().(pod.Object)
		legacyscheme.Scheme.Default(want)
		pod.Default(obj)
		podvets, _ := pod.SubjectOf(obj)
		kubernetes, _ := pod.SubjectOf(want)
		if diff := cmp.Diff(judged(kubernetes.Spec), judged(podvets.Spec)); diff != "" {
			t.Fatalf("%s (-Kubernetes +podvet):\n%s", name, diff)
		}
	}
}

// judged is the part of a spec that podvet gives defaults to.
func judged(spec *corev1.PodSpec) any {
	type container struct {
		Name                         string
		Ports                        []corev1.ContainerPort
		Liveness, Readiness, Startup *corev1.Probe
		Lifecycle                    *corev1.Lifecycle
	}
	part := struct {
		RestartPolicy corev1.RestartPolicy
		Grace         *int64
		Containers    []container
	}{spec.RestartPolicy, spec.TerminationGracePeriodSeconds, nil}
	for _, list := range [][]corev1.Container{spec.InitContainers, spec.Containers} {
		for _, c := range list {
			part.Containers = append(part.Containers, container{c.Name, c.Ports, c.LivenessProbe, c.ReadinessProbe,
				c.StartupProbe, c.Lifecycle})
		}
	}
	return part
}

// TestPorts: the kubelet's own resolution, of every probe's port and of many a name.
func TestPorts(t *testing.T) {
	resolved, unresolved := 0, 0
	for name, obj := range objects(t, 3000) {
		subject, _ := pod.Read(obj)
		for _, c := range subject.Containers {
			refs := []intstr.IntOrString{intstr.FromString("http"), intstr.FromString("8080"),
				intstr.FromString("70000"), intstr.FromString("-1"),
				intstr.FromString(""), intstr.FromInt32(0), intstr.FromInt32(65535), intstr.FromInt32(65536),
				intstr.FromInt32(-5)}
			for _, kind := range pod.ProbeKinds {
				if probe, ok := c.ProbeOf(kind); ok {
					if ref, ok := probe.PortRef(); ok {
						refs = append(refs, ref)
					}
				}
			}
			for _, ref := range refs {
				want, err := kubeprobe.ResolveContainerPort(ref, c.Container)
				got, ok := pod.ResolvePort(c.Container, ref)
				if ok != (err == nil) || ok && int(got) != want {
					t.Errorf("%s: container %s, port %s: Kubernetes %d (%v), podvet %d (%v)", name, c.Name,
						ref.String(), want, err, got, ok)
				}
				if ok {
					resolved++
				} else {
					unresolved++
				}
			}
		}
	}
	if resolved < 1000 || unresolved < 1000 {
		t.Errorf("only %d resolved and %d unresolved", resolved, unresolved)
	}
}

// TestRestarts: the kubelet's own decision, for every container and exit code.
func TestRestarts(t *testing.T) {
	counts := map[bool]int{}
	for name, obj := range objects(t, 2000) {
		subject, _ := pod.Read(obj)
		for _, c := range subject.Containers {
			for _, code := range []int32{0, 1, 2, 42, 43, 128, 137, 143, 255, rand.Int32N(256)} {
				want := podutil.ContainerShouldRestart(*c.Container, *subject.Spec, code)
				got := pod.Restarts(subject.Spec, c.Container, code)
				counts[want]++
				if got != want {
					t.Fatalf("%s: container %s, exit code %d: Kubernetes %v, podvet %v", name, c.Name, code, want, got)
				}
			}
		}
	}
	if counts[true] < 1000 || counts[false] < 1000 {
		t.Errorf("only %v", counts)
	}
}
