// Package report writes what podvet found in manifests, for people and for other programs.
package report

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/podvet/podvet/rules"
)

// Report is what was found. Its JSON form is a contract: fields may be added, never renamed.
type Report struct {
	APIVersion string     `json:"apiVersion"`
	Kind       string     `json:"kind"`
	Summary    Summary    `json:"summary"`
	Subjects   []*Subject `json:"subjects"`
	Problems   []Problem  `json:"problems,omitempty"`
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
	Fixable   bool        `json:"fixable"` // the rule's fix, on or off, would end this finding
}

// Fixed is one repair.
type Fixed struct {
	Rule      string `json:"rule"`
	Container string `json:"container"`
}

// New makes a report of subjects.
func New(subjects []*Subject, passedOver int) *Report {
	r := &Report{APIVersion: "podvet.dev/v1alpha1", Kind: "Report", Subjects: subjects,
		Summary: Summary{Subjects: len(subjects), PassedOver: passedOver}}
	if subjects == nil {
		r.Subjects = []*Subject{}
	}
	for _, s := range subjects {
		for _, f := range s.Findings {
			switch f.Level {
			case rules.Deny:
				r.Summary.Deny++
			case rules.Warn:
				r.Summary.Warn++
			case rules.Audit:
				r.Summary.Audit++
			case rules.Off:
			}
		}
	}
	return r
}

// Options are how to write a report.
type Options struct {
	Color   bool
	Width   int    // of the terminal in columns, 0 for no limit
	Version string // of podvet
}

// Formats are the names that Write takes.
var Formats = []string{"text", "json", "sarif", "junit", "github"}

// Write writes the report in a format.
func (r *Report) Write(w io.Writer, format string, o Options) error {
	switch format {
	case "text":
		return r.text(w, o)
	case "json":
		return writeJSON(w, r)
	case "sarif":
		return writeJSON(w, r.sarif(o))
	case "junit":
		return r.junit(w)
	case "github":
		return r.github(w)
	}
	return fmt.Errorf("no format %q", format)
}

func writeJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}

// title names a subject.
func (s *Subject) title() string {
	name := s.Name
	if s.Namespace != "" {
		name = s.Namespace + "/" + name
	}
	return s.Kind + " " + name
}
