package preview

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/podvet/podvet/cmd/podvet/internal/report"
	"github.com/podvet/podvet/rules"
)

// effects are what a policy does to a subject, or to its pods, in the order of their telling.
var effects = []struct {
	name string
	of   func(*report.Subject) []string
}{
	{"denied", func(s *report.Subject) []string {
		return findings(s, func(f report.Finding) bool { return f.RefusesPods })
	}},
	{"warned of", func(s *report.Subject) []string {
		return findings(s, func(f report.Finding) bool {
			return f.Level == rules.Warn || f.Level == rules.Deny && !f.RefusesPods
		})
	}},
	{"fixed", fixedWords},
}

func findings(s *report.Subject, which func(report.Finding) bool) []string {
	var list []string
	for _, f := range s.Findings {
		if which(f) {
			list = append(list, f.Rule+"/"+f.Container)
		}
	}
	return list
}

// template are the findings for which a workload is refused itself.
func template(s *report.Subject) []string {
	return findings(s, func(f report.Finding) bool { return f.RefusesTemplate })
}

func fixedWords(s *report.Subject) []string {
	list := make([]string, 0, len(s.Fixed))
	for _, f := range s.Fixed { // two probes of one container may be fixed by one rule
		if word := f.Rule + "/" + f.Container; !slices.Contains(list, word) {
			list = append(list, word)
		}
	}
	return list
}

// minus lists what is in a and not in b, as often as it is there more often.
func minus(a, b []string) []string {
	b = slices.Clone(b)
	var list []string
	for _, one := range a {
		if i := slices.Index(b, one); i >= 0 {
			b = slices.Delete(b, i, i+1)
		} else {
			list = append(list, one)
		}
	}
	return list
}

// Affected tells who is affected by the change from one report to another of the same objects; "" for nobody.
func Affected(before, after *report.Report) string {
	changed := map[string]*owners{}
	for was, now := range pairs(before, after) {
		one := cmp.Or(now, was)
		var none report.Subject
		was, now = cmp.Or(was, &none), cmp.Or(now, &none)
		refused := minus(template(was), minus(template(was), template(now))) // by both
		tell := func(how, about string, what []string) { changed[how] = changed[how].add(one, about, what) }
		for _, e := range effects {
			for how, words := range map[string][]string{"newly " + e.name: minus(e.of(now), e.of(was)),
				"no longer " + e.name: minus(e.of(was), e.of(now))} {
				all := minus(words, refused)
				tell(how, "", all)
				tell(how, " (its pods)", minus(words, all))
			}
		}
		tell("newly denied", " (its template)", minus(minus(template(now), template(was)), effects[0].of(now)))
		tell("no longer denied", " (its template)", minus(minus(template(was), template(now)), effects[0].of(was)))
	}
	var text strings.Builder
	for _, e := range effects {
		for _, how := range []string{"newly ", "no longer "} {
			changed[how+e.name].write(&text, how+e.name)
		}
	}
	return text.String()
}

// ofPod leaves out the slash of a finding about the whole pod.
func ofPod(words string) string { return strings.TrimSuffix(words, "/") }

// pairs are the subjects of two reports about the same input, in its order. One of a pair is nil where only the other
// policy knows the object, a custom resource, or a pod of one.
func pairs(before, after *report.Report) iter.Seq2[*report.Subject, *report.Subject] {
	type place struct {
		file                  string
		line                  int
		kind, namespace, name string
	}
	of := func(s *report.Subject) place { return place{s.File, s.Line, s.Kind, s.Namespace, s.Name} }
	return func(yield func(was, now *report.Subject) bool) {
		next, stop := iter.Pull(after.Subjects)
		defer stop()
		var known map[place]bool // in after; made where it is needed
		now, more := next()
		for was := range before.Subjects {
			for more && of(was) != of(now) {
				if known == nil {
					known = map[place]bool{}
					for s := range after.Subjects {
						known[of(s)] = true
					}
				}
				if !known[of(was)] {
					break
				}
				if !yield(nil, now) {
					return
				}
				now, more = next()
			}
			both := more && of(was) == of(now)
			if !both {
				if !yield(was, nil) {
					return
				}
				continue
			}
			if !yield(was, now) {
				return
			}
			now, more = next()
		}
		for ; more; now, more = next() {
			if !yield(nil, now) {
				return
			}
		}
	}
}

// owners are objects, or the owners of pods as a person names them, with what happens to them; nil for none.
type owners struct {
	names []string
	what  map[string][]string
}

// add adds what happens to a subject, or with words about it to a part.
func (o *owners) add(s *report.Subject, about string, what []string) *owners {
	if len(what) == 0 {
		return o
	}
	if o == nil {
		o = &owners{what: map[string][]string{}}
	}
	name := s.OwnerTitle() + about
	if o.what[name] == nil {
		o.names = append(o.names, name)
	}
	for _, one := range what {
		if !slices.Contains(o.what[name], one) {
			o.what[name] = append(o.what[name], one)
		}
	}
	return o
}

func (o *owners) write(out *strings.Builder, heading string) {
	if o == nil {
		return
	}
	fmt.Fprintf(out, "\n%s: %d\n", heading, len(o.names))
	for _, name := range o.names {
		what := slices.Clone(o.what[name])
		for i := range what {
			what[i] = ofPod(what[i])
		}
		fmt.Fprintf(out, "  %s: %s\n", name, strings.Join(what, ", "))
	}
}
