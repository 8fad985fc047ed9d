package main

import (
	"io"
	"runtime"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podvet/podvet/cmd/podvet/internal/manifest"
	"github.com/podvet/podvet/cmd/podvet/internal/report"
	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/policy"
)

// ref names an object within the input.
type ref struct{ group, kind, namespace, name string }

// groupOf is the group of an apiVersion, "" for the core's.
func groupOf(apiVersion string) string {
	group, _, found := strings.Cut(apiVersion, "/")
	if !found {
		return ""
	}
	return group
}

// The text that is read and not yet judged at any time, in units: a document takes one or more.
const (
	textUnit   = 64 << 10
	textInHand = 16 << 20 / textUnit
)

// item is what came of one document: a judged subject, an object to pass over, or a problem.
type item struct {
	counted  bool // an object that was read
	self     ref
	owners   []ref // of a controlled object, by the name of the reference and as a person names it
	subject  *report.Subject
	problems []manifest.Problem
	notes    []manifest.Problem // that stand in nobody's way
}

// judgement is what objects are judged by: a policy, and the namespaces that it may look at.
type judgement struct {
	policy     *policy.Policy
	namespaces manifest.Namespaces
}

func (by judgement) plan(s *rules.Subject) *rules.Plan { return by.ruling(s).Plan }

func (by judgement) ruling(s *rules.Subject) policy.Ruling {
	return by.policy.For(s, by.namespaces.Labels(s.Namespace))
}

// judgeAll judges the manifests that the arguments name, documents in parallel, in the order of the input.
// progress is told of each document. An object whose owner is judged too is folded into it.
func judgeAll(args []string, stdin io.Reader, by judgement, progress func()) *report.Report {
	type result chan []item
	queue := make(chan result, 256) // in the order of the input
	work := make(chan func(), 256)
	for range runtime.GOMAXPROCS(0) {
		go func() {
			for do := range work {
				do()
			}
		}()
	}
	go func() {
		defer close(queue)
		defer close(work)
		inHand := make(chan struct{}, textInHand)
		submit := func(length int, do func() []item) {
			units := min(1+length/textUnit, textInHand)
			for range units {
				inHand <- struct{}{}
			}
			r := make(result, 1)
			queue <- r
			work <- func() {
				r <- do()
				for range units {
					<-inHand
				}
			}
		}
		problem := func(problem manifest.Problem) {
			submit(0, func() []item { return []item{{problems: []manifest.Problem{problem}}} })
		}
		manifest.Files(args, func(name string) bool {
			readFile(name, stdin, func(chunk manifest.Chunk) {
				submit(len(chunk.Text), func() []item { return judge(chunk, by) })
			}, problem)
			return true
		}, problem)
	}()
	found := newFindings()
	for r := range queue {
		for _, one := range <-r {
			found.add(one)
		}
		progress()
	}
	return found.report()
}

func readFile(name string, stdin io.Reader, chunk func(manifest.Chunk), problem func(manifest.Problem)) {
	r, err := manifest.Open(name, stdin)
	if err != nil {
		problem(manifest.AsProblem(name, err))
		return
	}
	defer func() { _ = r.Close() }() // it was only read
	manifest.Split(manifest.Name(name), r, func(c manifest.Chunk, err error) bool {
		if err != nil {
			problem(manifest.AsProblem(name, err))
		} else {
			chunk(c)
		}
		return true
	})
}

// judge reads one chunk and judges its objects.
func judge(c manifest.Chunk, by judgement) []item {
	docs, problems := manifest.Parse(c)
	items := make([]item, 0, len(docs)+1)
	for _, doc := range docs {
		items = append(items, judgeDocument(doc, by))
	}
	if len(problems) > 0 {
		items = append(items, item{problems: problems})
	}
	return items
}

func judgeDocument(doc *manifest.Document, by judgement) item {
	one := item{self: ref{groupOf(doc.APIVersion), doc.Kind, doc.Namespace(), doc.Name()}}
	if doc.Broken {
		return item{} // it stands for nobody: its pods are judged themselves
	}
	one.counted = true
	if doc.Object == nil {
		return one
	}
	rules.Default(doc.Object)
	subject, ok := rules.SubjectOf(doc.Object)
	if !ok {
		return one
	}
	for _, problem := range rules.Invalid(doc.Object) {
		one.problems = append(one.problems, *doc.Refused(problem))
	}
	ruling := by.ruling(subject)
	for _, note := range ruling.Notes {
		one.notes = append(one.notes, manifest.Problem{File: doc.File, Line: doc.Line, Text: note})
	}
	result := rules.Vet(subject, ruling.Plan)
	one.subject = &report.Subject{File: doc.File, Line: doc.Line, APIVersion: doc.APIVersion, Kind: doc.Kind,
		Namespace: subject.Namespace, Name: subject.Name, Findings: []report.Finding{}, Fixed: []report.Fixed{}}
	for _, f := range result.Findings {
		one.subject.Findings = append(one.subject.Findings, report.Finding{Rule: f.Rule.ID, Level: f.Level, Container: f.Container,
			Path: f.Path(), Line: doc.LineOf(f.Path()), Message: f.String(), Fixable: result.Fixable(f), Exempt: exempt(f)})
	}
	if !ruling.Plan.Dry() {
		for _, f := range result.Fixed {
			one.subject.Fixed = append(one.subject.Fixed, report.Fixed{Rule: f.Rule.ID, Container: f.Container})
		}
	}
	if owner := metav1.GetControllerOfNoCopy(doc.Object); owner != nil {
		named := ref{groupOf(owner.APIVersion), owner.Kind, subject.Namespace, owner.Name}
		one.owners = []ref{named}
		// A person names the Deployment, not its ReplicaSet, and the CronJob, not its Job.
		if cut := strings.LastIndexByte(owner.Name, '-'); !subject.Template && subject.OwnerKind != owner.Kind && cut > 0 {
			named.kind, named.name = subject.OwnerKind, owner.Name[:cut]
			one.owners = append(one.owners, named)
		}
		last := one.owners[len(one.owners)-1]
		one.subject.Owner = last.kind + "/" + last.name
	}
	return one
}

func exempt(f rules.Finding) string {
	if f.Exempt == nil {
		return ""
	}
	return f.Exempt.Reason
}
