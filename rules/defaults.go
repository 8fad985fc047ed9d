package rules

import (
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// Default fills in, in place, the API server's defaults for what the rules read: probes, handlers, ports,
// restartPolicy and grace (K pkg/apis/core/v1/defaults.go). An object from an admission review has them
// already, a file has not. Other objects stay as they are.
func Default(obj runtime.Object) {
	switch o := obj.(type) {
	case *corev1.Pod:
		defaultSpec(&o.Spec)
		// Only pods: a template keeps a negative grace and open host ports.
		if grace := o.Spec.TerminationGracePeriodSeconds; *grace < 0 {
			*grace = 1
		}
		if o.Spec.HostNetwork {
			defaultHostPorts(o.Spec.InitContainers)
			defaultHostPorts(o.Spec.Containers)
		}
	case *appsv1.Deployment:
		defaultSpec(&o.Spec.Template.Spec)
	case *appsv1.ReplicaSet:
		defaultSpec(&o.Spec.Template.Spec)
	case *appsv1.StatefulSet:
		defaultSpec(&o.Spec.Template.Spec)
	case *appsv1.DaemonSet:
		defaultSpec(&o.Spec.Template.Spec)
	case *corev1.ReplicationController:
		if o.Spec.Template != nil {
			defaultSpec(&o.Spec.Template.Spec)
		}
	case *batchv1.Job:
		defaultSpec(&o.Spec.Template.Spec)
	case *batchv1.CronJob:
		defaultSpec(&o.Spec.JobTemplate.Spec.Template.Spec)
	}
}

func defaultSpec(spec *corev1.PodSpec) {
	setIfZero(&spec.RestartPolicy, corev1.RestartPolicyAlways)
	if spec.TerminationGracePeriodSeconds == nil {
		grace := int64(corev1.DefaultTerminationGracePeriodSeconds)
		spec.TerminationGracePeriodSeconds = &grace
	}
	for i := range spec.InitContainers {
		defaultContainer(&spec.InitContainers[i])
	}
	for i := range spec.Containers {
		defaultContainer(&spec.Containers[i])
	}
}

func defaultContainer(c *corev1.Container) {
	for i := range c.Ports {
		setIfZero(&c.Ports[i].Protocol, corev1.ProtocolTCP)
	}
	for _, p := range []*corev1.Probe{c.LivenessProbe, c.ReadinessProbe, c.StartupProbe} {
		DefaultProbe(p)
	}
	if c.Lifecycle != nil {
		for _, hook := range []*corev1.LifecycleHandler{c.Lifecycle.PostStart, c.Lifecycle.PreStop} {
			if hook != nil {
				defaultHTTPGet(hook.HTTPGet)
			}
		}
	}
}

func defaultHostPorts(containers []corev1.Container) {
	for i := range containers {
		for j := range containers[i].Ports {
			setIfZero(&containers[i].Ports[j].HostPort, containers[i].Ports[j].ContainerPort)
		}
	}
}

// DefaultProbe fills in a probe's defaults in place. An explicit 0 counts as unset. nil stays nil.
func DefaultProbe(p *corev1.Probe) {
	if p == nil {
		return
	}
	setIfZero(&p.TimeoutSeconds, 1)
	setIfZero(&p.PeriodSeconds, 10)
	setIfZero(&p.SuccessThreshold, 1)
	setIfZero(&p.FailureThreshold, 3)
	defaultHTTPGet(p.HTTPGet)
	if p.GRPC != nil && p.GRPC.Service == nil {
		p.GRPC.Service = new(string)
	}
}

func defaultHTTPGet(h *corev1.HTTPGetAction) {
	if h != nil {
		setIfZero(&h.Path, "/")
		setIfZero(&h.Scheme, corev1.URISchemeHTTP)
	}
}

func setIfZero[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
