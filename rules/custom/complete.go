package custom

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/podvet/podvet/rules/pod"
)

// complete does to a template what its controller does to the pods.
func (t *Template) complete(spec *corev1.PodSpec, beside corev1.RestartPolicy) {
	if t.restartBeside {
		if spec.RestartPolicy = beside; beside == "ExitCode" { // the controller's own, for pods that end
			spec.RestartPolicy = corev1.RestartPolicyNever
		}
	}
	if spec.RestartPolicy == "" {
		spec.RestartPolicy = t.restart
	}
	if t.knative {
		for i := range spec.Containers {
			completeKnative(&spec.Containers[i])
		}
	}
}

// knativePort is where a container serves that declares no port (knative.dev/serving
// pkg/apis/serving/v1/revision_helpers.go DefaultUserPort).
const knativePort = 8080

// completeKnative gives probes without a port that of the container, as Knative also does with a port's name, and the
// container a preStop hook that waits for the queue-proxy (knative.dev/serving
// pkg/reconciler/revision/resources/deploy.go makeContainer and rewriteUserLivenessProbe, queue.go
// applyReadinessProbeDefaults).
func completeKnative(c *corev1.Container) {
	if c.Name == "" {
		c.Name = "user-container"
	}
	port := intstr.FromInt32(knativePort)
	if len(c.Ports) > 0 && c.Ports[0].ContainerPort != 0 {
		port = intstr.FromInt32(c.Ports[0].ContainerPort)
	}
	if c.ReadinessProbe != nil && c.ReadinessProbe.ProbeHandler == (corev1.ProbeHandler{}) {
		c.ReadinessProbe.TCPSocket = &corev1.TCPSocketAction{}
	}
	for _, kind := range pod.ProbeKinds {
		probe := *kind.Field(c)
		if probe == nil {
			continue
		}
		complete := func(written *intstr.IntOrString) {
			named := written.Type == intstr.String && kind != pod.Startup // which Knative leaves as it is
			if *written == (intstr.IntOrString{}) || named {
				*written = port
			}
		}
		switch {
		case probe.HTTPGet != nil:
			complete(&probe.HTTPGet.Port)
		case probe.TCPSocket != nil:
			complete(&probe.TCPSocket.Port)
		case probe.GRPC != nil && probe.GRPC.Port == 0:
			probe.GRPC.Port = port.IntVal
		}
	}
	if c.Lifecycle == nil {
		c.Lifecycle = &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{
			HTTPGet: &corev1.HTTPGetAction{Path: "/wait-for-drain", Port: intstr.FromInt32(8022)}}}
	}
}
