package webhook

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/policy"
)

// Audit annotation keys. The API server puts the webhook's name and a slash before them.
const (
	auditFindings = "findings"
	auditFixed    = "fixed"
	auditPolicy   = "policy"
)

// maxWarnings of at most rules.MaxLine characters stay below the 4,096 at which the API server begins to
// cut them (AS pkg/endpoints/filters/warning.go).
const maxWarnings = 10

// maxListed bounds how many findings a refusal, the audit log and the log name.
const maxListed = 100

// verdict is what podvet makes of one object.
type verdict struct {
	judged   bool
	findings []rules.Finding
	fixed    []rules.Fixed
	applied  bool // the fixes are in the patch
	patch    []rules.Operation

	subject *rules.Subject
	mode    policy.Mode

	// Of a policy, its mistakes or what is worth a second look:
	lines   []string
	refused bool
}

// rule asks the policy about a subject, and gives it the namespace of the request.
func (h *Handler) rule(ctx context.Context, r *request, p *policy.Policy, s *rules.Subject) policy.Ruling {
	s.Namespace = r.Namespace
	if h.cluster == nil {
		return p.For(s, nil)
	}
	return p.For(s, h.cluster.namespaceLabels(ctx, r.Namespace))
}

// mutate repairs a pod that is being created. It never refuses and never warns.
func (h *Handler) mutate(ctx context.Context, r *request, p *policy.Policy) (verdict, error) {
	obj := r.newObject()
	if r.Operation != "CREATE" || r.SubResource != "" || obj == nil || r.Kind.Kind != "Pod" {
		return verdict{}, nil
	}
	subject, err := subjectOf(r, obj)
	if err != nil || subject == nil {
		return verdict{}, err
	}
	ruling := h.rule(ctx, r, p, subject)
	fixed, repaired := rules.Fix(subject, ruling.Plan)
	v := verdict{judged: true, fixed: fixed, applied: !ruling.Plan.Dry(), subject: subject, mode: ruling.Mode}
	if v.applied {
		v.patch = rules.Patch(subject.Spec, repaired.Spec, subject.Meta, fixed)
	}
	return v, nil
}

// validate judges a pod that is being created, or a workload whose template is new. It never patches.
func (h *Handler) validate(ctx context.Context, r *request, p *policy.Policy) (verdict, error) {
	obj := r.newObject()
	if r.SubResource != "" || obj == nil {
		return verdict{}, nil
	}
	isPod := r.Kind.Kind == "Pod"
	if r.Operation != "CREATE" && (r.Operation != "UPDATE" || isPod) {
		return verdict{}, nil
	}
	subject, err := subjectOf(r, obj)
	if err != nil || subject == nil || subject.Template && subject.Owned {
		return verdict{}, err
	}
	if r.Operation == "UPDATE" && sameTemplate(r, subject) {
		return verdict{}, nil
	}
	ruling := h.rule(ctx, r, p, subject)
	v := verdict{judged: true, subject: subject, mode: ruling.Mode}
	if ruling.Mode != policy.ModeAudit && ruling.Mode != policy.ModeOff {
		for _, note := range ruling.Notes {
			v.lines = append(v.lines, rules.OneLine(note))
		}
	}
	switch {
	case isPod:
		// As it arrived here: a pod that was not patched is reported.
		v.findings = rules.Judge(subject, ruling.Plan)
	case ruling.Workloads == policy.WorkloadsOff:
		return verdict{}, nil
	default:
		v.findings = rules.Vet(subject, ruling.Plan).Findings
	}
	if !isPod && ruling.Workloads == policy.WorkloadsWarn {
		for i := range v.findings {
			f := &v.findings[i]
			f.Level, f.Uncapped = min(f.Level, rules.Warn), min(f.Uncapped, rules.Warn)
		}
	}
	return v, nil
}

// subjectOf decodes the object. It returns nil for one that is being deleted: nobody may stand in the way.
func subjectOf(r *request, obj rules.Object) (*rules.Subject, error) {
	if err := decodeObject(r.Object, obj); err != nil {
		return nil, err
	}
	if obj.GetDeletionTimestamp() != nil {
		return nil, nil
	}
	subject, _ := rules.SubjectOf(obj)
	if subject != nil {
		r.Name = subject.Name // made with generateName it has none yet
	}
	return subject, nil
}

