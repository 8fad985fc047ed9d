package vet

import (
	"slices"

	"github.com/podvet/podvet/cmd/podvet/internal/manifest"
	"github.com/podvet/podvet/cmd/podvet/internal/report"
	"github.com/podvet/podvet/rules/custom"
	"github.com/podvet/podvet/rules/pod"
	"github.com/podvet/podvet/rules/policy"
)

// ofCustom are the pods of the templates in a custom resource, in the order of the table; or else why there are none
// to judge, and what cannot be read.
type ofCustom struct {
	subjects []*pod.Subject
	own      func(field string) bool // whether the controller has a field of the spec that Kubernetes has not
	reason   string
	problems []manifest.Problem
	empty    []string // templates without containers, beside others
}

// customOf reads a document of a kind with pod templates that is none of Kubernetes' own; false for any other.
func customOf(p *policy.Policy, doc *manifest.Document) (found ofCustom, is bool) {
	if doc.Object != nil || doc.Broken {
		return found, false
	}
	rows := p.TemplatesOf(doc.APIVersion, doc.Kind)
	for _, row := range rows {
		found.own = row.OwnField
		found.subjects = append(found.subjects, custom.Read(row,
			custom.Object{Name: doc.Name(), Namespace: doc.Namespace()}, doc.Root(),
			func(at custom.Place[manifest.Node], into any) bool {
				wrong := doc.Decode(at.Path, at.Node, into)
				found.problems = append(found.problems, wrong...)
				return len(wrong) == 0
			})...)
	}
	found.subjects = slices.DeleteFunc(found.subjects, func(s *pod.Subject) bool {
		empty := len(s.Spec.Containers) == 0
		if empty {
			found.empty = append(found.empty, templateOf(s))
		}
		return empty
	})
	_, selects := doc.At("spec.selector")
	lacks := func(s *pod.Subject) bool { return lacking(s.Spec) }
	switch {
	case len(found.problems) > 0:
		found.subjects = nil
	case doc.Has("$patch"), !selects && slices.ContainsFunc(found.subjects, lacks):
		found.subjects, found.reason = nil, report.LooksLikeAPatch
	case len(found.subjects) == 0:
		found.reason = report.NoTemplate
		for _, row := range rows {
			if _, written := doc.At(row.Elsewhere); row.Elsewhere != "" && written {
				found.reason = report.TemplateElsewhere
			}
		}
	}
	return found, rows != nil
}
