// Package report writes what podvet found in manifests, for people and for other programs.
package report

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/podvet/podvet/rules"
)

// Report is what was found. Its JSON form is a contract: fields may be added, never renamed.
type Report struct {
	Summary  Summary
	Subjects iter.Seq[*Subject] // in the order of the input; may be read more than once
	Problems iter.Seq[Problem]  // likewise
	Notes    []Problem          // what is wrong with labels and annotations that podvet reads; no format writes them
}

// Problem is input that could not be used.
type Problem struct {
	File string `json:"file"`
	Line int    `json:"line"` // 0 where unknown
	Text string `json:"text"`
}

// Summary counts.
type Summary struct {
	Subjects   int `json:"subjects"`
	Deny       int `json:"deny"`
	Warn       int `json:"warn"`
	Audit      int `json:"audit"`
	PassedOver int `json:"passedOver"` // objects that podvet does not vet, or whose owner is there
}

// Subject is a pod or a workload that was judged.
type Subject struct {
	File       string    `json:"file"`
	Line       int       `json:"line"` // 0 where unknown
	APIVersion string    `json:"apiVersion"`
	Kind       string    `json:"kind"`
	Namespace  string    `json:"namespace"`
	Name       string    `json:"name"`
	Owner      string    `json:"owner,omitempty"` // kind/name as a person names it, of a pod with a controller
	Findings   []Finding `json:"findings"`
	Fixed      []Fixed   `json:"fixed"` // fixes taken as applied
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
}

// Fixed is one repair.
type Fixed struct {
	Rule      string `json:"rule"`
	Container string `json:"container"`
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
}

// Add adds the counts of another summary.
func (s *Summary) Add(other Summary) {
	s.Subjects += other.Subjects
	s.Deny += other.Deny
	s.Warn += other.Warn
	s.Audit += other.Audit
	s.PassedOver += other.PassedOver
}

// Options are how to write a report.
type Options struct {
	Color   bool
	Width   int    // of the terminal in columns, 0 for no limit
	Version string // of podvet
}

// Formats are the names that Write takes.
var Formats = []string{"text", "json", "sarif", "junit", "github"}

// Write writes the report in a format, subject by subject: no more than one is held.
func (r *Report) Write(w io.Writer, format string, o Options) error {
	out := bufio.NewWriter(w)
	var err error
	switch format {
	case "text":
		err = r.text(out, o)
	case "json":
		err = r.json(out)
	case "sarif":
		err = r.sarif(out, o)
	case "junit":
		err = r.junit(out)
	case "github":
		err = r.github(out)
	default:
		err = fmt.Errorf("no format %q", format)
	}
	if err != nil {
		return err
	}
	return out.Flush()
}

func (r *Report) json(w io.Writer) error {
	document := struct {
		APIVersion string     `json:"apiVersion"`
		Kind       string     `json:"kind"`
		Summary    Summary    `json:"summary"`
		Subjects   []struct{} `json:"subjects"`
		Problems   []struct{} `json:"problems,omitzero"`
	}{"podvet.dev/v1alpha1", "Report", r.Summary, []struct{}{}, nil}
	lists := []list{{"subjects", anyOf(r.Subjects)}}
	if r.invalid() {
		document.Problems = []struct{}{}
		lists = append(lists, list{"problems", anyOf(r.Problems)})
	}
	return writeJSON(w, document, lists...)
}

// invalid tells whether there are problems.
func (r *Report) invalid() bool {
	for range r.Problems {
		return true
	}
	return false
}

// list is what to write in the place of a document's empty list of that name.
type list struct {
	name  string
	items iter.Seq[any]
}

func anyOf[T any](items iter.Seq[T]) iter.Seq[any] {
	return func(yield func(any) bool) { items(func(item T) bool { return yield(item) }) }
}

// writeJSON writes a document, with its lists, in the order in which they stand, item by item.
func writeJSON(w io.Writer, document any, lists ...list) error {
	text, err := marshal(document, "")
	if err != nil {
		return err
	}
	for _, l := range lists {
		key := strconv.Quote(l.name) + ": ["
		before, after, _ := strings.Cut(text, key+"]")
		line := before[strings.LastIndexByte(before, '\n')+1:]
		indent := line[:len(line)-len(strings.TrimLeft(line, " "))]
		if _, err := io.WriteString(w, before+key); err != nil {
			return err
		}
		separator, end := "\n", ""
		for item := range l.items {
			text, err := marshal(item, indent+"  ")
			if err != nil {
				return err
			}
			if _, err := io.WriteString(w, separator+indent+"  "+text); err != nil {
				return err
			}
			separator, end = ",\n", "\n"+indent
		}
		text = end + "]" + after
	}
	_, err = io.WriteString(w, text+"\n")
	return err
}

func marshal(v any, prefix string) (string, error) {
	var out strings.Builder
	encoder := json.NewEncoder(&out)
	encoder.SetIndent(prefix, "  ")
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(v)
	return strings.TrimSuffix(out.String(), "\n"), err
}

// OwnerTitle names a subject's owner as a person does, the subject itself where it has none.
func (s *Subject) OwnerTitle() string {
	if s.Owner == "" || s.Kind != "Pod" {
		return s.title()
	}
	kind, name, _ := strings.Cut(s.Owner, "/")
	owner := Subject{Kind: kind, Namespace: s.Namespace, Name: name}
	return owner.title()
}

// title names a subject.
func (s *Subject) title() string {
	name := s.Name
	if s.Namespace != "" {
		name = s.Namespace + "/" + name
	}
	return Printable(s.Kind + " " + name)
}

// Printable is a text of which nothing acts on a terminal: names in a manifest may hold anything. Control characters
// and others that cannot be seen are written as Go writes them; all else stays.
func Printable(text string) string {
	visible := utf8.ValidString(text) && strings.IndexFunc(text, func(r rune) bool { return !strconv.IsPrint(r) }) < 0
	if visible {
		return text
	}
	quoted := strconv.Quote(text)
	return unquote.Replace(quoted[1 : len(quoted)-1])
}

var unquote = strings.NewReplacer(`\\`, `\`, `\"`, `"`)
