package policy

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/pod"
	"github.com/podvet/podvet/rules/policy/strict"
)

// Day is a date in UTC.
type Day = strict.Day

// Mode caps every level.
type Mode string

// The modes.
const (
	ModeEnforce Mode = "enforce"
	ModeWarn    Mode = "warn"  // deny becomes warn
	ModeAudit   Mode = "audit" // all become audit, and nothing is patched
	ModeOff     Mode = "off"   // nothing at all
)

var modes = []Mode{ModeEnforce, ModeWarn, ModeAudit, ModeOff}

// Words are the modes.
func (Mode) Words() []string { return texts(modes) }

// level is the loudest that a finding may be.
func (m Mode) level() rules.Level {
	switch m {
	case ModeWarn:
		return rules.Warn
	case ModeAudit:
		return rules.Audit
	case ModeOff:
		return rules.Off
	case ModeEnforce:
	}
	return rules.Deny
}

// Workloads says what findings on workload templates do at admission.
type Workloads string

// What findings on templates may do.
const (
	WorkloadsOff  Workloads = "off"  // nothing
	WorkloadsWarn Workloads = "warn" // warn at most: the pods are refused, not the workload
	WorkloadsDeny Workloads = "deny" // what they do on pods
)

// Words are what findings on templates may do.
func (Workloads) Words() []string {
	return texts([]Workloads{WorkloadsOff, WorkloadsWarn, WorkloadsDeny})
}

// OwnedPods says what a finding that denies does to a pod that a built-in workload or a Job owns.
type OwnedPods string

// What becomes of owned pods.
const (
	OwnedPodsEnforce OwnedPods = "enforce" // they are refused as any other
	OwnedPodsWarn    OwnedPods = "warn"    // they are created, with a warning
)

// Words are what may become of owned pods.
func (OwnedPods) Words() []string { return texts([]OwnedPods{OwnedPodsEnforce, OwnedPodsWarn}) }

// namespaceModes are the modes that the label of a namespace may set.
type namespaceModes []Mode

func (namespaceModes) Words() []string { return texts(modes) }

// Switch is for all or none.
func (n *namespaceModes) Switch(on bool) {
	if *n = (namespaceModes{}); on {
		*n = modes
	}
}

// words are those that are allowed, in one order.
func (n namespaceModes) words() []string {
	return slices.DeleteFunc(texts(modes), func(word string) bool { return !slices.Contains(n, Mode(word)) })
}

// String is how a document would write them, "" where it does not.
func (n namespaceModes) String() string {
	words := n.words()
	switch {
	case n == nil:
		return ""
	case len(words) == 0 || len(words) == len(modes):
		return strconv.FormatBool(len(words) > 0)
	}
	return strings.Join(words, ",")
}

type profileName string

func (profileName) Words() []string {
	return []string{rules.Minimal.String(), rules.Recommended.String(), rules.Strict.String()}
}

type levelName string

func (levelName) Words() []string {
	return []string{rules.Deny.String(), rules.Warn.String(), rules.Audit.String(), rules.Off.String()}
}

// pattern is a name in which * stands for any run of characters, / included.
type pattern string

var patternCharacters = regexp.MustCompile(`^[A-Za-z0-9._/:@*-]+$`)

func (pattern) Schema() strict.Schema { return strict.TextLike(patternCharacters) }

func (p pattern) Problem() string {
	switch {
	case p == "":
		return "is empty and matches nothing: write a name, or * for all"
	case !patternCharacters.MatchString(string(p)):
		return fmt.Sprintf("is %q: a pattern has only letters, digits and - . _ / : @, and * for any run of characters",
			string(p))
	}
	return ""
}

// anyMatches tells whether one of the patterns fits; none given fits all.
func anyMatches(patterns []pattern, name string) bool {
	matches := func(p pattern) bool { return pod.Match(string(p), name) }
	return len(patterns) == 0 || slices.ContainsFunc(patterns, matches)
}

// ruleName is the id of a rule, or * for all.
type ruleName string

func (r ruleName) Problem() string {
	if r != "*" && strings.Contains(string(r), "*") {
		return fmt.Sprintf("is %q: write a rule's id, or \"*\" alone for all rules", string(r))
	}
	return ""
}

// containerName is the whole name of a container: the engine knows no patterns there.
type containerName = strict.WholeName

func texts[T ~string](list []T) []string {
	words := make([]string, len(list))
	for i, word := range list {
		words[i] = string(word)
	}
	return words
}
