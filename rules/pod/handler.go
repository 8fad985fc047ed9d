package pod

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Handler is what a probe or a lifecycle hook of a container does: one of these.
type Handler struct {
	Exec      *corev1.ExecAction
	HTTPGet   *corev1.HTTPGetAction
	TCPSocket *corev1.TCPSocketAction
	GRPC      *corev1.GRPCAction  // of probes only
	Sleep     *corev1.SleepAction // of hooks only

	Container *Container
}

func (h Handler) count() int {
	n := 0
	for _, set := range [...]bool{h.Exec != nil, h.HTTPGet != nil, h.TCPSocket != nil, h.GRPC != nil, h.Sleep != nil} {
		if set {
			n++
		}
	}
	return n
}

// Host is where an httpGet or tcpSocket handler connects instead of the pod's own address; "" for the pod.
func (h Handler) Host() string {
	switch {
	case h.HTTPGet != nil:
		return h.HTTPGet.Host
	case h.TCPSocket != nil:
		return h.TCPSocket.Host
	}
	return ""
}

// PortRef is the port as the handler names it, and false for a handler without one.
func (h Handler) PortRef() (intstr.IntOrString, bool) {
	switch {
	case h.HTTPGet != nil:
		return h.HTTPGet.Port, true
	case h.TCPSocket != nil:
		return h.TCPSocket.Port, true
	case h.GRPC != nil:
		return intstr.FromInt32(h.GRPC.Port), true
	}
	return intstr.IntOrString{}, false
}

// Port is the number of the port that a handler connects to, and false where it has none or one that does not resolve.
func (h Handler) Port() (int32, bool) {
	ref, ok := h.PortRef()
	if !ok {
		return 0, false
	}
	return ResolvePort(h.Container.Container, ref)
}

// Declared are the ports of its container that the handler means: the one that it names, or all of its number.
func (h Handler) Declared() []corev1.ContainerPort {
	ref, ok := h.PortRef()
	if !ok {
		return nil
	}
	var meant []corev1.ContainerPort
	for i, port := range h.Container.Ports {
		if ref.Type == intstr.Int && port.ContainerPort != ref.IntVal ||
			ref.Type == intstr.String && port.Name != ref.StrVal {
			continue
		}
		if meant == nil { // mostly the only one
			meant = h.Container.Ports[i : i+1 : i+1]
		} else {
			meant = append(meant, port)
		}
	}
	return meant
}

// PortField is the path of the port within the probe or the hook.
func (h Handler) PortField() string {
	switch {
	case h.HTTPGet != nil:
		return "httpGet.port"
	case h.GRPC != nil:
		return "grpc.port"
	}
	return "tcpSocket.port"
}

// Unresolved tells whether the handler names a port that its own container does not declare, and which. The kubelet
// then throws the attempt away: it neither fails nor succeeds, ever, with a host or without (K pkg/probe/util.go).
func (h Handler) Unresolved() (name string, unresolved bool) {
	ref, ok := h.PortRef()
	if !ok || ref.Type != intstr.String {
		return "", false
	}
	_, resolved := ResolvePort(h.Container.Container, ref)
	return ref.StrVal, !resolved
}

// ReachesTCP tells whether the handler's port is a declared TCP port, or a number that is not declared at all.
func (h Handler) ReachesTCP() bool {
	number, ok := h.Port()
	return ok && reachesTCP(h.Container.Container, number)
}

// SameAs tells whether two handlers of one container ask the same question, with named ports resolved. A port that
// does not resolve is never the same: such a handler never answers.
func (h Handler) SameAs(other Handler) bool {
	switch {
	case h.Exec != nil && other.Exec != nil:
		return slices.Equal(h.Exec.Command, other.Exec.Command)
	case h.HTTPGet != nil && other.HTTPGet != nil:
		x, y := h.HTTPGet, other.HTTPGet
		return x.Host == y.Host && x.Scheme == y.Scheme && x.Path == y.Path && equalPtr(x.Protocol, y.Protocol) &&
			slices.Equal(x.HTTPHeaders, y.HTTPHeaders) && h.samePort(x.Port, y.Port)
	case h.TCPSocket != nil && other.TCPSocket != nil:
		return h.TCPSocket.Host == other.TCPSocket.Host && h.samePort(h.TCPSocket.Port, other.TCPSocket.Port)
	case h.GRPC != nil && other.GRPC != nil:
		x, y := h.GRPC, other.GRPC
		return x.Port == y.Port && deref(x.Service) == deref(y.Service) && equalPtr(x.Mode, y.Mode)
	}
	return false
}

func (h Handler) samePort(a, b intstr.IntOrString) bool {
	x, okX := ResolvePort(h.Container.Container, a)
	y, okY := ResolvePort(h.Container.Container, b)
	return okX && okY && x == y
}

func equalPtr[T comparable](a, b *T) bool { return a == b || (a != nil && b != nil && *a == *b) }

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
