package catalogue

import (
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/pod"
)

var probeSchemeMismatch = rules.ForProbe(rules.Rule{
	ID:     "probe-scheme-mismatch",
	Group:  rules.ProbeSanity,
	Title:  "a probe sends plain HTTP to a port that is meant for TLS, or the other way round",
	Levels: rules.Levels{rules.Off, rules.Warn, rules.Deny},
	Who:    rules.Who{Containers: pod.App | pod.Sidecar},
}, func(p *rules.Pass) {
	get := p.Probe.HTTPGet
	if get == nil || get.Host != "" {
		return
	}
	ports := plainHTTPPorts
	sends, server, scheme := "HTTPS", "plain HTTP", corev1.URISchemeHTTP
	if get.Scheme != corev1.URISchemeHTTPS {
		ports = tlsPorts
		sends, server, scheme = "plain HTTP", "TLS", corev1.URISchemeHTTPS
	}
	if !ports.include(p.Probe.Handler) {
		return
	}
	so := "it is killed"
	if p.Probe.Kind == pod.Readiness {
		so = "it is never ready"
	}
	p.Report(p.Probe.Kind.String()+".httpGet.scheme",
		"%s sends %s to %s, so %s if that speaks %s. Set scheme to %s.",
		p.Probe.Kind, sends, portText(p.Probe.Handler), so, server, scheme)
})

// schemePorts are ports that are meant for one scheme: by their names, patterns with *, or without a name by number.
type schemePorts struct {
	names   []string
	numbers []int32
}

var (
	tlsPorts = schemePorts{
		[]string{"https", "tls", "https-*", "tls-*", "*-https", "*-tls"}, []int32{443, 6443, 8443},
	}
	plainHTTPPorts = schemePorts{[]string{"http", "http-*"}, []int32{80}}
)

// include tells whether the handler's port is one of these. Of several ports of one number those that are TCP count,
// and one is enough.
func (s schemePorts) include(h pod.Handler) bool {
	declared := h.Declared()
	if len(declared) == 0 {
		number, ok := h.Port()
		return ok && slices.Contains(s.numbers, number)
	}
	return slices.ContainsFunc(declared, func(port corev1.ContainerPort) bool {
		if len(declared) > 1 && !pod.IsTCP(port) {
			return false
		}
		return pod.MatchAny(s.names, port.Name) || port.Name == "" && slices.Contains(s.numbers, port.ContainerPort)
	})
}
