package webhook

import (
	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/pod"
	"github.com/podvet/podvet/rules/policy"
)

// readPod reads a pod that is being created. It returns nil for what is not /mutate's.
func readPod(r *request) (*pod.Subject, error) {
	if r.Operation != "CREATE" || r.SubResource != "" || r.Kind.Kind != "Pod" {
		return nil, nil
	}
	return readSubject(r, r.Object, decodeOptions)
}

// mutate repairs a pod that is being created. It never refuses and never warns.
func mutate(s *pod.Subject, ruling policy.Ruling) verdict {
	repair := rules.Fix(s, ruling.Plan)
	v := verdict{fixed: repair.Fixed, applied: repair.Applied, subject: s, mode: ruling.Mode}
	if v.patch = rules.Patch(s, repair.Subject); len(v.patch) > 0 {
		v.patch = append(v.patch, rules.Annotate(s.Meta, repair.Fixed))
	}
	return v
}

// readNew reads a pod that is being created, or a workload whose template is new. It returns nil for what is not
// /validate's.
func readNew(r *request) (*pod.Subject, error) {
	if r.SubResource != "" || r.Operation != "CREATE" && (r.Operation != "UPDATE" || r.Kind.Kind == "Pod") {
		return nil, nil
	}
	subject, err := readSubject(r, r.Object, decodeOptions)
	if err != nil || subject == nil || subject.JudgedAtOwner {
		return nil, err
	}
	if r.Operation == "UPDATE" && sameTemplate(r, subject) {
		return nil, nil
	}
	return subject, nil
}

// sameTemplate tells whether an update leaves the pod template as it was, as scaling does.
func sameTemplate(r *request, now *pod.Subject) bool {
	before, err := readSubject(r, r.OldObject, templateOptions)
	return err == nil && before != nil && same(before, now)
}

// same tells whether two templates mean the same pods.
func same(before, now *pod.Subject) bool {
	return equality.Semantic.DeepEqual(before.Spec, now.Spec) &&
		equality.Semantic.DeepEqual(before.Meta.Labels, now.Meta.Labels) &&
		equality.Semantic.DeepEqual(before.Meta.Annotations, now.Meta.Annotations)
}

// validate judges a pod or a template. It never patches.
func validate(s *pod.Subject, ruling policy.Ruling) verdict {
	v := verdict{subject: s, mode: ruling.Mode, help: ruling.Help}
	if ruling.Mode != policy.ModeAudit && ruling.Mode != policy.ModeOff {
		v.lines = append(v.lines, ruling.Notes...)
	}
	switch {
	case !s.Template:
		// As it arrived here: a pod that was not patched is reported.
		v.findings = rules.Judge(s, ruling.Plan)
	case ruling.Workloads == policy.WorkloadsOff:
		return verdict{}
	default:
		v.findings = rules.Vet(s, ruling.Plan).Findings
	}
	spared := ruling.Spares(s)
	if s.Template && ruling.Workloads == policy.WorkloadsWarn || !s.Template && spared {
		rules.CapAtWarn(v.findings, s.Template && !spared)
		if s.Custom == nil && s.Template {
			rules.KeepRefusals(v.findings, s.Pods(), ruling.Plan)
		}
	}
	for i := range v.findings {
		v.findings[i].RefusesPods = v.findings[i].RefusesPods && !spared
	}
	return v
}
