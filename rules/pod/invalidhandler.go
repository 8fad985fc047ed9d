package pod

import (
	"fmt"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"
)

// InvalidProbe names what the API server refuses in a probe of a kind. The paths start with the given one.
func InvalidProbe(p *corev1.Probe, kind ProbeKind, path string) []Problem {
	root := &invalid{name: path}
	root.probe(p, kind)
	return root.problems
}

// probe looks at a probe as the API server does.
func (v *invalid) probe(p *corev1.Probe, kind ProbeKind) {
	if !v.handler(probeHandler(p, nil), nil) {
		v.bad("", "has no handler: write one of exec, httpGet, tcpSocket or grpc")
	}
	for _, field := range [...]struct {
		name  string
		value int32
	}{
		{"initialDelaySeconds", p.InitialDelaySeconds},
		{"timeoutSeconds", p.TimeoutSeconds},
		{"periodSeconds", p.PeriodSeconds},
		{"successThreshold", p.SuccessThreshold},
		{"failureThreshold", p.FailureThreshold},
	} {
		if field.value < 0 {
			v.bad(field.name, "is %d: write 0 or more", field.value)
		}
	}
	if kind != Readiness && p.SuccessThreshold > 1 {
		v.bad("successThreshold", "is %d: a %s must have 1", p.SuccessThreshold, kind)
	}
	if grace := p.TerminationGracePeriodSeconds; grace != nil {
		switch {
		case kind == Readiness:
			v.bad("terminationGracePeriodSeconds", "cannot be part of a readinessProbe, which ends nothing: remove it")
		case *grace <= 0:
			v.bad("terminationGracePeriodSeconds", "is %d: write 1 or more", *grace)
		}
	}
}

// handler looks at the first handler, and tells whether there is one; any other is one too many.
func (v *invalid) handler(h Handler, grace *int64) bool {
	first := ""
	one := func(name string, set bool) bool {
		switch {
		case !set:
			return false
		case first != "":
			v.bad(name, "is one handler too many: keep one")
			return false
		}
		first = name
		return true
	}
	if one("exec", h.Exec != nil) && len(h.Exec.Command) == 0 {
		v.bad("exec.command", "is empty: write the command and its arguments")
	}
	if one("httpGet", h.HTTPGet != nil) {
		v.at("httpGet").httpGet(h.HTTPGet)
	}
	if one("tcpSocket", h.TCPSocket != nil) {
		v.at("tcpSocket").port(h.TCPSocket.Port)
	}
	if one("grpc", h.GRPC != nil) {
		v.at("grpc").grpc(h.GRPC)
	}
	switch sleeps := one("sleep", h.Sleep != nil); {
	case !sleeps || grace == nil:
	case h.Sleep.Seconds < 0:
		v.bad("sleep", "is %d s: write 0 or more", h.Sleep.Seconds)
	case h.Sleep.Seconds > *grace:
		const words = "is %d s, and terminationGracePeriodSeconds %d: raise that or sleep less"
		v.bad("sleep", words, h.Sleep.Seconds, *grace)
	}
	return first != ""
}

func (v *invalid) grpc(g *corev1.GRPCAction) {
	if !validPort(int64(g.Port)) {
		v.bad("port", "is %d: write 1 to 65535", g.Port)
	}
	if mode := g.Mode; mode != nil && *mode != corev1.GRPCProbeModePlaintext && *mode != corev1.GRPCProbeModeTLS {
		v.bad("mode", "is %q: write Plaintext or TLS", *mode)
	}
}

func (v *invalid) httpGet(h *corev1.HTTPGetAction) {
	v.port(h.Port)
	if h.Scheme != "" && h.Scheme != corev1.URISchemeHTTP && h.Scheme != corev1.URISchemeHTTPS {
		v.bad("scheme", "is %q: write HTTP or HTTPS", h.Scheme)
	}
	for _, header := range h.HTTPHeaders {
		if errs := validation.IsHTTPHeaderName(header.Name); len(errs) > 0 {
			v.bad("httpHeaders", "%q is not a valid header name", header.Name)
		}
	}
	if h.Protocol == nil {
		return
	}
	switch {
	case *h.Protocol != corev1.HTTPProtocolHTTP1 && *h.Protocol != corev1.HTTPProtocolHTTP2:
		v.bad("protocol", "is %q: write HTTP1 or HTTP2", *h.Protocol)
	case *h.Protocol == corev1.HTTPProtocolHTTP2 && h.Scheme == corev1.URISchemeHTTPS:
		v.bad("protocol", "is HTTP2, which goes with the scheme HTTP only")
	case *h.Protocol == corev1.HTTPProtocolHTTP2 && h.Host != "":
		v.bad("host", "must be empty with the protocol HTTP2")
	}
}

func (v *invalid) port(ref intstr.IntOrString) {
	if ref.Type == intstr.String {
		wrong := portNameProblem(ref.StrVal)
		if wrong == "" {
			return
		}
		// Since 1.37 it is not taken for the number, even where it is stored (K pkg/probe/util.go).
		if _, err := strconv.Atoi(ref.StrVal); err == nil {
			v.bad("port", "%q is a name because of its quotes: remove the quotes", ref.StrVal)
		} else {
			v.bad("port", "%q is not a valid port name: %s", ref.StrVal, wrong)
		}
	} else if !validPort(int64(ref.IntVal)) {
		v.bad("port", "is %d: write 1 to 65535 or the name of a declared port", ref.IntVal)
	}
}

// longestPortName is how many characters the name of a port may have.
const longestPortName = 15

// portNameProblem is what to write instead of a name that no port may have, "" for one that may be.
func portNameProblem(name string) string {
	// Most names are a word of lowercase letters, which need none of the library's four regular expressions.
	if 0 < len(name) && len(name) <= longestPortName && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz") == "" {
		return ""
	}
	switch {
	case len(validation.IsValidPortName(name)) == 0:
		return ""
	case len(name) > longestPortName:
		return fmt.Sprintf("write at most %d characters", longestPortName)
	}
	return "write lowercase letters, digits and single hyphens between them, with at least one letter"
}
