package catalogue

import (
	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/pod"
)

var poststartCannotRun = hookRule("poststart-cannot-run",
	"a postStart hook can never run, so the container is killed at every start",
	pod.PostStart, rules.Levels{rules.Deny, rules.Deny, rules.Deny}, "the container is killed at start")
