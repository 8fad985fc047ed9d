package main

import (
	"encoding/json"
	"os"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// recordedPod is the pod of the usual review as its author sent it.
func recordedPod() (*corev1.Pod, error) {
	text, err := os.ReadFile(filepath.Join(reviews, usual))
	if err != nil {
		return nil, err
	}
	var review struct{ Request struct{ Object corev1.Pod } }
	if err := json.Unmarshal(text, &review); err != nil {
		return nil, err
	}
	pod := &review.Request.Object
	pod.ObjectMeta = metav1.ObjectMeta{GenerateName: "bench-", Labels: pod.Labels, OwnerReferences: pod.OwnerReferences}
	pod.Status = corev1.PodStatus{}
	return pod, nil
}

// withProbes is a pod whose containers have the probes that they should have.
func withProbes(pod *corev1.Pod) *corev1.Pod {
	pod = pod.DeepCopy()
	app := &pod.Spec.Containers[0]
	app.StartupProbe = app.LivenessProbe.DeepCopy()
	app.StartupProbe.PeriodSeconds, app.StartupProbe.FailureThreshold = 3, 101
	metrics := &pod.Spec.Containers[1]
	metrics.ReadinessProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{
		TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromInt32(metrics.Ports[0].ContainerPort)}}}
	return pod
}
