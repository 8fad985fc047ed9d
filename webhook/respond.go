package webhook

import (
	"fmt"
	"slices"
	"strings"

	"github.com/podvet/podvet/rules"
)

// maxWarnings of at most rules.MaxLine characters stay below the 4,096 at which the API server begins to
// cut them (AS pkg/endpoints/filters/warning.go).
const maxWarnings = 10

// respond writes the verdict as the API server and its users read it.
func respond(r *request, v verdict) ([]byte, error) {
	if uid := string(r.UID); legible(uid) != uid { // it has to be echoed as it is
		return nil, badRequest("request.uid is not a UID: send one of at most %d plain characters", maxName)
	}
	answer := &response{UID: r.UID, Allowed: true}
	if v.subject != nil {
		answer.AuditAnnotations = audit(v)
	}
	if len(v.patch) > 0 {
		patch, err := encodePatch(v.patch)
		if err != nil {
			return nil, err
		}
		answer.Patch = patch
	}
	if v.refused {
		answer.Allowed, answer.Status = false, refusal(mistakes(v.lines))
	} else {
		answer.Warnings = warnings(v)
	}
	if v.has(rules.Deny) {
		answer.Allowed, answer.Status = false, refusal(denial(v))
	}
	return encode(answer), nil
}

// maxMistake is how much is said of one mistake of a policy, in characters.
const maxMistake = 300

// mistakes are those of a policy, a line each. podvet policy check names them all, and whole.
func mistakes(lines []string) string {
	all := strings.Split(strings.Join(lines, "\n"), "\n")
	return strings.Join(listed(all, func(line string) string {
		return rules.Legible(line, maxMistake)
	}, "%d more mistakes"), "\n")
}

// denial lists every finding that refuses the object. The API server names the webhook in front of it.
func denial(v verdict) string {
	lines := listed(v.at(rules.Deny), rules.Finding.String, "%d more findings")
	if v.help != "" {
		lines = append(lines, rules.OneLine(v.help))
	}
	return strings.Join(lines, "\n")
}

// Who speaks, in front of each warning: kubectl shows them without a source.
const (
	speaker     = "podvet: "
	moreRemains = speaker + "%d more warnings"
)

// warnings are the gravest first, notes after them, and the policy's help once at the end.
func warnings(v verdict) []string {
	found := v.at(rules.Warn)
	slices.SortStableFunc(found, func(a, b rules.Finding) int { return gravity(b) - gravity(a) })
	room := max(maxWarnings-len(v.lines), 0) // notes are few, and nothing else says them
	var lines []string
	for _, f := range found[:min(len(found), room)] {
		who := speaker
		if f.RefusesPods {
			who = rules.WillRefuse
		}
		lines = append(lines, f.Line(who))
	}
	for _, note := range v.lines[:min(len(v.lines), maxWarnings)] {
		lines = append(lines, rules.OneLine(speaker+note))
	}
	if all := len(found) + len(v.lines); all > maxWarnings {
		lines = append(lines, fmt.Sprintf(moreRemains, all-maxWarnings))
	}
	if v.help != "" && len(found) > 0 {
		lines = append(lines, rules.OneLine(speaker+v.help))
	}
	return lines
}

// gravity is what a finding would do: refuse the workload's pods, refuse in mode enforce, or only warn.
func gravity(f rules.Finding) int {
	if f.RefusesPods {
		return int(rules.Deny) + 1
	}
	return int(f.Uncapped)
}

// audit says in the API server's audit log what was found and fixed, and by which policy.
func audit(v verdict) *annotations {
	notes := &annotations{policy: v.policy}
	if len(v.findings) > 0 {
		findings, byLevel := v.findings, func(a, b rules.Finding) int { return int(b.Level) - int(a.Level) }
		if !slices.IsSortedFunc(findings, byLevel) {
			findings = slices.Clone(findings)
			slices.SortStableFunc(findings, byLevel)
		}
		notes.findings = strings.Join(listed(findings, func(f rules.Finding) string {
			return f.Level.String() + " " + placeOf(f)
		}, "%d more"), ",")
	}
	if len(v.fixed) > 0 {
		notes.fixed = strings.Join(listed(v.fixed, rules.Fixed.String, "%d more"), ",")
		if !v.applied {
			notes.fixed = "would fix " + notes.fixed
		}
	}
	return notes
}
