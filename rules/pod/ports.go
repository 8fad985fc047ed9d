package pod

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

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

// IsTCP counts an empty protocol as TCP, its default.
func IsTCP(p corev1.ContainerPort) bool { return p.Protocol == corev1.ProtocolTCP || p.Protocol == "" }

// reachesTCP tells whether a number is that of a declared TCP port, or of no declared port at all.
func reachesTCP(c *corev1.Container, number int32) bool {
	declared := false
	for _, port := range c.Ports {
		if port.ContainerPort == number {
			if IsTCP(port) {
				return true
			}
			declared = true
		}
	}
	return !declared
}
