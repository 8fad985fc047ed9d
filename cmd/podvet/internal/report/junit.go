package report

import (
	"cmp"
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

type testSuite struct {
	name                    string // of its file
	tests, failures, errors int
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

// junit writes a suite for each file and a case for each object. Findings that fail the run fail it, others are its
// output; an invalid object is an error. The suites' counts stand before their cases: the entries are read twice.
func (r *Report) junit(w io.Writer, o Options) error {
	suites := r.suites(o.FailOn)
	all := testSuite{name: "podvet"}
	for _, suite := range suites {
		all.tests += suite.tests
		all.failures += suite.failures
		all.errors += suite.errors
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	encoder := xml.NewEncoder(w)
	encoder.Indent("", "  ")
	// An error of the encoder is for good: Close returns it.
	put := func(token xml.Token) { _ = encoder.EncodeToken(token) }
	put(all.start("testsuites"))
	open := -1 // the suite that is being written
	for e := range r.Entries {
		if open < 0 || suites[open].name != e.file() {
			if open >= 0 {
				put(suites[open].end())
			}
			open++
			put(suites[open].start("testsuite"))
		}
		_ = encoder.Encode(e.testCase(o.FailOn))
	}
	if open >= 0 {
		put(suites[open].end())
	}
	put(xml.EndElement{Name: xml.Name{Local: "testsuites"}})
	if err := encoder.Close(); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

// suites counts for each file, in the order of the input. A file that was named twice has two.
func (r *Report) suites(on FailOn) []testSuite {
	var suites []testSuite
	for e := range r.Entries {
		if len(suites) == 0 || suites[len(suites)-1].name != e.file() {
			suites = append(suites, testSuite{name: e.file()})
		}
		last := &suites[len(suites)-1]
		last.tests++
		switch {
		case len(e.Invalid) > 0:
			last.errors++
		case slices.ContainsFunc(e.Subject.told(), func(t told) bool { return t.fails(on) }):
			last.failures++
		}
	}
	return suites
}

func (s testSuite) start(element string) xml.StartElement {
	attr := func(name, value string) xml.Attr { return xml.Attr{Name: xml.Name{Local: name}, Value: value} }
	number := func(name string, n int) xml.Attr { return attr(name, strconv.Itoa(n)) }
	return xml.StartElement{Name: xml.Name{Local: element}, Attr: []xml.Attr{attr("name", s.name),
		number("tests", s.tests), number("failures", s.failures), number("errors", s.errors)}}
}

func (s testSuite) end() xml.EndElement { return xml.EndElement{Name: xml.Name{Local: "testsuite"}} }

// testCase is one object: an error where it is invalid, else a failure where it fails the run.
func (e Entry) testCase(on FailOn) testCase {
	c := testCase{Name: e.Object, ClassName: e.file()}
	var failed, said []string
	invalid := make([]string, 0, len(e.Invalid))
	for _, p := range e.Invalid {
		invalid = append(invalid, p.Error())
	}
	if s := e.Subject; s != nil {
		c.Name = s.titleInSource()
		for _, l := range s.told() {
			line := fmt.Sprintf("%s: %s: %s", place(s.File, l.line), l.word(), l.message)
			if l.fails(on) && len(e.Invalid) == 0 {
				failed = append(failed, line)
			} else {
				said = append(said, line)
			}
		}
	}
	switch {
	case len(e.Invalid) > 0:
		if c.Name == "" && e.Invalid[0].Line > 0 {
			c.Name = fmt.Sprintf("line %d", e.Invalid[0].Line)
		}
		c.Name = cmp.Or(c.Name, e.file())
		c.Error = &failure{Message: "invalid input", Type: "podvet", Text: strings.Join(invalid, "\n")}
	case failed != nil:
		c.Failure = &failure{Message: plural(len(failed), "finding"), Type: "podvet", Text: strings.Join(failed, "\n")}
	}
	c.Output = strings.Join(said, "\n")
	return c
}
