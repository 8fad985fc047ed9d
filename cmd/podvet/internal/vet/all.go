package vet

import (
	"cmp"
	"io"
	"slices"
	"sort"
	"strings"

	"github.com/podvet/podvet/cmd/podvet/internal/manifest"
	"github.com/podvet/podvet/cmd/podvet/internal/report"
	"github.com/podvet/podvet/cmd/podvet/internal/stream"
	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/policy"
)

// Text is one text of the input.
type Text struct {
	Name string // that reports call it
	io.Reader

	// SkipOthers: a document that is not a Kubernetes object is skipped, not invalid. Nobody named this file.
	SkipOthers bool
}

// Input is handed what the input holds, in its order.
type Input struct {
	Text    func(Text)
	Chunk   func(stream.Chunk)              // what is split already
	Skipped func(file, kind, reason string) // a file or an object that is not read
	Problem func(manifest.Problem)          // what cannot be read
}

// All judges the input, documents in parallel. progress is told of each document. An object whose owner is judged too
// is folded into it. named is told of each object that is skipped, once all is judged; nil for no one to tell.
func (j Judge) All(read func(Input), progress func(), named func(manifest.Problem)) *report.Report {
	p := stream.NewParallel[[]outcome]()
	go func() {
		defer p.End()
		now := func(one outcome) { p.Submit(0, func() []outcome { return []outcome{one} }) }
		problem := func(problem manifest.Problem) { now(outcome{problems: []manifest.Problem{problem}}) }
		read(Input{
			Text: func(text Text) {
				oneLine := stream.Split(text.Name, text, func(chunk stream.Chunk) {
					p.Submit(len(chunk.Text), func() []outcome { return j.chunk(chunk, text.SkipOthers) })
				}, problem)
				if oneLine {
					now(outcome{oneLine: text.Name})
				}
			},
			Chunk: func(chunk stream.Chunk) {
				p.Submit(len(chunk.Text), func() []outcome { return j.chunk(chunk, false) })
			},
			Skipped: func(file, kind, reason string) {
				now(outcome{skipped: &skipped{File: file, Kind: kind, Reason: reason}})
			},
			Problem: problem,
		})
	}()
	found := newOutcomes(named)
	p.Each(func(list []outcome) {
		for _, one := range list {
			found.add(one)
		}
		progress()
	})
	return found.report()
}

// chunk reads one chunk and judges its objects.
func (j Judge) chunk(c stream.Chunk, skipOthers bool) []outcome {
	list := j.objects(c, skipOthers)
	if c.Source != "" { // the lines are those of the rendered text, which nobody has
		for _, one := range list {
			for i := range one.problems {
				one.problems[i].Text = c.Source + ": " + one.problems[i].Text
			}
		}
	}
	return list
}

func (j Judge) objects(c stream.Chunk, skipOthers bool) []outcome {
	docs, problems := manifest.Parse(c)
	own := make([][]manifest.Problem, len(docs)) // of the broken ones; documents come in the order of their lines
	problems = slices.DeleteFunc(problems, func(p manifest.Problem) bool {
		i := sort.Search(len(docs), func(i int) bool { return docs[i].Line > p.Line }) - 1
		if i < 0 || !docs[i].Broken {
			return false
		}
		own[i] = append(own[i], p)
		return true
	})
	list := make([]outcome, 0, len(docs)+1)
	for i, doc := range docs {
		if doc.Broken { // it stands for nobody: its pods are judged themselves
			list = append(list, outcome{object: titleOf(doc), problems: own[i]})
		} else {
			list = append(list, j.document(doc, skipOthers))
		}
	}
	if len(problems) > 0 {
		list = append(list, outcome{problems: problems})
	}
	return list
}

func titleOf(doc *manifest.Document) string {
	if doc.Name() == "" {
		return ""
	}
	return doc.Kind + " " + doc.Name()
}

