package pod_test

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/podvet/podvet/rules/pod"
)

func TestDialsNodeLoopback(t *testing.T) {
	for target, want := range map[string]bool{
		"127.0.0.1 8080":        true,
		"127.9.9.9 8080":        true,
		"localhost 8080":        true,
		"LOCALHOST. 8080":       true,
		"::1 8080":              true,
		"::ffff:127.0.0.1 8080": true,
		"0.0.0.0 8080":          true,
		":: 8080":               true,
		"127.0.0.1 web":         true,
		"127.0.0.1 nowhere":     false,
		"127.0.0.1 0":           false,
		"[::1] 8080":            false, // dialled as [[::1]], which is an error
		"::1%lo 8080":           false,
		"10.0.0.1 8080":         false,
		"localhost.example 80":  false,
		" 8080":                 false,
		"127.0.0.1 9443":        false, // a hostPort of the other container
		"127.0.0.1 10247":       true,
		"127.0.0.1 10248":       false,
		"127.0.0.1 10259":       false,
		"127.0.0.1 10260":       true,
		"127.0.0.1 29999":       true,
		"127.0.0.1 30000":       false,
		"127.0.0.1 32767":       false,
		"127.0.0.1 32768":       true,
	} {
		host, port, _ := strings.Cut(target, " ")
		s, ok := pod.Read(&corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{
			{Name: "app", Ports: []corev1.ContainerPort{{Name: "web", ContainerPort: 8080}}},
			{Name: "proxy", Ports: []corev1.ContainerPort{{ContainerPort: 8443, HostPort: 9443}}},
		}}})
		if !ok {
			t.Fatal("not judged")
		}
		c := &s.Containers[0]
		for name, h := range map[string]pod.Handler{
			"httpGet":   {Container: c, HTTPGet: &corev1.HTTPGetAction{Host: host, Port: intstr.Parse(port)}},
			"tcpSocket": {Container: c, TCPSocket: &corev1.TCPSocketAction{Host: host, Port: intstr.Parse(port)}},
		} {
			if got := s.DialsNodeLoopback(h); got != want {
				t.Errorf("%s %s: %v", name, target, got)
			}
			s.Spec.HostNetwork = true
			if s.DialsNodeLoopback(h) {
				t.Errorf("%s %s: with hostNetwork the pod's loopback is the node's", name, target)
			}
			s.Spec.HostNetwork = false
		}
	}
	if s, _ := pod.Read(&corev1.Pod{}); s.DialsNodeLoopback(pod.Handler{Exec: &corev1.ExecAction{}}) {
		t.Error("a command dials nobody")
	}
}
