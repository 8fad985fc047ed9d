package pod

import (
	"net/netip"
	"strings"
)

// DialsNodeLoopback tells whether a handler reaches the loopback address of the node, where this pod cannot listen: the
// kubelet dials a host from the node (K pkg/kubelet/prober/prober.go, pkg/kubelet/lifecycle/handlers.go). It is false
// where the pod, the node itself or a Service may answer there, and for a port that does not resolve.
func (s *Subject) DialsNodeLoopback(h Handler) bool {
	if s.Spec.HostNetwork || !isLoopback(h.Host()) {
		return false
	}
	port, ok := h.Port()
	return ok && !nodeAnswers(port) && !s.facts.hostPorts[port]
}

// isLoopback tells whether a host is the loopback address, by name or number, or the unspecified one, which is dialled
// as if it were.
func isLoopback(host string) bool {
	if strings.EqualFold(strings.TrimSuffix(host, "."), "localhost") {
		return true
	}
	address, err := netip.ParseAddr(host)
	if err != nil || address.Zone() != "" {
		return false
	}
	address = address.Unmap()
	return address.IsLoopback() || address.IsUnspecified()
}

// nodeAnswers tells whether a port is one of the node's own, such as the kubelet's and kube-proxy's health, or in the
// default range of NodePorts (K pkg/cluster/ports/ports.go, pkg/controlplane/instance.go).
func nodeAnswers(port int32) bool {
	return port >= 10248 && port <= 10259 || port >= 30000 && port <= 32767
}
