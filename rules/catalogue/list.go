// Package catalogue holds the rules: for each one Go file, with what it finds and fixes, and one folder with its page
// and its fixtures. It knows nothing of policies, and what Kubernetes does with a pod it takes from rules/pod.
package catalogue

import (
	"embed"

	"github.com/podvet/podvet/rules"
)

// The page and the fixtures of each rule, in a folder of its name.
//
//go:embed */*.md */*.yaml
var folders embed.FS

// list holds every rule, group by group. What a report says of one object comes in this order.
var list = []*rules.Rule{
	// Presence
	barePod,
	livenessWithoutReadiness,
	noLivenessProbe,
	noReadinessProbe,
	noStartupProbe,
	unprobedContainer,
	// Startup budget
	initialDelayWithStartupProbe,
	sidecarStartupBlocksPod,
	startupBudgetTooLong,
	startupBudgetTooShort,
	startupExceedsActiveDeadline,
	startupExceedsProgressDeadline,
	startupGateLate,
	startupShorterThanLiveness,
	// Probe sanity
	execProbeNoShell,
	execProbeShellArgs,
	execProbeShellOperator,
	execProbeShortTimeout,
	execProbeTooFrequent,
	inertExecProbeNoShell,
	livenessAsksReadiness,
	livenessEqualsReadiness,
	livenessLongGrace,
	livenessTooAggressive,
	livenessTooSlow,
	probeGraceExceedsPodGrace,
	probeHostLoopback,
	probeHostSet,
	probeSchemeMismatch,
	probeTimeoutExceedsPeriod,
	// Ports
	inertProbePortUnresolved,
	probePortNotTCP,
	probePortUndeclared,
	probePortUnresolved,
	// Restart policy
	containerMayNotRestart,
	containerRestartBreaksController,
	jobBackoffPerIndexRestartPolicy,
	jobContainerRestartAlways,
	jobSidecarNotNative,
	livenessWithOnFailure,
	probeWithoutRestart,
	restartAllNeverEnds,
	restartPolicyNotAllowed,
	// Termination
	noPrestopDrain,
	poststartCannotRun,
	prestopCannotRun,
	prestopExceedsGrace,
	prestopExecSleep,
	shellIgnoresSIGTERM,
	terminationGraceTooLong,
	terminationGraceZero,
	// Files only
	UnknownField,
}

// fixes are the rules with a fix in the order in which fixes are applied: handlers first, then the numbers that depend
// on them, the grace period last, because it must hold all that runs in it.
var fixes = []*rules.Rule{
	noReadinessProbe,
	noLivenessProbe,
	execProbeShortTimeout,
	livenessTooAggressive,
	startupGateLate,
	startupBudgetTooShort,
	noStartupProbe,
	noPrestopDrain,
	prestopExceedsGrace,
	prestopExecSleep,
}

var catalogue, problems = rules.NewCatalogue(append(list, testRules...), append(fixes, testRules...), folders)

// All is the catalogue.
var All = catalogue

// Err names what is wrong with the catalogue. A test fails where it is not nil.
var Err = problems
