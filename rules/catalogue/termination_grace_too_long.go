package catalogue

import (
	"github.com/podvet/podvet/rules"
)

type graceParams struct {
	MaxSeconds int64 `json:"maxSeconds" doc:"how long a pod may take to stop"`
}

var terminationGraceTooLong = rules.ForPodWith(rules.Rule{
	ID:     "termination-grace-too-long",
	Group:  rules.Termination,
	Title:  "a pod that does not stop blocks its node's drain for long",
	Levels: rules.Levels{rules.Off, rules.Off, rules.Warn},
}, graceParams{MaxSeconds: 3600}, func(p *rules.Pass, params graceParams) {
	if grace := p.Grace(); grace > params.MaxSeconds {
		p.Report("terminationGracePeriodSeconds", "A hung pod holds up a drain for %s (policy: %s). "+
			"If it stops sooner, lower terminationGracePeriodSeconds to %d.",
			seconds(grace), seconds(params.MaxSeconds), params.MaxSeconds)
	}
}, nil)
