package catalogue

import (
	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/pod"
)

type sidecarParams struct {
	Names []string `json:"names" doc:"known sidecars, by the container's name or the end of the image's path"`
}

var jobSidecarNotNative = rules.ForContainerWith(rules.Rule{
	ID:            "job-sidecar-not-native",
	Group:         rules.RestartPolicy,
	Title:         "a Job waits for a sidecar that is an app container",
	Levels:        rules.Levels{rules.Off, rules.Warn, rules.Warn},
	Who:           rules.Who{Containers: pod.App, Owners: pod.Jobs},
	YieldsTo:      []*rules.Rule{jobContainerRestartAlways},
	AboutInjected: true,
}, sidecarParams{Names: []string{"istio-proxy", "istio/proxyv2", "linkerd-proxy", "linkerd/proxy", "cloud-sql-proxy",
	"vault-agent", "fluent-bit", "envoy"}},
	func(p *rules.Pass, params sidecarParams) {
		if p.ActiveDeadlineSeconds == 0 && len(p.Spec.Containers) >= 2 && p.Container.IsKnownAs(params.Names) {
			p.Report("", "the Job waits for this sidecar forever. Move it to initContainers with restartPolicy Always.")
		}
	}, nil,
)
