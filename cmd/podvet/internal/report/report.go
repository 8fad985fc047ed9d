// Package report writes what podvet found in manifests, for people and for other programs. It knows rules and levels,
// but neither manifests nor policies. It opens no file: it also runs in a browser.
package report

import (
	"fmt"
	"iter"
	"strings"

	"github.com/podvet/podvet/cmd/podvet/internal/console"
	"github.com/podvet/podvet/rules"
)

// Report is what was found. Its JSON form is a contract: fields may be added, never renamed.
type Report struct {
	Summary Summary
	Entries iter.Seq[Entry] // in the order of the input; may be read more than once
	Skipped []Skipped
	Notes   []Problem // what is wrong with labels and annotations that podvet reads; text leaves them to the command

	OneByOne string // the note that some pods are counted each, "" for none; it belongs to the summary
}

// Entry is an object that was judged, or input that is invalid, or both.
type Entry struct {
	Subject *Subject  // nil where nothing could be judged
	Object  string    // the name of an invalid object, "" where that is unknown
	Invalid []Problem // in the order of their lines
}

// Problem is input that could not be used.
type Problem struct {
	File    string `json:"file"`
	Line    int    `json:"line"` // 0 where unknown
	Message string `json:"message"`
}

func (p Problem) Error() string { return place(p.File, p.Line) + ": " + p.Message }

// place is a file with the line in it, where that is known.
func place(file string, line int) string {
	if line == 0 {
		return file
	}
	return fmt.Sprintf("%s:%d", file, line)
}

// Skipped counts what was not judged, of one kind and for one reason.
type Skipped struct {
	Kind   string `json:"kind"` // "" for what is not an object
	Reason string `json:"reason"`
	Count  int    `json:"count"`
	Group  string `json:"group,omitempty"` // of an object's apiVersion, "" for the core group
}

// Summary counts.
type Summary struct {
	Subjects   int `json:"subjects"`
	Deny       int `json:"deny"`
	Warn       int `json:"warn"`
	Audit      int `json:"audit"`
	Fixable    int `json:"fixable"`    // what fixes that are on would repair
	Invalid    int `json:"invalid"`    // objects, and files that cannot be read as any
	PassedOver int `json:"passedOver"` // the sum of what was skipped

	// Capped counts the subjects whose findings a mode below enforce makes milder, DeniedInEnforce those findings that
	// it keeps from being denials.
	Capped          int `json:"-"`
	DeniedInEnforce int `json:"deniedInEnforce,omitempty"`
}

// Subject is a pod or a workload that was judged.
type Subject struct {
	File       string    `json:"file"`
	Line       int       `json:"line"` // 0 where unknown, and where all of the input is on one line
	APIVersion string    `json:"apiVersion"`
	Kind       string    `json:"kind"`
	Namespace  string    `json:"namespace"`
	Name       string    `json:"name"`
	Owner      string    `json:"owner,omitempty"`  // kind/name as a person names it, of a pod with a controller
	Source     string    `json:"source,omitempty"` // the template that helm rendered it from
	Findings   []Finding `json:"findings"`         // in the order of their lines
	Fixed      []Fixed   `json:"fixed"`            // likewise: what fixes that are on would repair

	OwnerAPIVersion string `json:"-"`
	More            int    `json:"-"` // pods of its owner of which there is no more to say than of this one
	Capped          bool   `json:"-"` // see Summary
	DeniedInEnforce int    `json:"-"`
	Label           string `json:"-"` // the value of the label that tables group by, "" for none
}

// Finding is one defect.
type Finding struct {
	Rule      string      `json:"rule"`
	Level     rules.Level `json:"level"`
	Container string      `json:"container"` // "" for the pod
	Path      string      `json:"path"`
	Line      int         `json:"line"` // 0 where unknown
	Message   string      `json:"message"`
	Fixable   bool        `json:"fixable"`          // the rule's fix, on or off, would end this finding
	Exempt    string      `json:"exempt,omitempty"` // the reason, where the policy exempts it

	DeniedInEnforce              bool   `json:"deniedInEnforce,omitempty"` // only the mode keeps it from being a denial
	RefusesPods, RefusesTemplate bool   `json:"-"`                         // at admission
	Figure                       string `json:"-"`                         // the id of a picture, "" for none
}

// Fixed is a defect that a fix would repair, in the words of its finding.
type Fixed struct {
	Rule      string `json:"rule"`
	Container string `json:"container"`
	Path      string `json:"path"`
	Line      int    `json:"line"` // 0 where unknown
	Message   string `json:"message"`
	Figure    string `json:"-"` // see Finding
}

const homepage = "https://github.com/podvet/podvet"

// pageOf is the address of a rule's page.
func pageOf(rule string) string { return homepage + "/blob/main/docs/rules/" + rule + ".md" }

// fixable is what stands in place of a level.
const fixable = "fixable"

// line is the message as reports for people have it: it says who repairs the defect.
func (f Fixed) line() string {
	id := " [" + f.Rule + "]"
	text := strings.TrimSuffix(f.Message, id)
	if !strings.HasSuffix(text, ".") && !strings.HasSuffix(text, "…") {
		text += "."
	}
	return text + " podvet fixes this." + id
}

