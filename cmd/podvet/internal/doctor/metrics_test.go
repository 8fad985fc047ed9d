package doctor

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseMetrics(t *testing.T) {
	for _, c := range []struct {
		name, page string
		want       metrics
	}{
		{"empty", "", metrics{reviews: map[string]float64{}}},
		{"something else", "<html>\n", metrics{reviews: map[string]float64{}}},
		{"a page", `# HELP go_goroutines Number of goroutines that currently exist.
# TYPE go_goroutines gauge
go_goroutines 12
# TYPE podvet_review_duration_seconds histogram
podvet_review_duration_seconds_bucket{endpoint="mutate",le="5e-05"} 1
podvet_review_duration_seconds_bucket{endpoint="mutate",le="+Inf"} 2
podvet_review_duration_seconds_sum{endpoint="mutate"} 0.1
podvet_review_duration_seconds_count{endpoint="mutate"} 2
# HELP podvet_policy_info 1 because the policy in force; source is configmap, last-good, default or file.
# TYPE podvet_policy_info gauge
podvet_policy_info{hash="0123456789ab",source="last-good"} 1
podvet_policy_info{hash="ba9876543210",source="configmap"} 0
# TYPE podvet_reviews_total counter
podvet_reviews_total{decision="denied",endpoint="validate"} 2
podvet_reviews_total{decision="error",endpoint="mutate"} 4
podvet_reviews_total{decision="passed",endpoint="mutate"} 1.5e+06
podvet_reviews_total{decision="warned",endpoint="validate"} 3
`, metrics{policy: "0123456789ab", source: "last-good", reviews: map[string]float64{"mutate": 1.5e6, "validate": 5}}},
		{"cut off", `# TYPE podvet_policy_info gauge
podvet_policy_info{hash="0123456789ab",source="file"} 1
podvet_policy_info{hash="01`, metrics{policy: "0123456789ab", source: "file", reviews: map[string]float64{}}},
	} {
		if diff := cmp.Diff(c.want, parseMetrics(c.page), cmp.AllowUnexported(metrics{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}
