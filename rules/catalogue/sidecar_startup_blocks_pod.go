package catalogue

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/pod"
)

type blockParams struct {
	MaxSeconds int64 `json:"maxSeconds" doc:"the longest that the next container may wait for a sidecar's startupProbe"`
}

var sidecarStartupBlocksPod = rules.ForProbeWith(rules.Rule{
	ID:     "sidecar-startup-blocks-pod",
	Group:  rules.StartupBudget,
	Title:  "the containers after a sidecar wait long for its startupProbe",
	Levels: rules.Levels{rules.Off, rules.Warn, rules.Warn},
	Who:    rules.Who{Containers: pod.Sidecar, Probes: []pod.ProbeKind{pod.Startup}},
}, blockParams{MaxSeconds: 120}, func(p *rules.Pass, params blockParams) {
	if wait := p.Probe.Refused(p.Kubelets()); wait > params.MaxSeconds {
		p.Report("startupProbe.failureThreshold", "startupProbe can block the pod %s (policy: %s). %s",
			span(wait), seconds(params.MaxSeconds), unblock(p, params.MaxSeconds))
	}
}, nil)

// unblock says which number keeps a sidecar's startupProbe within the seconds, and within what startup-budget-too-short
// asks of it.
func unblock(p *rules.Pass, most int64) string {
	least := rules.ParamsOf[minBudgetParams](p, startupBudgetTooShort).min(p.Container)
	wait := p.Probe.Refused(p.Kubelets())
	delay, period, failures := p.Probe.Delay(), p.Probe.Period(), p.Probe.Failures()
	hang := wait - delay - failures*period // 0, but for grpc on kubelets that wait for the timeout
	interval := period
	if hang > 0 {
		interval = max(period, p.Probe.Timeout())
	}
	for _, number := range []struct {
		field    string
		n, least int64
		of       func(*corev1.Probe) *int32
	}{
		{"failureThreshold", failures - pod.CeilDiv(wait-most, interval), 1,
			func(s *corev1.Probe) *int32 { return &s.FailureThreshold }},
		{"initialDelaySeconds", delay - (wait - most), 0,
			func(s *corev1.Probe) *int32 { return &s.InitialDelaySeconds }},
		{"periodSeconds", (most - delay - hang) / failures, 1,
			func(s *corev1.Probe) *int32 { return &s.PeriodSeconds }},
	} {
		if number.n < number.least {
			continue
		}
		changed := *p.Probe.Probe
		*number.of(&changed) = int32(number.n)
		startup := p.Container.NewProbe(pod.Startup, &changed)
		if startup.Refused(p.Kubelets()) <= most && startup.Guaranteed() >= least {
			return fmt.Sprintf("If it starts sooner, lower %s to %d.", number.field, number.n)
		}
	}
	return "Make it an app container, so that nothing waits."
}
