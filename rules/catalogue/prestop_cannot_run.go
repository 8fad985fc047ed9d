package catalogue

import (
	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/pod"
)

var prestopCannotRun = hookRule("prestop-cannot-run",
	"a preStop hook can never run, so the container is stopped without it",
	pod.PreStop, rules.Levels{rules.Warn, rules.Warn, rules.Deny}, "the container stops without it")