// Count adds a subject and its findings.
func (s *Summary) Count(subject *Subject) {
	s.Subjects++
	for _, f := range subject.Findings {
		switch f.Level {
		case rules.Deny:
			s.Deny++
		case rules.Warn:
			s.Warn++
		case rules.Audit:
			s.Audit++
		case rules.Off:
		}
	}
	s.Fixable += len(subject.Fixed)
	if subject.Capped {
		s.Capped++
	}
	s.DeniedInEnforce += subject.DeniedInEnforce
}

// Add adds the counts of another summary.
func (s *Summary) Add(other Summary) {
	s.Subjects += other.Subjects
	s.Deny += other.Deny
	s.Warn += other.Warn
	s.Audit += other.Audit
	s.Fixable += other.Fixable
	s.Invalid += other.Invalid
	s.PassedOver += other.PassedOver
	s.Capped += other.Capped
	s.DeniedInEnforce += other.DeniedInEnforce
}

// Refuse adds input that could not be used, after all other.
func (r *Report) Refuse(p Problem) {
	before := r.Entries
	r.Summary.Invalid++
	r.Entries = func(yield func(Entry) bool) {
		for e := range before {
			if !yield(e) {
				return
			}
		}
		yield(Entry{Invalid: []Problem{p}})
	}
}

// Subjects are the objects that were judged.
func (r *Report) Subjects(yield func(*Subject) bool) {
	for e := range r.Entries {
		if e.Subject != nil && !yield(e.Subject) {
			return
		}
	}
}

// Labelled tells whether a subject has the label that tables group by.
func (r *Report) Labelled() bool {
	for s := range r.Subjects {
		if s.Label != "" {
			return true
		}
	}
	return false
}

// Invalid is the input that could not be used.
func (r *Report) Invalid(yield func(Problem) bool) {
	for e := range r.Entries {
		for _, p := range e.Invalid {
			if !yield(p) {
				return
			}
		}
	}
}

// Unread tells whether there was input of which not even the objects' names could be read, so that some may be missing.
func (r *Report) Unread() bool {
	for e := range r.Entries {
		if e.Subject == nil && e.Object == "" {
			return true
		}
	}
	return false
}

// FailOn is what fails a run: a level with all that is graver, Fixable for what a fix would repair too, or nothing.
type FailOn string

// What can fail a run.
const (
	Denials  FailOn = "deny"
	Warnings FailOn = "warn"
	Fixable  FailOn = fixable
	Nothing  FailOn = "none"
)

// FailOns are all of them, the gravest first.
var FailOns = []FailOn{Denials, Warnings, Fixable, Nothing}

// Failed tells whether a run of this outcome fails.
func (s Summary) Failed(on FailOn) bool {
	return on != Nothing && s.Deny > 0 || on.warnings() && s.Warn > 0 || on == Fixable && s.Fixable > 0
}

func (on FailOn) warnings() bool { return on == Warnings || on == Fixable }

// Options are how to write a report.
type Options struct {
	Color   bool
	Width   int                      // of the terminal in columns, 0 for no limit
	Version string                   // of podvet
	Folder  string                   // that absolute names of files are told from, "" to leave them as they are
	FailOn  FailOn                   // what is a failure, where a format knows failures; denials always are
	Summary bool                     // counts in place of findings: text, csv and markdown
	By      string                   // what is counted by, one of the Groupings; "" for namespaces
	Rules   []*rules.Rule            // that may be reported, for formats that describe them
	Page    func(*rules.Rule) string // what there is to say of a rule, in Markdown
	Figures                          // that html has
}

// Figures are pictures of findings, as HTML. Link leads to one, which All then has.
type Figures interface {
	Style() string
	Link(id, rule, of string) string
	All() string
}

// ObjectName is what stands in place of a file for an object that a cluster holds.
func ObjectName(kind, namespace, name string) string {
	if namespace == "" {
		return kind + "/" + name
	}
	return kind + "/" + namespace + "/" + name
}

// live tells whether a cluster holds the subject, and no file.
func (s *Subject) live() bool { return s.File == ObjectName(s.Kind, s.Namespace, s.Name) }

// file is where an entry comes from.
func (e Entry) file() string {
	if e.Subject != nil {
		return e.Subject.File
	}
	return e.Invalid[0].File
}

// pod tells whether this is a pod with an owner.
func (s *Subject) pod() bool { return s.Owner != "" && s.Kind == "Pod" }

// OwnerTitle names a subject's owner as a person does, the subject itself where it has none.
func (s *Subject) OwnerTitle() string {
	if !s.pod() {
		return s.title()
	}
	kind, name, _ := strings.Cut(s.Owner, "/")
	owner := Subject{Kind: kind, Namespace: s.Namespace, Name: name}
	if s.live() {
		owner.File = ObjectName(kind, s.Namespace, name)
	}
	return owner.title()
}

// title names a subject.
func (s *Subject) title() string {
	if s.live() {
		return console.Printable(s.File)
	}
	name := s.Name
	if s.Namespace != "" {
		name = s.Namespace + "/" + name
	}
	return console.Printable(strings.TrimSpace(s.Kind + " " + name)) // it may lack a name, which is told as invalid
}

// titleInSource names a subject, and the template it comes from: lines are those of the rendered text.
func (s *Subject) titleInSource() string {
	if s.Source == "" {
		return s.title()
	}
	return s.title() + " (" + console.Printable(s.Source) + ")"
}
