package catalogue

import (
	"path"
	"slices"
	"strings"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/pod"
)

var livenessAsksReadiness = rules.ForProbe(rules.Rule{
	ID:     "liveness-asks-readiness",
	Group:  rules.ProbeSanity,
	Title:  "liveness calls a readiness path, so an outage of a dependency restarts every replica",
	Levels: rules.Levels{rules.Off, rules.Warn, rules.Warn},
	Who:    rules.Who{Containers: pod.App | pod.Sidecar, LongRunning: true, Probes: []pod.ProbeKind{pod.Liveness}},
}, func(p *rules.Pass) {
	get := p.Probe.HTTPGet
	if get == nil || !readinessPath(get.Path) {
		return
	}
	asked, advice := quote(get.Path), "Check only the process."
	if strings.HasPrefix(asked, `"/actuator/health`) {
		advice = "Use /actuator/health/liveness."
	}
	if len(asked) > len(`"/actuator/health"`)+len("liveness") {
		asked = "livenessProbe"
	}
	p.Report("livenessProbe.httpGet.path", "%s fails when a dependency does and restarts every replica. %s",
		asked, advice)
})

// readinessPath tells whether a path is one of those that answer whether the app can serve: that depends on what the
// app itself calls. /actuator/health is Spring Boot's sum of everything.
func readinessPath(url string) bool {
	url, _, _ = strings.Cut(url, "?")
	url = "/" + strings.TrimPrefix(strings.TrimSuffix(url, "/"), "/") // the kubelet adds a missing slash
	return url == "/actuator/health" || slices.Contains([]string{"ready", "readyz", "readiness"}, path.Base(url))
}
