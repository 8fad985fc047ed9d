package pod

import corev1 "k8s.io/api/core/v1"

// Default fills in, in place, the API server's defaults for what the rules read: probes, handlers, ports,
// restartPolicy and grace (K pkg/apis/core/v1/defaults.go). An object from an admission review has them already, a
// file has not. Objects of kinds that are not judged stay as they are.
func Default(object Object) {
	k, w := find(object)
	if k == nil {
		return
	}
	defaultSpec(w.spec())
	if w.pod == nil {
		return
	}
	// Only pods: a template keeps a negative grace and open host ports.
	spec := &w.pod.Spec
	if grace := spec.TerminationGracePeriodSeconds; *grace < 0 {
		*grace = 1
	}
	if spec.HostNetwork {
		defaultHostPorts(spec.InitContainers)
		defaultHostPorts(spec.Containers)
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
	for _, kind := range ProbeKinds {
		DefaultProbe(*kind.Field(c))
	}
	if c.Lifecycle == nil {
		return
	}
	for _, kind := range HookKinds {
		if hook := *hookField(c.Lifecycle, kind); hook != nil {
			defaultHTTPGet(hook.HTTPGet)
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
