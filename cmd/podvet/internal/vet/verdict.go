package vet

import (
	"slices"
	"strconv"
	"strings"

	"github.com/podvet/podvet/cmd/podvet/internal/manifest"
	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/pod"
	"github.com/podvet/podvet/rules/policy"
)

// Judge is what objects are judged by: a policy, and the namespaces that it may look at.
type Judge struct {
	Policy     *policy.Policy
	Namespaces manifest.Namespaces
	AsWritten  bool   // no fix is taken as applied
	Label      string // the key of a label whose value reports have of each object, "" for none

	// Figure is the id of a picture of what a rule finds in a container, "" for none; nil where there are no pictures.
	Figure func(v Verdict, rule, container string) string

	writes bool // fixes go into the documents
}

// Verdict is what the policy says of an object and what podvet finds in it.
type Verdict struct {
	Subject *pod.Subject
	Ruling  policy.Ruling
	Invalid []pod.Problem // what the API server refuses
	rules.Result

	// DeniedInEnforce counts the findings that only the mode keeps from being denials.
	DeniedInEnforce int

	recorded []rules.Fixed // fixes that this mode only records
}

// Of is the one road from a document to verdicts: one of a pod or a workload, and one of each pod template in a custom
// resource. There are none of an object that podvet does not judge, see Aside. The object gets its defaults on the way.
// Fixed holds what is taken as applied: nothing where the mode only records it.
func (j Judge) Of(doc *manifest.Document) []Verdict {
	if found, is := customOf(j.Policy, doc); is {
		list := make([]Verdict, len(found.subjects))
		for i, s := range found.subjects {
			list[i] = j.about(doc, s, found.own)
		}
		return list
	}
	if doc.Object == nil {
		return nil
	}
	s, ok := pod.Read(doc.Object)
	if !ok || len(s.Spec.Containers) == 0 || incomplete(doc, s.Spec) {
		return nil
	}
	return []Verdict{j.about(doc, s, nil)}
}

// Aside is what becomes of a document that is not judged: it is invalid, or skipped for a reason, or for those who let
// it be either, both.
func (j Judge) Aside(doc *manifest.Document) (reason string, invalid []manifest.Problem) {
	if found, is := customOf(j.Policy, doc); is {
		return found.reason, found.problems
	}
	reason, one := aside(doc)
	if one != nil {
		invalid = []manifest.Problem{*one}
	}
	return reason, invalid
}

// incompleteIn names the templates of a custom resource that are not judged, for want of containers, while others are.
func (j Judge) incompleteIn(doc *manifest.Document) (problems []manifest.Problem) {
	found, _ := customOf(j.Policy, doc)
	for _, path := range found.empty {
		problems = append(problems, manifest.Problem{File: doc.File, Line: doc.LineOf(path),
			Text: doc.Title() + " is incomplete: " + path + " has no containers, so podvet does not judge it"})
	}
	return problems
}

// about is the verdict about one subject of a document. own names fields that are no mistake, nil for none.
func (j Judge) about(doc *manifest.Document, s *pod.Subject, own func(field string) bool) (v Verdict) {
	v.Subject = s
	invalid, unknown := unjudged(doc, append(v.Subject.Invalid(), unrendered(doc, v.Subject)...))
	if doc.Name() == "" {
		invalid = append([]pod.Problem{{Path: "metadata.name", Text: "is missing: write one"}}, invalid...)
	}
	v.Invalid = invalid
	v.Ruling = j.Policy.For(v.Subject, j.Namespaces.Labels(v.Subject.Namespace))
	judge := rules.Vet
	switch {
	case j.AsWritten:
		judge = rules.VetAsWritten
	case j.writes:
		judge = rules.VetToWrite
	}
	v.Result = judge(v.Subject, v.Ruling.Plan)
	v.Findings = slices.DeleteFunc(v.Findings, func(f rules.Finding) bool {
		return slices.ContainsFunc(unknown, func(probe string) bool { return within(f.Path(), probe) })
	})
	v.Findings = append(v.Findings, unknownFields(doc, v.Subject, v.Ruling.Plan, own)...)
	for i := range v.Findings {
		v.Findings[i].RefusesPods = v.Findings[i].RefusesPods && !v.Ruling.Spares(s)
	}
	if !v.Applied {
		v.Fixed, v.recorded = nil, v.Fixed
	}
	for _, f := range v.Findings {
		if v.deniedInEnforce(f) {
			v.DeniedInEnforce++
		}
	}
	return v
}

