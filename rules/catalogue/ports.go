package catalogue

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/pod"
)

// portField is the path of the port within the container.
func portField(probe pod.Probe) string { return probe.Kind.String() + "." + probe.PortField() }

// portText is the port as a probe names it.
func portText(h pod.Handler) string {
	if ref, _ := h.PortRef(); ref.StrVal != "" {
		return "port " + quote(ref.StrVal)
	}
	number, _ := h.Port()
	return "port " + count(int64(number))
}

// explainUnresolved says what is wrong with the name of a port that the container does not declare, and what to write.
func explainUnresolved(p *rules.Pass, name string) (wrong, advice string) {
	if _, err := strconv.Atoi(name); err == nil {
		return quote(name) + ", a name because of its quotes", "Remove the quotes"
	}
	if other, found := p.DeclaredElsewhere(name); found {
		container := quote(rules.Truncate(other.Container, 20))
		wrong = "port " + quote(name) + ", which only container " + container + " declares"
		return wrong, fmt.Sprintf("Use port %d", other.Number)
	}
	var declared []string
	unnamed := false
	for _, port := range p.Container.Ports {
		if !pod.IsTCP(port) {
			continue
		}
		word := port.Name
		if word == "" {
			word, unnamed = count(int64(port.ContainerPort)), true
		}
		declared = append(declared, word)
	}
	switch {
	case len(declared) == 0:
		return "undeclared port " + quote(name), "Declare it or use a number"
	case len(declared) > 1:
		return "undeclared port " + quote(name), "Use port " + anyOf(declared, 40)
	case unnamed:
		wrong = "port " + quote(name) + ", but port " + declared[0] + " has no name"
		return wrong, fmt.Sprintf("Name port %s %s", declared[0], name)
	}
	return "port " + quote(name) + ", but only " + quote(declared[0]) + " is declared", "Use port " + declared[0]
}

// anyOf joins two or more words to a choice of about the given length.
func anyOf(words []string, length int) string {
	n := 1
	for n < len(words)-1 && len(strings.Join(words[:n+1], ", ")) <= length {
		n++
	}
	last := words[n]
	if n < len(words)-1 {
		last = "another declared one"
	}
	return strings.Join(words[:n], ", ") + " or " + last
}

// Containers declare these ports for watching only; no user's traffic arrives there.
var defaultIgnorePortNames = []string{
	"metrics", "http-metrics", "https-metrics", "prometheus", "prom", "monitoring", "profiling",
	"health", "healthz", "http-healthz", "https-healthz", "health-check",
	"live", "livez", "liveness", "ready", "readyz", "readiness", "probe", "probes", "debug", "pprof",
	"*-metrics", "*-healthz", "*-health",
}
