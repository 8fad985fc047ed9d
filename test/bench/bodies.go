package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// reviews is the folder with the recorded AdmissionReviews, seen from the root of the repository.
const reviews = "webhook/testdata/reviews"

// usual is the review at which everything is measured: a pod of two containers and a sidecar.
const (
	usual      = "009-Pod-CREATE.json"
	usualTitle = "review 009"
)

// A benchCase is a body, and how it is sent.
type benchCase struct {
	title   string
	file    string // with the body
	clients int
	http2   bool
}

func (c benchCase) name() string {
	protocol := "HTTP/1.1"
	if c.http2 {
		protocol = "HTTP/2"
	}
	return fmt.Sprintf("%s, %d clients, %s", c.title, c.clients, protocol)
}

// ofPod tells whether the review is about a pod.
func (c benchCase) ofPod() bool {
	return c.title == usualTitle || !strings.HasPrefix(c.title, "review ") || strings.HasSuffix(c.title, "-Pod")
}

// makeCases writes the bodies that are not recorded into the folder.
func makeCases(folder string) ([]benchCase, error) {
	var cases []benchCase
	for _, http2 := range []bool{false, true} {
		for _, clients := range []int{1, 8, 64} {
			cases = append(cases, benchCase{usualTitle, filepath.Join(reviews, usual), clients, http2})
		}
	}
	recorded, err := filepath.Glob(filepath.Join(reviews, "*.json"))
	if err != nil {
		return nil, err
	}
	for _, file := range recorded {
		name := filepath.Base(file)
		if name != usual {
			cases = append(cases, benchCase{"review " + strings.TrimSuffix(name, "-CREATE.json"), file, 8, false})
		}
	}
	made := pods()
	for _, title := range []string{"nginx", "of a Deployment", "init and sidecar", "20 x 100 env", large, largest} {
		file := filepath.Join(folder, strings.ReplaceAll(title, " ", "-")+".json")
		if err := writeReview(file, made[title]); err != nil {
			return nil, err
		}
		if title != largest {
			cases = append(cases, benchCase{title, file, 8, false})
		}
		if title == large || title == largest {
			cases = append(cases, benchCase{title, file, 1, false})
		}
	}
	return cases, nil
}

// Two pods of 1 MB: one as they are, with much environment, which no rule reads, and the most that rules can have to
// read.
const (
	large   = "a pod of 1 MB"
	largest = "1 MB of containers"
)

// pods are bodies of other sizes than the recorded ones.
func pods() map[string]*corev1.Pod {
	probe := func(port int) *corev1.Probe {
		return &corev1.Probe{
			ProbeHandler: corev1.ProbeHandler{
				HTTPGet: &corev1.HTTPGetAction{Path: "/", Port: intstr.FromInt(port), Scheme: "HTTP"}},
			TimeoutSeconds: 1, PeriodSeconds: 10, SuccessThreshold: 1, FailureThreshold: 3,
		}
	}
	container := func(name string, port int) corev1.Container {
		return corev1.Container{Name: name, Image: "registry.example/" + name + ":1", ImagePullPolicy: "IfNotPresent",
			Ports:         []corev1.ContainerPort{{Name: "http", ContainerPort: int32(port), Protocol: "TCP"}},
			LivenessProbe: probe(port), ReadinessProbe: probe(port),
			TerminationMessagePath: "/dev/termination-log", TerminationMessagePolicy: "File"}
	}
	pod := func(containers ...corev1.Container) *corev1.Pod {
		p := &corev1.Pod{}
		p.APIVersion, p.Kind, p.Name, p.Namespace = "v1", "Pod", "bench", "default"
		p.Spec = corev1.PodSpec{Containers: containers, RestartPolicy: "Always", DNSPolicy: "ClusterFirst",
			TerminationGracePeriodSeconds: new(int64(30)), SchedulerName: "default-scheduler"}
		return p
	}
	env := func(c corev1.Container, n, length int) corev1.Container {
		for i := range n {
			name, value := fmt.Sprintf("VARIABLE_%d", i), strings.Repeat("x", length)
			c.Env = append(c.Env, corev1.EnvVar{Name: name, Value: value})
		}
		return c
	}
	made := map[string]*corev1.Pod{
		"nginx":           pod(corev1.Container{Name: "nginx", Image: "nginx", ImagePullPolicy: "Always"}),
		"of a Deployment": pod(container("web", 8080), container("proxy", 8081)),
		large:             pod(env(container("app", 8080), 1000, 1000)),
	}
	owned := made["of a Deployment"]
	owned.Labels = map[string]string{"app": "web", "pod-template-hash": "74cc4b97cf"}
	owned.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "web-74cc4b97cf",
		UID: "86ff53b0-6edb-483a-87b0-b9b2cbd9f426", Controller: new(true), BlockOwnerDeletion: new(true)}}
	sidecar := container("mesh", 15020)
	sidecar.RestartPolicy = new(corev1.ContainerRestartPolicyAlways)
	helped := pod(container("web", 8080))
	helped.Spec.InitContainers = []corev1.Container{{Name: "migrate", Image: "registry.example/migrate:1"}, sidecar}
	made["init and sidecar"] = helped
	many := make([]corev1.Container, 0, 20)
	for i := range 20 {
		many = append(many, env(container(fmt.Sprintf("app-%d", i), 8000+i), 100, 20))
	}
	made["20 x 100 env"] = pod(many...)
	many = nil
	for i := range 1700 {
		many = append(many, container(fmt.Sprintf("app-%d", i), 8000+i))
	}
	made[largest] = pod(many...)
	return made
}

// writeReview puts a pod into the recorded review's envelope.
func writeReview(file string, pod *corev1.Pod) error {
	text, err := os.ReadFile(filepath.Join(reviews, usual))
	if err != nil {
		return err
	}
	var review admissionv1.AdmissionReview // in the order in which the API server writes
	if err := json.Unmarshal(text, &review); err != nil {
		return err
	}
	if review.Request.Object.Raw, err = json.Marshal(pod); err != nil {
		return err
	}
	if text, err = json.Marshal(review); err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o600)
}