// deniedInEnforce tells whether only the mode keeps a finding from being a denial: no fix that it only records would
// end it.
func (v Verdict) deniedInEnforce(f rules.Finding) bool {
	return f.Uncapped == rules.Deny && f.Level < rules.Deny &&
		!slices.Contains(v.recorded, rules.Fixed{Rule: f.Rule, Container: f.Container})
}

// unjudged says of placeholders among what the API server refuses that they are such, and names the probes of which
// nothing else can be said: whose port, or another value, is not known before that is right.
func unjudged(doc *manifest.Document, invalid []pod.Problem) (said []pod.Problem, probes []string) {
	for _, p := range invalid {
		placeholder := doc.Placeholder(p.Path)
		if placeholder != "" {
			p.Text = placeholder
		}
		const probe = "Probe"
		if at, field, found := strings.Cut(p.Path, probe+"."); found &&
			(placeholder != "" || strings.HasSuffix(field, ".port")) {
			probes = append(probes, at+probe)
		}
		said = append(said, p)
	}
	return said, probes
}

// unrendered are the images that are templates, {{ x }}: the API server takes any text, no node can pull it. ${TAG} in
// an image is left alone: envsubst replaces it after the check, and nothing podvet says depends on it.
func unrendered(doc *manifest.Document, s *pod.Subject) (images []pod.Problem) {
	look := func(list string, i int, image string) {
		if !strings.Contains(image, "{{") {
			return
		}
		path := s.Path() + "." + list + "[" + strconv.Itoa(i) + "].image"
		if text := doc.Placeholder(path); text != "" {
			images = append(images, pod.Problem{Path: path, Text: text})
		}
	}
	for i, c := range s.Spec.InitContainers {
		look("initContainers", i, c.Image)
	}
	for i, c := range s.Spec.Containers {
		look("containers", i, c.Image)
	}
	return images
}

// within tells whether a path is a place or below it.
func within(path, place string) bool {
	rest, found := strings.CutPrefix(path, place)
	return found && (rest == "" || rest[0] == '.')
}

// capped tells whether the mode makes findings milder.
func (v Verdict) capped() bool {
	return v.Ruling.Mode == policy.ModeWarn || v.Ruling.Mode == policy.ModeAudit
}

// repaired are the findings of the unfixed object that fixes end, with their paths. A fix that no finding asked for has
// the rule's title instead, at its container.
func (v Verdict) repaired(tell func(f rules.Finding, path string)) {
	if len(v.Fixed) == 0 {
		return
	}
	before := rules.Judge(v.Subject, v.Ruling.Plan)
	for _, fixed := range v.Fixed {
		found := false
		for _, f := range before {
			isLeft := func(g rules.Finding) bool { return g.Rule == f.Rule && g.Path() == f.Path() }
			if f.Rule == fixed.Rule && f.Container == fixed.Container && !slices.ContainsFunc(v.Findings, isLeft) {
				tell(f, f.Path())
				found = true
			}
		}
		if !found {
			tell(rules.Finding{Rule: fixed.Rule, Container: fixed.Container, Text: fixed.Rule.Title},
				pathOf(v.Subject, fixed.Container))
		}
	}
}

// pathOf is the place of a container in the object.
func pathOf(s *pod.Subject, container string) string {
	for _, c := range s.Containers {
		if c.Name == container {
			return s.Path() + "." + c.List() + "[" + strconv.Itoa(c.Index) + "]"
		}
	}
	return s.Path()
}

// refused says what the API server refuses in a document, or that it has to be rendered first.
func refused(doc *manifest.Document, p pod.Problem) manifest.Problem {
	who := doc.Title()
	if doc.Object == nil { // of a custom resource, which its own schema judges
		who = "the pods of " + who
	}
	text := who + ": " + p.Path + " " + p.Text
	if doc.Placeholder(p.Path) == "" {
		text = "the API server refuses " + text
		if strings.HasSuffix(p.Path, ".image") && mayBePatch(doc) {
			text += "." + ifPatch
		}
	}
	return manifest.Problem{File: doc.File, Line: doc.LineOf(p.Path), Text: text}
}
