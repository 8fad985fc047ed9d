package preview

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/policy"
)

// Change is one difference between two policies, in words.
type Change struct {
	Where string // everyone, a scope, or exemptions
	What  string
}

// Text is the changes for a person.
func Text(changes []Change) string {
	if len(changes) == 0 {
		return "The policies mean the same.\n"
	}
	var text strings.Builder
	where := ""
	for _, c := range changes {
		if c.Where != where {
			text.WriteString(c.Where + "\n")
			where = c.Where
		}
		text.WriteString("  " + c.What + "\n")
	}
	return text.String()
}

// Policies says what changes from one policy to another. What is only written differently is no change. Nothing is said
// only of policies that rule alike everywhere: so what a scope writes counts also where it changes nothing by itself,
// as it may override another scope.
func Policies(old, next *policy.Policy) []Change {
	d := differ{catalogue: old.Catalogue(), old: old, next: next, where: everyone, saidOfEveryone: map[string]bool{}}
	d.scoped = slices.Concat(old.Written().Scopes, next.Written().Scopes)
	d.settings(ofEveryone(old), ofEveryone(next))
	for _, c := range d.changes {
		d.saidOfEveryone[c.What] = true
	}
	d.templates()
	d.scopes()
	d.exemptions()
	return d.changes
}

const everyone = "everyone"

// differ gathers what changes.
type differ struct {
	catalogue      *rules.Catalogue
	old, next      *policy.Policy
	scoped         []policy.Scope // of both
	where          string
	isNew          bool // a scope that was not there
	changes        []Change
	saidOfEveryone map[string]bool
}

func (d *differ) say(format string, args ...any) {
	d.changes = append(d.changes, Change{d.where, fmt.Sprintf(format, args...)})
}

func (d *differ) scopes() {
	before, after := d.old.Written().Scopes, d.next.Written().Scopes
	pairs := pairScopes(d.catalogue, before, after)
	for i := range before {
		if d.where = "scope " + title(&before[i]); !slices.Contains(pairs, i) {
			d.say("is gone: it meant %s", matchWords(&before[i].Match))
		}
	}
	for j := range after {
		d.where = "scope " + title(&after[j])
		d.scope(pairs[j], j)
	}
	stay := slices.DeleteFunc(slices.Clone(pairs), func(i int) bool { return i < 0 })
	if d.where = "scopes"; slices.IsSorted(stay) {
		return
	}
	var order []string
	for j := range after {
		if pairs[j] >= 0 {
			order = append(order, title(&after[j]))
		}
	}
	d.say("another order: %s; the last one that matches wins", strings.Join(order, ", "))
}

// scope says what becomes of a scope, by its indexes; it is new where the first is below 0.
func (d *differ) scope(i, j int) {
	now := &d.next.Written().Scopes[j]
	if d.isNew = i < 0; d.isNew {
		d.say("is new: it means %s", matchWords(&now.Match))
		// What it changes is what differs from everyone's.
		nothing := ofEveryone(d.next)
		nothing.written = policy.Settings{}
		d.settings(nothing, ofScope(d.next, j))
		return
	}
	was := &d.old.Written().Scopes[i]
	if was.Name != now.Name {
		d.say("was called %s", title(was))
	}
	if before, after := matchWords(&was.Match), matchWords(&now.Match); before != after {
		d.say("means %s instead of %s", after, before)
	}
	d.settings(ofScope(d.old, i), ofScope(d.next, j))
}

// templates says which pod templates in custom resources become known and which no longer are.
func (d *differ) templates() {
	d.where = "templates"
	before, after := d.old.Written().Templates, d.next.Written().Templates
	for _, e := range before {
		if !slices.Contains(after, e) {
			d.say("no longer: %s", e)
		}
	}
	for _, e := range after {
		if !slices.Contains(before, e) {
			d.say("new: %s", e)
		}
	}
}

