package report

import (
	"io"
	"iter"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/podvet/podvet/rules"
)

// The parts of SARIF 2.1.0 that code scanning reads, below its log, runs and invocations.

// sarifNotification is invalid input, or a note.
type sarifNotification struct {
	Level     string          `json:"level"`
	Message   sarifText       `json:"message"`
	Locations []sarifLocation `json:"locations"`
}

type sarifTool struct {
	Driver sarifDriver `json:"driver"`
}

type sarifDriver struct {
	Name           string      `json:"name"`
	Version        string      `json:"version,omitempty"`
	InformationURI string      `json:"informationUri"`
	Rules          []sarifRule `json:"rules"`
}

type sarifRule struct {
	ID               string             `json:"id"`
	ShortDescription sarifText          `json:"shortDescription"`
	FullDescription  sarifText          `json:"fullDescription"`
	Help             sarifHelp          `json:"help"`
	HelpURI          string             `json:"helpUri"`
	Configuration    sarifConfiguration `json:"defaultConfiguration"`
}

type sarifText struct {
	Text string `json:"text"`
}

type sarifHelp struct {
	Text     string `json:"text"`
	Markdown string `json:"markdown"`
}

type sarifConfiguration struct {
	Level string `json:"level"`
}

type sarifResult struct {
	RuleID    string          `json:"ruleId"`
	RuleIndex int             `json:"ruleIndex"`
	Level     string          `json:"level"`
	Message   sarifText       `json:"message"`
	Locations []sarifLocation `json:"locations"`
}

type sarifLocation struct {
	Physical sarifPhysical  `json:"physicalLocation"`
	Logical  []sarifLogical `json:"logicalLocations,omitempty"`
}

type sarifPhysical struct {
	Artifact sarifArtifact `json:"artifactLocation"`
	Region   *sarifRegion  `json:"region,omitempty"`
}

type sarifArtifact struct {
	URI string `json:"uri"`
}

type sarifRegion struct {
	StartLine int `json:"startLine"`
}

type sarifLogical struct {
	FullyQualifiedName string `json:"fullyQualifiedName"`
}

const schema = "https://json.schemastore.org/sarif-2.1.0.json"

var sarifLevels = map[rules.Level]string{
	rules.Deny: "error", rules.Warn: "warning", rules.Audit: "note", rules.Off: "none",
}

func (r *Report) sarif(w io.Writer, o Options) error {
	driver := sarifDriver{Name: "podvet", Version: o.Version, InformationURI: homepage}
	index := map[string]int{}
	for i, rule := range o.Rules {
		index[rule.ID] = i
		page := o.Page(rule)
		driver.Rules = append(driver.Rules, sarifRule{
			ID: rule.ID, ShortDescription: sarifText{rule.Title}, FullDescription: sarifText{rule.Title},
			Help: sarifHelp{Text: page, Markdown: page}, HelpURI: pageOf(rule.ID),
			Configuration: sarifConfiguration{sarifLevels[rule.Levels[rules.Recommended]]},
		})
	}
	s := newStream(w)
	s.put(jsontext.BeginObject)
	s.field("$schema", schema)
	s.field("version", "2.1.0")
	s.put(jsontext.String("runs"), jsontext.BeginArray, jsontext.BeginObject)
	s.field("tool", sarifTool{driver})
	s.put(jsontext.String("invocations"), jsontext.BeginArray, jsontext.BeginObject)
	s.field("executionSuccessful", r.Summary.Invalid == 0)
	writeList(s, "toolExecutionNotifications", r.sarifNotifications(o.Folder))
	s.put(jsontext.EndObject, jsontext.EndArray)
	writeList(s, "results", r.sarifResults(o.Folder, index))
	s.put(jsontext.EndObject, jsontext.EndArray, jsontext.EndObject)
	return s.err
}

func (r *Report) sarifNotifications(folder string) iter.Seq[sarifNotification] {
	return func(yield func(sarifNotification) bool) {
		tell := func(level string, p Problem) bool {
			place := sarifLocation{Physical: physicalOf(folder, p.File, p.Line)}
			return yield(sarifNotification{level, sarifText{p.Message}, []sarifLocation{place}})
		}
		for p := range r.Invalid {
			if !tell("error", p) {
				return
			}
		}
		for _, n := range r.Notes {
			if !tell("note", n) {
				return
			}
		}
	}
}

func (r *Report) sarifResults(folder string, index map[string]int) iter.Seq[sarifResult] {
	return func(yield func(sarifResult) bool) {
		for s := range r.Subjects {
			for _, l := range s.told() {
				name := strings.ReplaceAll(s.title(), " ", "/") + "/" + l.path
				place := sarifLocation{physicalOf(folder, s.File, l.line), []sarifLogical{{name}}}
				if !yield(sarifResult{RuleID: l.rule, RuleIndex: index[l.rule], Level: sarifLevels[l.level],
					Message: sarifText{l.message}, Locations: []sarifLocation{place}}) {
					return
				}
			}
		}
	}
}

func physicalOf(folder, file string, line int) sarifPhysical {
	physical := sarifPhysical{Artifact: sarifArtifact{relativeURI(folder, file)}}
	if line > 0 {
		physical.Region = &sarifRegion{line}
	}
	return physical
}

// relativeURI is the file as code scanning finds it in the repository: relative where it can be, with slashes.
func relativeURI(folder, file string) string {
	if folder != "" && filepath.IsAbs(file) {
		if relative, err := filepath.Rel(folder, file); err == nil {
			file = relative
		}
	}
	return (&url.URL{Path: strings.TrimPrefix(filepath.ToSlash(file), "./")}).String()
}
