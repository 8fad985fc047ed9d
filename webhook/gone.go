package webhook

import (
	"context"
	"net/http"

	"github.com/podvet/podvet/rules/pod"
	"github.com/podvet/podvet/rules/policy"
)

// bounded has judging a pod of many containers end when its caller has gone.
func bounded(ctx context.Context, ruling policy.Ruling, s *pod.Subject) policy.Ruling {
	if len(s.Spec.Containers)+len(s.Spec.InitContainers) > manyContainers {
		ruling.Plan = ruling.Plan.Bounded(func() bool { return ctx.Err() != nil })
	}
	return ruling
}

// manyContainers are more than anyone writes by hand: to look whether the caller is there would cost others too much.
const manyContainers = 100

func gone() *fault { return &fault{http.StatusServiceUnavailable, "the caller has gone"} }
