package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/podvet/podvet/rules"
)

type testSuite struct {
	name                    string // of its file
	tests, failures, errors int
	problems                []Problem
}

type testCase struct {
	XMLName   xml.Name `xml:"testcase"`
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
// invalid input is an error. The suites' counts stand before their cases: the subjects are read twice.
func (r *Report) junit(w io.Writer) error {
	suites := r.suites()
	all := testSuite{name: "podvet"}
	for _, suite := range suites {
		all.tests, all.failures, all.errors = all.tests+suite.tests, all.failures+suite.failures, all.errors+suite.errors
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	encoder := xml.NewEncoder(w)
	encoder.Indent("", "  ")
	// An error of the encoder is for good: Close returns it.
	put := func(token xml.Token) { _ = encoder.EncodeToken(token) }
	open := -1 // the suite that is being written
	next := func() {
		if open >= 0 {
			put(xml.EndElement{Name: xml.Name{Local: "testsuite"}})
		}
		if open++; open < len(suites) {
			put(suites[open].start("testsuite"))
			for _, p := range suites[open].problems {
				_ = encoder.Encode(caseOfProblem(p))
			}
		}
	}
	put(all.start("testsuites"))
	for s := range r.Subjects {
		for open < 0 || suites[open].name != s.File {
			next()
		}
		_ = encoder.Encode(caseOf(s))
	}
	for open < len(suites) {
		next()
	}
	put(xml.EndElement{Name: xml.Name{Local: "testsuites"}})
	if err := encoder.Close(); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

// suites counts for each file, in the order of the input; files with nothing but problems come first.
func (r *Report) suites() []testSuite {
	problems := map[string][]Problem{}
	for p := range r.Problems {
		problems[p.File] = append(problems[p.File], p)
	}
	var suites []testSuite
	start := func(file string) {
		suite := testSuite{name: file, problems: problems[file]}
		delete(problems, file) // a file that was named twice has two suites
		suite.tests, suite.errors = len(suite.problems), len(suite.problems)
		suites = append(suites, suite)
	}
	for s := range r.Subjects {
		if len(suites) == 0 || suites[len(suites)-1].name != s.File {
			start(s.File)
		}
		last := &suites[len(suites)-1]
		last.tests++
		if slices.ContainsFunc(s.Findings, func(f Finding) bool { return f.Level == rules.Deny }) {
			last.failures++
		}
	}
	judged := len(suites)
	for p := range r.Problems {
		if problems[p.File] != nil {
			start(p.File)
		}
	}
	return slices.Concat(suites[judged:], suites[:judged])
}

func (s testSuite) start(element string) xml.StartElement {
	attr := func(name, value string) xml.Attr { return xml.Attr{Name: xml.Name{Local: name}, Value: value} }
	return xml.StartElement{Name: xml.Name{Local: element}, Attr: []xml.Attr{attr("name", s.name),
		attr("tests", strconv.Itoa(s.tests)), attr("failures", strconv.Itoa(s.failures)), attr("errors", strconv.Itoa(s.errors))}}
}

func caseOfProblem(p Problem) testCase {
	line := fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Text)
	return testCase{Name: fmt.Sprintf("line %d", p.Line), ClassName: p.File, Error: &failure{Message: "invalid input", Type: "podvet", Text: line}}
}

func caseOf(s *Subject) testCase {
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
		c.Failure = &failure{Message: plural(len(failed), "deny finding"), Type: "podvet", Text: strings.Join(failed, "\n")}
	}
	c.Output = strings.Join(said, "\n")
	return c
}
