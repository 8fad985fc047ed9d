package pod

import (
	"math"

	corev1 "k8s.io/api/core/v1"
)

// ProbeKind is one of a container's three probes.
type ProbeKind uint8

// The kinds, in the order in which rules look at them.
const (
	Liveness ProbeKind = iota
	Readiness
	Startup
)

// ProbeKinds are all of them.
var ProbeKinds = [...]ProbeKind{Liveness, Readiness, Startup}

var kindFields = [...]string{"livenessProbe", "readinessProbe", "startupProbe"}

// String is the field's name in a container.
func (k ProbeKind) String() string { return kindFields[k] }

// Field is where a container holds its probe of a kind.
func (k ProbeKind) Field(c *corev1.Container) **corev1.Probe {
	switch k {
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
	Handler
	*corev1.Probe
	Kind ProbeKind
}

// NewProbe is a probe as one of the container's, which need not have it.
func (c *Container) NewProbe(kind ProbeKind, probe *corev1.Probe) Probe {
	return Probe{probeHandler(probe, c), probe, kind}
}

// ProbeOf returns the container's probe of a kind, and false when there is none or none that could be judged: without
// exactly one handler, or with numbers that no formula takes. The API server refuses these, so only the mutating
// webhook and files bring them.
func (c *Container) ProbeOf(kind ProbeKind) (Probe, bool) {
	p := *kind.Field(c.Container)
	if p == nil || p.InitialDelaySeconds < 0 || p.PeriodSeconds <= 0 || p.TimeoutSeconds <= 0 ||
		p.FailureThreshold <= 0 || p.SuccessThreshold <= 0 {
		return Probe{}, false
	}
	probe := c.NewProbe(kind, p)
	return probe, probe.count() == 1
}

func probeHandler(p *corev1.Probe, c *Container) Handler {
	return Handler{Exec: p.Exec, HTTPGet: p.HTTPGet, TCPSocket: p.TCPSocket, GRPC: p.GRPC, Container: c}
}

// Delay is initialDelaySeconds.
func (p Probe) Delay() int64 { return int64(p.InitialDelaySeconds) }

// Period is periodSeconds.
func (p Probe) Period() int64 { return int64(p.PeriodSeconds) }

// Timeout is timeoutSeconds.
func (p Probe) Timeout() int64 { return int64(p.TimeoutSeconds) }

// Failures is failureThreshold.
func (p Probe) Failures() int64 { return int64(p.FailureThreshold) }

// Guaranteed is the time in seconds that a container is sure to be given before the probe can end it; up to 1 s less
// with an initial delay, because the kubelet truncates the start time (K pkg/kubelet/prober/worker.go). It is not
// failureThreshold times periodSeconds: n failures have n-1 intervals between them.
func (p Probe) Guaranteed() int64 { return p.Delay() + (p.Failures()-1)*p.Period() }

// Worst is the latest decision in seconds as long as every attempt ends in a success or a failure: the first probe may
// come a whole period late, each may hang until its timeout, and a timeout longer than the period stretches the
// interval.
func (p Probe) Worst() int64 {
	return p.Delay() + p.Period() + (p.Failures()-1)*max(p.Period(), p.Timeout()) + p.Timeout()
}

// Refused is the latest decision in seconds while nothing listens, as in the ordinary dead container. With a grpc
// handler kubelets below 1.38 wait for the timeout (K pkg/probe/grpc dials with WithBlock; kubernetes#142457).
func (p Probe) Refused(on Kubelets) int64 {
	if p.GRPC != nil && on.Overlap(GRPCWaits) {
		return p.Worst()
	}
	return p.Delay() + p.Failures()*p.Period()
}

// FailuresFor is the failureThreshold at which the probe guarantees at least the given seconds.
func (p Probe) FailuresFor(seconds int64) int64 {
	return CeilDiv(max(seconds-p.Delay(), 0), p.Period()) + 1
}

// CeilDiv divides and rounds up.
func CeilDiv(a, b int64) int64 { return (a + b - 1) / b }

// Int32 narrows a number for a field of the API, and says false when it leaves the range of a positive int32.
func Int32(n int64) (int32, bool) { return int32(n), 0 < n && n <= math.MaxInt32 }
