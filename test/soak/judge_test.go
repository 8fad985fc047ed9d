package soak

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/podvet/podvet/test/podvet"
)

// told is a model of two policies, the second a minute after the first, and a creation that it knows.
func told(t *testing.T) (*model, *creation) {
	t.Helper()
	start := time.Now().Add(-time.Hour)
	s := &storm{written: []*written{
		{kind: goodPolicy, text: policyText(0, 0), start: start, end: start},
		{kind: goodPolicy, text: policyText(1, 1), start: start.Add(time.Minute), end: start.Add(time.Minute)},
	}}
	m := newModel(t, s)
	c := &creation{id: "c", shape: shapes(t)[0], start: start.Add(30 * time.Second), end: start.Add(31 * time.Second)}
	c.audit = noted{code: 201, mutatedBy: m.loaded[0].Hash, validatedBy: m.loaded[0].Hash,
		findings: m.verdict(c.shape, 0, 0).findings}
	return m, c
}

// TestModel: what podvet may not do is found, and what it may is not.
func TestModel(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*model, *creation)
		wrong  string
		excuse string
	}{
		"as it should be": {func(*model, *creation) {}, "", ""},
		"not judged":      {func(_ *model, c *creation) { c.audit = noted{code: 201} }, "it was not judged", ""},
		"unknown policy":  {func(_ *model, c *creation) { c.audit.validatedBy = "x" }, "which nobody wrote", ""},
		"too early": {func(m *model, c *creation) { c.audit.validatedBy = m.loaded[1].Hash },
			"policy 1, which was not in force", ""},
		"too late": {func(_ *model, c *creation) {
			c.start, c.end = c.start.Add(time.Minute), c.end.Add(time.Minute)
		}, "policy 0, which was not in force", ""},
		"late because of a cut": {func(m *model, c *creation) {
			c.start, c.end = c.start.Add(time.Minute), c.end.Add(time.Minute)
			m.windows = []window{{cut, 2, c.start.Add(-40 * time.Second), c.start.Add(-10 * time.Second)}}
		}, "", ""},
		"another verdict": {func(_ *model, c *creation) { c.audit.findings = "deny bare-pod/" }, "and Vet's is", ""},
		"not fixed":       {func(_ *model, c *creation) { c.audit.fixed = "a/b" }, "and Vet's is", ""},
		"failed":          {func(_ *model, c *creation) { c.err = errors.New("EOF") }, "it failed: EOF", ""},
		"failed in a restart": {func(m *model, c *creation) {
			c.err = errors.New("EOF")
			m.windows = []window{{apiServer, 2, c.start.Add(-time.Second), c.start}}
		}, "", apiServer},
		"unverified in a restart": {func(m *model, c *creation) {
			c.err = errors.New("x509: certificate signed by unknown authority")
			m.windows = []window{{apiServer, 2, c.start.Add(-time.Second), c.start}}
		}, "it failed: x509", ""},
		"refused where nothing was killed": {func(m *model, c *creation) {
			c.err = errors.New(`failed calling webhook "validate.podvet.dev": connection refused`)
			m.windows = []window{{terminated, 0, c.start.Add(-time.Second), c.start}}
		}, "it failed: failed calling", ""},
	} {
		t.Run(name, func(t *testing.T) {
			m, made := told(t)
			c.change(m, made)
			excuse, wrong := m.check(made, nil)
			if excuse != c.excuse || (wrong == "") != (c.wrong == "") || !strings.Contains(wrong, c.wrong) {
				t.Errorf("excuse %q, wrong %q", excuse, wrong)
			}
		})
	}
}

// TestForward: porcupine finds a replica that goes back to a policy, and one that knows a policy before it is written.
func TestForward(t *testing.T) {
	for name, c := range map[string]struct {
		by []int // of creations from 59 s on, a second each; the second policy is written at 60 s
		ok bool
	}{
		"forward": {[]int{0, 0, 0, 1, 1, 1}, true},
		"back":    {[]int{0, 0, 1, 1, 0, 1}, false},
		"early":   {[]int{1, 1, 1}, false},
		"never":   {[]int{0, 0, 0}, true},
	} {
		t.Run(name, func(t *testing.T) {
			m, first := told(t)
			var reads []*creation
			for i, by := range c.by {
				one := *first
				one.start = m.written[0].start.Add(58*time.Second + time.Duration(i)*time.Second)
				one.end = one.start.Add(500 * time.Millisecond)
				one.audit.validatedBy = m.loaded[by].Hash
				reads = append(reads, &one)
			}
			if err := m.forward(&replica{Server: &podvet.Server{}}, reads); (err == nil) != c.ok {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestJudgedBy: a creation is one replica's only where no other can have judged it, also where what came through
// belongs to a use that began before the creation.
func TestJudgedBy(t *testing.T) {
	start := time.Now()
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	mine, other := &replica{id: 1, used: map[string][]time.Time{}}, &replica{id: 2, used: map[string][]time.Time{}}
	s := &storm{site: &site{all: []*replica{mine, other}}}
	mine.use("validate", at(0))
	mine.use("validate", at(5))
	other.use("validate", at(6))
	for name, c := range map[string]struct {
		from, to int
		by       *replica
	}{
		"only mine":                   {-5, 2, mine},
		"both":                        {-5, 9, nil},
		"mine, in the use from 0 on":  {3, 5, mine},
		"both, mine in that use, too": {3, 8, nil},
		"only the other":              {12, 20, other},
		"nobody":                      {30, 40, nil},
	} {
		if by := s.judgedBy(&creation{start: at(c.from), end: at(c.to)}); by != c.by {
			t.Errorf("%s: by %+v", name, by)
		}
	}
}
