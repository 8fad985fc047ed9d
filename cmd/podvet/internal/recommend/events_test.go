package recommend

import (
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/podvet/podvet/rules/pod"
)

// TestRefused: which failures of a probe show that the app serves, and that more time would not help.
func TestRefused(t *testing.T) {
	for message, want := range map[string]string{
		"Liveness probe failed: HTTP probe failed with statuscode: 404":            "HTTP 404",
		"Liveness probe failed: HTTP probe failed with statuscode: 429":            "",
		"Liveness probe failed: HTTP probe failed with statuscode: 503":            "",
		"Readiness probe failed: HTTP probe failed with statuscode: 404":           "",
		"Liveness probe failed: dial tcp 10.0.0.1:80: connect: connection refused": "",
		"Liveness probe failed: error: this server does not implement the grpc health protocol " +
			"(grpc.health.v1.Health): unknown service": "gRPC UNIMPLEMENTED",
	} {
		var note told
		note.note(&corev1.Event{Reason: "Unhealthy", Message: message})
		if got := note.answers[pod.Liveness]; got != want {
			t.Errorf("%s: %q, want %q", message, got, want)
		}
	}
}

// TestPastGrace: a pod that is gone was killed after the grace period of its probe, not after that of the pod.
func TestPastGrace(t *testing.T) {
	c, owner := NewCollector(), Owner{"shop", "Deployment", "web"}
	c.Pod(podOf(t, "containers: [{name: app, image: x, livenessProbe: {tcpSocket: {port: 1}, "+
		"terminationGracePeriodSeconds: 60}, readinessProbe: {tcpSocket: {port: 1}, periodSeconds: 5}}]"), owner, noon)
	c.Past(owner, map[string]*Starts{"app": {First: 1000, Last: 1085, Restarts: 1}}, 1110)
	boots, wrong := c.owners[owner].of("app").boots()
	if len(boots) != 2 || boots[0] != (Span{20, unseen}) || len(wrong) > 0 {
		t.Errorf("%v, %v", boots, wrong)
	}
}
