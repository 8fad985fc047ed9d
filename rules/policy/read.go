package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/policy/strict"
)

// Document is a policy that was read, without a mistake: what it says, and where each thing is written. It holds all of
// the YAML, so it is not kept for longer than it is needed. A Policy made from it is smaller.
type Document struct {
	Hash string // of the text, 12 hexadecimal digits

	catalogue *rules.Catalogue
	source    Source
	written   *Written
	places    strict.Places
}

// ReadDocument reads a policy that replicas of different versions share: a rule that this version does not know is not
// a mistake but among the unknown, and its entry is ignored. The error is of type Errors and names every mistake,
// unknown rules too, with its line in the file and what to write instead.
func ReadDocument(c *rules.Catalogue, s Source) (doc *Document, unknown Errors, err error) {
	r := reader{Reader: strict.NewReader(s.File), catalogue: c, file: s.File}
	written := &Written{}
	r.Document(s.Text, strict.Head{APIVersion: APIVersion, Kind: Kind}, written)
	if !r.TooLarge() {
		r.check(written)
	}
	errs, more := r.Errors()
	if len(errs) == 0 {
		return &Document{hashOf(s.Text), c, s, written, r.Places}, s.inFile(r.unknown), nil
	}
	errs = s.inFile(append(errs, r.unknown...))
	if more {
		errs = append(errs, Error{File: s.File, Text: "there are more mistakes: fix these first"})
	}
	return nil, nil, errs
}

// Document reads a policy that is nobody else's: a rule that this version does not know is a mistake too.
func (s Source) Document(c *rules.Catalogue) (*Document, error) {
	doc, unknown, err := ReadDocument(c, s)
	if err == nil && len(unknown) > 0 {
		return nil, unknown
	}
	return doc, err
}

func hashOf(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:6])
}

// reader checks what the types cannot declare.
type reader struct {
	*strict.Reader
	catalogue *rules.Catalogue
	file      string
	unknown   Errors // places of rules that this version does not know
}

func (r *reader) check(w *Written) {
	r.rules(w.Rules, "rules")
	for i, entry := range w.Templates {
		if first := slices.IndexFunc(w.Templates, entry.Same); first < i {
			r.Fail(strict.Entry("templates", i), "is templates[%d] again: remove one", first)
		}
	}
	names := map[strict.Line]int{}
	for i, s := range w.Scopes {
		path := strict.Entry("scopes", i)
		r.rules(s.Rules, strict.Join(path, "rules"))
		if first, twice := names[s.Name]; twice && s.Name != "" {
			r.Fail(strict.Join(path, "name"), "%s is the name of scopes[%d] too: give each scope a name of its own",
				s.Name, first)
		}
		names[s.Name] = i
	}
	for i, e := range w.Exemptions {
		path := strict.Entry("exemptions", i)
		for j, id := range e.Rules {
			at := strict.Entry(path+".rules", j)
			if id != "*" && r.catalogue.Lookup(string(id)) == nil && !r.FailedAt(at) {
				r.unknownRule(at, string(id))
			}
		}
	}
}

// rules checks the entries of a key rules against the catalogue and reads their parameters.
func (r *reader) rules(entries map[string]RuleSetting, path string) {
	for id, setting := range entries {
		at := strict.Join(path, id)
		rule := r.catalogue.Lookup(id)
		if rule == nil {
			r.unknownRule(at, id)
		} else {
			if params := strict.Join(at, "params"); setting.Node != nil && rule.Defaults() == nil {
				r.Fail(params, "rule %s has no parameters: remove this", rule.ID)
			} else if setting.Node != nil {
				setting.Params = r.Params(setting.Node, params, rule.Defaults())
			}
			if setting.Fix != nil && *setting.Fix {
				r.fix(rule, at)
			}
		}
		setting.Node = nil
		entries[id] = setting
	}
}

// fix checks that a fix that is turned on can be applied. A handler may be declared for everyone.
func (r *reader) fix(rule *rules.Rule, path string) {
	fix := strict.Join(path, keyFix)
	switch {
	case !rule.HasFix():
		r.Fail(fix, "rule %s has no fix: remove this", rule.ID)
	case rule.NeedsTemplate && !r.TooLarge() && r.Places[strict.Join(path, keyTemplate)] == nil &&
		r.Places["rules."+rule.ID+"."+keyTemplate] == nil:
		r.Fail(fix, "podvet does not guess a handler: declare one in params.template, a portName and a probe")
	}
}

func (r *reader) unknownRule(path, id string) {
	if len(r.unknown) == strict.MaxErrors {
		return
	}
	text := fmt.Sprintf("there is no such rule%s: podvet rules lists them", strict.DidYouMean(id, r.catalogue.IDs()))
	r.unknown = append(r.unknown, Error{File: r.file, Line: r.Nearest(path).Line, Path: path, Text: text})
}
