package timeline_test

import (
	"testing"
	"time"

	"github.com/podvet/podvet/rules/timeline"
)

// BenchmarkLife is 15 minutes of a pod with three probes.
func BenchmarkLife(b *testing.B) {
	s := one(b, "startupProbe: {httpGet: {port: 80}, periodSeconds: 3, failureThreshold: 60}, "+liveness+", "+readiness)
	scenario := with(15*time.Minute, timeline.Behavior{Boot: 45 * time.Second})
	b.ReportAllocs()
	for b.Loop() {
		timeline.Simulate(s, scenario, timeline.Middle(s))
	}
}