func (j Judge) document(doc *manifest.Document, skipOthers bool) outcome {
	verdicts := j.Of(doc)
	if len(verdicts) == 0 {
		reason, invalid := j.Aside(doc)
		if invalid != nil && (reason == "" || !skipOthers) {
			return outcome{object: titleOf(doc), problems: invalid}
		}
		return outcome{self: refOf(doc), owners: ownersOf(doc, nil),
			skipped: &skipped{doc.File, doc.Line, groupOf(doc.APIVersion), doc.Kind, doc.Name(), reason}}
	}
	first := verdicts[0].Subject
	one := outcome{self: refOf(doc), owners: ownersOf(doc, first), adds: adds(doc, first)}
	for _, v := range verdicts {
		for _, problem := range v.Invalid {
			if p := refused(doc, problem); !slices.Contains(one.problems, p) { // several templates may share it
				one.problems = append(one.problems, p)
			}
		}
		for _, text := range v.Ruling.Notes {
			one.notes = append(one.notes, note(doc, v, text))
		}
	}
	for _, p := range j.incompleteIn(doc) {
		one.notes = append(one.notes, report.Problem{File: p.File, Line: p.Line, Message: p.Text})
	}
	slices.SortStableFunc(one.problems, func(a, b manifest.Problem) int { return a.Line - b.Line })
	one.subject = j.reported(doc, verdicts)
	one.subject.Label = j.labelOf(doc, verdicts[0])
	if len(one.owners) > 0 && (!first.Template || first.JudgedAtOwner) {
		last := one.owners[len(one.owners)-1]
		one.subject.Owner = last.kind + "/" + last.name
		one.subject.OwnerAPIVersion = apiVersionOf(doc, one.owners)
	}
	return one
}

// note is what stands in nobody's way, at the annotation where it is about that.
func note(doc *manifest.Document, v Verdict, text string) report.Problem {
	line := doc.Line
	if strings.HasPrefix(text, "annotation "+policy.ExemptAnnotation) {
		line = doc.LineOf(strings.TrimSuffix(v.Subject.Path(), "spec") +
			"metadata.annotations[" + policy.ExemptAnnotation + "]")
	}
	return report.Problem{File: doc.File, Line: line, Message: text}
}

// reported are the verdicts about an object as reports tell them.
func (j Judge) reported(doc *manifest.Document, verdicts []Verdict) *report.Subject {
	figure := func(v Verdict, f rules.Finding) string {
		if j.Figure == nil {
			return ""
		}
		return j.Figure(v, f.Rule.ID, f.Container)
	}
	first := verdicts[0].Subject
	s := &report.Subject{File: doc.File, Line: doc.Line, APIVersion: doc.APIVersion, Kind: first.Kind,
		Namespace: first.Namespace, Name: first.Name, Source: doc.Source}
	for _, v := range verdicts {
		s.Capped = s.Capped || v.capped()
		s.DeniedInEnforce += v.DeniedInEnforce
		for _, f := range v.Findings {
			s.Findings = append(s.Findings, report.Finding{Rule: f.Rule.ID, Level: f.Level, Container: f.Container,
				Path: f.Path(), Line: doc.LineOf(f.Path()), Message: f.Whole(),
				Figure: figure(v, f), Fixable: v.Fixable(f), Exempt: reasonOf(f), DeniedInEnforce: v.deniedInEnforce(f),
				RefusesPods:     f.RefusesPods || f.Level == rules.Deny && !v.Ruling.Spares(first),
				RefusesTemplate: f.Level == rules.Deny && first.Template && v.Ruling.Workloads == policy.WorkloadsDeny})
		}
		v.repaired(func(f rules.Finding, path string) {
			s.Fixed = append(s.Fixed, report.Fixed{Rule: f.Rule.ID, Container: f.Container, Path: path,
				Line: doc.LineOf(path), Message: f.String(), Figure: figure(v, f)})
		})
	}
	slices.SortStableFunc(s.Findings, func(a, b report.Finding) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(b.Level, a.Level))
	})
	slices.SortStableFunc(s.Fixed, func(a, b report.Fixed) int { return cmp.Compare(a.Line, b.Line) })
	return s
}

// labelOf is the value of the judge's label: the object's own, else that of its pod template or of its namespace.
func (j Judge) labelOf(doc *manifest.Document, v Verdict) string {
	if j.Label == "" {
		return ""
	}
	value := ""
	if doc.Object != nil { // a custom resource's own labels are left aside: those of its pods say more
		value = doc.Object.GetLabels()[j.Label]
	}
	return cmp.Or(value, v.Subject.Meta.Labels[j.Label], j.Namespaces.Labels(v.Subject.Namespace)[j.Label])
}

// reasonOf is why a finding is exempted, "" where it is not.
func reasonOf(f rules.Finding) string {
	if f.Exempt == nil {
		return ""
	}
	return f.Exempt.Reason
}
