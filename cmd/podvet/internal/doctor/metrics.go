package doctor

import (
	"strings"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// metrics are what doctor reads of a replica's /metrics.
type metrics struct {
	policy  string             // the hash of the one in force, "" where the page does not say
	source  string             // where that policy came from
	reviews map[string]float64 // how many were answered, by endpoint
	lost    []string           // what the replica watches and no longer follows
}

// parseMetrics reads a page. A page that is not in Prometheus' text format names no policy.
func parseMetrics(page string) metrics {
	m := metrics{reviews: map[string]float64{}}
	decoder := expfmt.SampleDecoder{
		Dec:  expfmt.NewDecoder(strings.NewReader(page), expfmt.NewFormat(expfmt.TypeTextPlain)),
		Opts: &expfmt.DecodeOptions{},
	}
	var samples model.Vector
	for decoder.Decode(&samples) == nil {
		for _, s := range samples {
			switch name := s.Metric[model.MetricNameLabel]; {
			case name == "podvet_policy_info" && s.Value == 1:
				m.policy, m.source = string(s.Metric["hash"]), string(s.Metric["source"])
			case name == "podvet_watch_follows" && s.Value == 0:
				m.lost = append(m.lost, string(s.Metric["watched"]))
			case name == "podvet_reviews_total" && s.Metric["decision"] != "error": // an error is not an answer
				m.reviews[string(s.Metric["endpoint"])] += float64(s.Value)
			}
		}
	}
	return m
}
