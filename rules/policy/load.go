package policy

import (
	"time"

	"github.com/podvet/podvet/rules"
)

// Default is the built-in policy.
func Default(c *rules.Catalogue) *Policy {
	p, err := BuiltIn().Load(c, time.Time{})
	if err != nil {
		panic(err) // embedded; a test loads it
	}
	return p
}

// Load reads and compiles a policy as it stands at a time: exemptions expire. The error is of type Errors and
// names every mistake with its line in the file and what to write instead.
func Load(c *rules.Catalogue, file string, text []byte, now time.Time) (*Policy, error) {
	return Source{File: file, Text: text}.Load(c, now)
}

// Load loads the policy; its mistakes have the lines of the file.
func (s Source) Load(c *rules.Catalogue, now time.Time) (*Policy, error) {
	doc, err := s.Document(c)
	if err != nil {
		return nil, err
	}
	return doc.Compile(now), nil
}

// LoadShared is Load for a policy that replicas of different versions share: a rule that this version does not
// know is a warning and not a mistake, and its entry is ignored.
func LoadShared(c *rules.Catalogue, file string, text []byte, now time.Time) (p *Policy, unknown Errors, err error) {
	doc, unknown, err := ReadDocument(c, Source{File: file, Text: text})
	if err != nil {
		return nil, nil, err
	}
	return doc.Compile(now), unknown, nil
}
