package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"github.com/podvet/podvet/rules"
)

type testSuites struct {
	XMLName  xml.Name    `xml:"testsuites"`
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Suites   []testSuite `xml:"testsuite"`
}

type testSuite struct {
	Name     string     `xml:"name,attr"`
	Tests    int        `xml:"tests,attr"`
	Failures int        `xml:"failures,attr"`
	Errors   int        `xml:"errors,attr"`
	Cases    []testCase `xml:"testcase"`
}

type testCase struct {
	Name      string   `xml:"name,attr"`
	ClassName string   `xml:"classname,attr"`
	Failure   *failure `xml:"failure,omitempty"`
	Error     *failure `xml:"error,omitempty"`
	Output    string   `xml:"system-out,omitempty"`
}

type failure struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr"`
	Text    string `xml:",chardata"`
}

// junit writes a suite for each file and a case for each object. Deny findings fail it, others are its output;
// invalid input is an error.
func (r *Report) junit(w io.Writer) error {
	all := testSuites{Name: "podvet", Tests: len(r.Subjects)}
	index := map[string]int{}
	suiteOf := func(file string) *testSuite {
		i, known := index[file]
		if !known {
			i = len(all.Suites)
			index[file] = i
			all.Suites = append(all.Suites, testSuite{Name: file})
		}
		all.Suites[i].Tests++
		return &all.Suites[i]
	}
	for _, p := range r.Problems {
		suite := suiteOf(p.File)
		suite.Errors++
		all.Tests++
		all.Errors++
		line := fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Text)
		suite.Cases = append(suite.Cases, testCase{Name: fmt.Sprintf("line %d", p.Line), ClassName: p.File, Error: &failure{Message: "invalid input", Type: "podvet", Text: line}})
	}
	for _, s := range r.Subjects {
		suite := suiteOf(s.File)
		c := testCase{Name: s.title(), ClassName: s.File}
		var failed, said []string
		for _, f := range s.Findings {
			line := fmt.Sprintf("%s:%d: %s: %s", s.File, f.Line, f.Level, f.Message)
			if f.Level == rules.Deny {
				failed = append(failed, line)
			} else {
				said = append(said, line)
			}
		}
		if len(failed) > 0 {
			suite.Failures++
			all.Failures++
			c.Failure = &failure{Message: plural(len(failed), "deny finding"), Type: "podvet", Text: strings.Join(failed, "\n")}
		}
		c.Output = strings.Join(said, "\n")
		suite.Cases = append(suite.Cases, c)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	encoder := xml.NewEncoder(w)
	encoder.Indent("", "  ")
	if err := encoder.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}
