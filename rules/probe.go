package rules

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// ProbeKind is one of a container's three probes.
type ProbeKind uint8

// The kinds, in the order in which the engine visits them.
const (
	Liveness ProbeKind = iota
	Readiness
	Startup
)

var kindFields = [...]string{"livenessProbe", "readinessProbe", "startupProbe"}

// String is the field's name in a container.
func (k ProbeKind) String() string { return kindFields[k] }

// Kinds is a set of probe kinds.
type Kinds uint8

// Of makes a set of kinds.
func Of(kinds ...ProbeKind) Kinds {
	var set Kinds
	for _, k := range kinds {
		set |= 1 << k
	}
	return set
}

func (set Kinds) has(k ProbeKind) bool { return set == 0 || set&(1<<k) != 0 }

func probeField(c *corev1.Container, kind ProbeKind) **corev1.Probe {
	switch kind {
	case Liveness:
		return &c.LivenessProbe
	case Readiness:
		return &c.ReadinessProbe
	default:
		return &c.StartupProbe
	}
}

// Probe is a probe in its container, with all defaults filled in.
type Probe struct {
	*corev1.Probe
	Kind      ProbeKind
	Container *Container
}

// malformed probes have no handler to judge or numbers that no formula takes. The API server refuses them, so
// only the mutating webhook and files bring them.
func malformed(p *corev1.Probe) bool {
	if p == nil {
		return false
	}
	handlers := 0
	for _, set := range [...]bool{p.Exec != nil, p.HTTPGet != nil, p.TCPSocket != nil, p.GRPC != nil} {
		if set {
			handlers++
		}
	}
	return handlers != 1 || p.InitialDelaySeconds < 0 || p.PeriodSeconds <= 0 || p.TimeoutSeconds <= 0 ||
		p.FailureThreshold <= 0 || p.SuccessThreshold <= 0
}

// Delay is initialDelaySeconds.
func (p Probe) Delay() int64 { return int64(p.InitialDelaySeconds) }

// Period is periodSeconds.
func (p Probe) Period() int64 { return int64(p.PeriodSeconds) }

// Timeout is timeoutSeconds.
func (p Probe) Timeout() int64 { return int64(p.TimeoutSeconds) }

// Failures is failureThreshold.
func (p Probe) Failures() int64 { return int64(p.FailureThreshold) }

// Guaranteed is the time in seconds that a container is sure to be given before the probe can end it; up to
// 1 s less with an initial delay, for the kubelet truncates the start time (K pkg/kubelet/prober/worker.go).
// It is not failureThreshold times periodSeconds: n failures have n-1 intervals between them.
func (p Probe) Guaranteed() int64 { return p.Delay() + (p.Failures()-1)*p.Period() }

// Worst is the latest decision in seconds as long as no attempt errs: the first probe may come a whole period
// late, each may hang until its timeout, and a timeout longer than the period stretches the interval.
func (p Probe) Worst() int64 {
	return p.Delay() + p.Period() + (p.Failures()-1)*max(p.Period(), p.Timeout()) + p.Timeout()
}

// Refused is the latest decision in seconds while nothing listens, as in the ordinary dead container.
func (p Probe) Refused() int64 { return p.Delay() + p.Failures()*p.Period() }

// FailuresFor is the failureThreshold at which the probe guarantees at least the given seconds.
func (p Probe) FailuresFor(seconds int64) int64 {
	return ceilDiv(max(seconds-p.Delay(), 0), p.Period()) + 1
}

func ceilDiv(a, b int64) int64 { return (a + b - 1) / b }

// Host is where an httpGet or tcpSocket handler connects instead of the pod's own address; "" for the pod.
func (p Probe) Host() string {
	switch {
	case p.HTTPGet != nil:
		return p.HTTPGet.Host
	case p.TCPSocket != nil:
		return p.TCPSocket.Host
	}
	return ""
}

// PortRef is the port as the handler names it, and false for an exec handler.
func (p Probe) PortRef() (intstr.IntOrString, bool) {
	switch {
	case p.HTTPGet != nil:
		return p.HTTPGet.Port, true
	case p.TCPSocket != nil:
		return p.TCPSocket.Port, true
	case p.GRPC != nil:
		return intstr.FromInt32(p.GRPC.Port), true
	}
	return intstr.IntOrString{}, false
}

// Unresolved tells whether the handler names a port that its own container does not declare, and which. The
// kubelet then throws the attempt away: it neither fails nor succeeds, ever (K pkg/probe/util.go).
// A handler with a host is not judged here.
func (p Probe) Unresolved() (name string, unresolved bool) {
	ref, ok := p.PortRef()
	if !ok || ref.Type != intstr.String || p.Host() != "" {
		return "", false
	}
	_, resolved := ResolvePort(p.Container.Container, ref)
	return ref.StrVal, !resolved
}

// ResolvePort finds the number of a port as the kubelet does: a name is looked up in that container's own ports,
// whatever their protocol (K pkg/probe/util.go).
func ResolvePort(c *corev1.Container, ref intstr.IntOrString) (int32, bool) {
	if ref.Type == intstr.Int {
		return ref.IntVal, validPort(int64(ref.IntVal))
	}
	for i := range c.Ports {
		if c.Ports[i].Name == ref.StrVal {
			return c.Ports[i].ContainerPort, validPort(int64(c.Ports[i].ContainerPort))
		}
	}
	return 0, false
}

func validPort(n int64) bool { return n > 0 && n < 65536 }

// Inert tells whether a probe that always errs would only be useless. Elsewhere it keeps the container from
// ever becoming started or ready (semantics: K pkg/kubelet/prober/worker.go throws errors away).
func (p Probe) Inert(s *Subject) bool {
	switch {
	case p.Kind == Liveness:
		return true
	case p.Kind == Readiness && s.Owner == Jobs:
		return true
	}
	return !p.Container.LongRunning
}

// SameHandler tells whether two probes of one container ask the same question, with named ports resolved.
// A port that does not resolve is never the same: such a probe never answers.
func SameHandler(a, b Probe) bool {
	switch {
	case a.Exec != nil && b.Exec != nil:
		return slices.Equal(a.Exec.Command, b.Exec.Command)
	case a.HTTPGet != nil && b.HTTPGet != nil:
		x, y := a.HTTPGet, b.HTTPGet
		return x.Host == y.Host && x.Scheme == y.Scheme && x.Path == y.Path && equalPtr(x.Protocol, y.Protocol) &&
			slices.Equal(x.HTTPHeaders, y.HTTPHeaders) && samePort(a, x.Port, y.Port)
	case a.TCPSocket != nil && b.TCPSocket != nil:
		return a.TCPSocket.Host == b.TCPSocket.Host && samePort(a, a.TCPSocket.Port, b.TCPSocket.Port)
	case a.GRPC != nil && b.GRPC != nil:
		x, y := a.GRPC, b.GRPC
		return x.Port == y.Port && deref(x.Service) == deref(y.Service) && equalPtr(x.Mode, y.Mode)
	}
	return false
}

func samePort(p Probe, a, b intstr.IntOrString) bool {
	x, okX := ResolvePort(p.Container.Container, a)
	y, okY := ResolvePort(p.Container.Container, b)
	return okX && okY && x == y
}

func equalPtr[T comparable](a, b *T) bool { return a == b || (a != nil && b != nil && *a == *b) }

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