func (d *differ) exemptions() {
	d.where = "exemptions"
	before, after := exemptionsOf(d.old), exemptionsOf(d.next)
	for _, e := range before {
		if !slices.Contains(after, e) {
			d.say("no longer: %s", e.words)
		}
	}
	for _, e := range after {
		if !slices.Contains(before, e) {
			d.say("new: %s", e.words)
		}
	}
	if !slices.Equal(shared(before, after), shared(after, before)) {
		d.say("another order: the first that holds gives the reason")
	}
}

// view is what is said of everyone or in a scope, and what then is in force where no other scope matches.
type view struct {
	written policy.Settings
	keys    policy.Settings
	rules   []rules.Setting // without the mode, which caps them: a namespace's label may name another
}

// ofEveryone takes the defaults for written: to write one down is no change.
func ofEveryone(p *policy.Policy) view {
	keys, settings := p.Where()
	written := keys
	written.Rules = p.Written().Rules
	return view{written, keys, settings}
}

func ofScope(p *policy.Policy, i int) view {
	keys, settings := p.Where(i)
	return view{p.Written().Scopes[i].Settings, keys, settings}
}

// change says what became of one thing: of what is written, "" where it is not, and of what is in force. What changes
// for everyone is not said again of each scope.
func (d *differ) change(what, was, now, wasInForce, nowInForce string) {
	const notSet = "not set here"
	line := what + wasInForce + " -> " + nowInForce
	switch scope := d.where != everyone; {
	case scope && !d.isNew && was != now:
		d.say("%s%s -> %s", what, cmp.Or(was, notSet), cmp.Or(now, notSet))
	case wasInForce != nowInForce:
		if !scope || was != now || !d.saidOfEveryone[line] {
			d.say("%s", line)
		}
	case was != now && scope:
		d.say("%s%s, as for everyone", what, now)
	case was != now:
		d.say("%s%s -> %s", what, cmp.Or(was, "not set"), cmp.Or(now, "not set"))
	}
}

func (d *differ) settings(was, now view) {
	wasWritten, nowWritten := keysOf(&was.written), keysOf(&now.written)
	wasInForce, nowInForce := keysOf(&was.keys), keysOf(&now.keys)
	for i, k := range nowWritten {
		d.change(k.name+": ", wasWritten[i].value, k.value, wasInForce[i].value, nowInForce[i].value)
	}
	for i, rule := range d.catalogue.Rules() {
		d.rule(rule, was.written.Rules[rule.ID], now.written.Rules[rule.ID], was.rules[i], now.rules[i])
	}
}

// rule says what became of a rule: of what is written of it, and of what is in force.
func (d *differ) rule(rule *rules.Rule, was, now policy.RuleSetting, wasInForce, nowInForce rules.Setting) {
	if d.where == everyone { // what is in force anyway matters only to scopes that change the rest
		if !slices.ContainsFunc(d.scoped, func(s policy.Scope) bool { return s.Profile != "" }) {
			was.Level, now.Level = "", ""
		}
		if wasInForce.Fix == nowInForce.Fix && len(d.scoped) == 0 {
			was.Fix, now.Fix = nil, nil
		}
	}
	d.change(rule.ID+": ", string(was.Level), string(now.Level), wasInForce.Level.String(), nowInForce.Level.String())
	d.change(rule.ID+": fix ", fixWords(was.Fix), fixWords(now.Fix),
		onOff(wasInForce.Fix != rules.NoFix), onOff(nowInForce.Fix != rules.NoFix))
	written, writes := writtenParams(was.Params), writtenParams(now.Params)
	applied, applies := paramsInForce(rule, wasInForce), paramsInForce(rule, nowInForce)
	for _, name := range slices.Sorted(maps.Keys(applies)) {
		if d.where == everyone { // those that are not written are the defaults
			written[name], writes[name] = applied[name], applies[name]
		}
		d.change(rule.ID+": "+name+": ", written[name], writes[name], applied[name], applies[name])
	}
}

func paramsInForce(rule *rules.Rule, s rules.Setting) map[string]string {
	if s.Params == nil {
		return allParams(rule.Defaults())
	}
	return allParams(s.Params)
}
