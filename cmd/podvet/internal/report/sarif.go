package report

import (
	"io"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/podvet/podvet/rules"
)

// The parts of SARIF 2.1.0 that code scanning reads.
type sarifLog struct {
	Schema  string     `json:"$schema"`
	Version string     `json:"version"`
	Runs    []sarifRun `json:"runs"`
}

type sarifRun struct {
	Tool        sarifTool         `json:"tool"`
	Invocations []sarifInvocation `json:"invocations"`
	Results     []sarifResult     `json:"results"`
}

type sarifInvocation struct {
	Successful    bool                `json:"executionSuccessful"`
	Notifications []sarifNotification `json:"toolExecutionNotifications"`
}

// sarifNotification is invalid input.
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

const (
	homepage = "https://github.com/podvet/podvet"
	schema   = "https://json.schemastore.org/sarif-2.1.0.json"
)

var sarifLevels = map[rules.Level]string{rules.Deny: "error", rules.Warn: "warning", rules.Audit: "note", rules.Off: "none"}

func (r *Report) sarif(w io.Writer, o Options) error {
	driver := sarifDriver{Name: "podvet", Version: o.Version, InformationURI: homepage}
	index := map[string]int{}
	for i, rule := range rules.Catalogue() {
		index[rule.ID] = i
		page := rule.Page()
		driver.Rules = append(driver.Rules, sarifRule{
			ID: rule.ID, ShortDescription: sarifText{rule.Title}, FullDescription: sarifText{rule.Title},
			Help: sarifHelp{Text: page, Markdown: page}, HelpURI: homepage + "/blob/main/docs/rules/" + rule.ID + ".md",
			Configuration: sarifConfiguration{sarifLevels[rule.Levels[rules.Recommended]]},
		})
	}
	invocation := sarifInvocation{Successful: !r.invalid(), Notifications: []sarifNotification{}}
	log := sarifLog{Schema: schema, Version: "2.1.0", Runs: []sarifRun{{Tool: sarifTool{driver}, Invocations: []sarifInvocation{invocation}, Results: []sarifResult{}}}}
	return writeJSON(w, log, list{"toolExecutionNotifications", func(yield func(any) bool) {
		for p := range r.Problems {
			if !yield(sarifNotification{"error", sarifText{p.Text}, []sarifLocation{{Physical: physicalOf(p.File, p.Line)}}}) {
				return
			}
		}
	}}, list{"results", func(yield func(any) bool) {
		for s := range r.Subjects {
			for _, f := range s.Findings {
				if !yield(resultOf(s, f, index[f.Rule])) {
					return
				}
			}
		}
	}})
}

func resultOf(s *Subject, f Finding, index int) sarifResult {
	location := sarifLocation{Physical: physicalOf(s.File, f.Line),
		Logical: []sarifLogical{{strings.ReplaceAll(s.title(), " ", "/") + "/" + f.Path}}}
	return sarifResult{RuleID: f.Rule, RuleIndex: index, Level: sarifLevels[f.Level], Message: sarifText{f.Message}, Locations: []sarifLocation{location}}
}

func physicalOf(file string, line int) sarifPhysical {
	physical := sarifPhysical{Artifact: sarifArtifact{relativeURI(file)}}
	if line > 0 {
		physical.Region = &sarifRegion{line}
	}
	return physical
}

// relativeURI is the file as code scanning finds it in the repository: relative where it can be, with slashes.
func relativeURI(file string) string {
	if filepath.IsAbs(file) {
		if here, err := filepath.Abs("."); err == nil {
			if relative, err := filepath.Rel(here, file); err == nil {
				file = relative
			}
		}
	}
	return (&url.URL{Path: strings.TrimPrefix(filepath.ToSlash(file), "./")}).String()
}