// sameTemplate tells whether an update leaves the pod template as it was, as scaling does.
func sameTemplate(r *request, now *rules.Subject) bool {
	old := r.newObject()
	if decodeObject(r.OldObject, old) != nil {
		return false
	}
	before, ok := rules.SubjectOf(old)
	return ok && equality.Semantic.DeepEqual(before.Spec, now.Spec) &&
		equality.Semantic.DeepEqual(before.Meta.Labels, now.Meta.Labels) &&
		equality.Semantic.DeepEqual(before.Meta.Annotations, now.Meta.Annotations)
}

// respond writes the verdict as the API server and its users read it.
func respond(r *request, p *policy.Policy, v verdict) ([]byte, error) {
	answer := &response{UID: r.UID, Allowed: true}
	if v.judged {
		answer.AuditAnnotations = audit(p, v)
	}
	if len(v.patch) > 0 {
		patch, err := json.Marshal(v.patch, encodeOptions)
		if err != nil {
			return nil, fmt.Errorf("writing the patch: %w", err)
		}
		answer.Patch, answer.PatchType = patch, "JSONPatch"
	}
	if v.refused {
		answer.Allowed, answer.Status = false, refusal(strings.Join(v.lines, "\n"))
	} else {
		answer.Warnings = warnings(v)
	}
	if denied := atLevel(v.findings, rules.Deny); len(denied) > 0 {
		answer.Allowed, answer.Status = false, refusal(denial(denied))
	}
	return json.Marshal(review{APIVersion: reviewAPIVersion, Kind: "AdmissionReview", Response: answer}, encodeOptions)
}

func atLevel(findings []rules.Finding, level rules.Level) []rules.Finding {
	var at []rules.Finding
	for _, f := range findings {
		if f.Level == level {
			at = append(at, f)
		}
	}
	return at
}

// denial lists every finding that refuses the object.
func denial(findings []rules.Finding) string {
	return strings.Join(listed(findings, rules.Finding.String, "podvet: %d more findings"), "\n")
}

func warnings(v verdict) []string {
	lines := v.lines
	for _, f := range atLevel(v.findings, rules.Warn) {
		lines = append(lines, f.String())
	}
	if len(lines) > maxWarnings {
		lines = append(lines[:maxWarnings:maxWarnings], fmt.Sprintf("podvet: %d more warnings", len(lines)-maxWarnings))
	}
	return lines
}

// audit says in the API server's audit log what was found and fixed, and by which policy.
func audit(p *policy.Policy, v verdict) map[string]string {
	notes := map[string]string{auditPolicy: p.Hash}
	if len(v.findings) > 0 {
		findings := slices.Clone(v.findings)
		slices.SortStableFunc(findings, func(a, b rules.Finding) int { return int(b.Level) - int(a.Level) })
		notes[auditFindings] = strings.Join(listed(findings, func(f rules.Finding) string {
			return f.Level.String() + " " + placeOf(f)
		}, "%d more"), ",")
	}
	if len(v.fixed) > 0 {
		notes[auditFixed] = strings.Join(listed(v.fixed, rules.Fixed.String, "%d more"), ",")
		if !v.applied {
			notes[auditFixed] = "would fix " + notes[auditFixed]
		}
	}
	return notes
}

// placeOf names a finding in a word, and says where it is exempted.
func placeOf(f rules.Finding) string {
	place := f.Rule.ID + "/" + f.Container
	if f.Exempt != nil {
		place += " (" + strings.ReplaceAll(f.Exempt.String(), ",", ";") + ")" // the list is separated by commas
	}
	return place
}

// listed is the first maxListed of a list in words, and how many more there are.
func listed[T any](list []T, text func(T) string, more string) []string {
	words := make([]string, 0, min(len(list), maxListed)+1)
	for _, one := range list[:min(len(list), maxListed)] {
		words = append(words, text(one))
	}
	if rest := len(list) - maxListed; rest > 0 {
		words = append(words, fmt.Sprintf(more, rest))
	}
	return words
}
