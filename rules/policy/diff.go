package policy

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podvet/podvet/rules"
)

// Change is one difference between two policies, in words.
type Change struct {
	Where string // everyone, a scope, or exemptions
	What  string
}

// Diff says what changes from one policy to another: keys, the levels, fixes and parameters of rules for everyone and
// in each scope, and exemptions. What only is written differently is no change. Nothing is said only of policies that
// rule alike everywhere: so what a scope writes counts also where it changes nothing by itself, as it may override
// another scope.
func Diff(old, next *Policy) []Change {
	d := differ{where: "everyone", scopes: slices.Concat(old.doc.Scopes, next.doc.Scopes), everyones: map[string]bool{}}
	d.settings(old.everyone(), next.everyone())
	for _, c := range d.changes {
		d.everyones[c.What] = true
	}

	pairs := pairScopes(old.doc.Scopes, next.doc.Scopes)
	for i, s := range old.doc.Scopes {
		if d.where = "scope " + s.title(); !slices.Contains(pairs, i) {
			d.say("is gone: it meant %s", s.Match.words())
		}
	}
	for j, now := range next.doc.Scopes {
		d.where, d.isNew = "scope "+now.title(), false
		if pairs[j] < 0 {
			d.isNew = true
			d.say("is new: it means %s", now.Match.words())
			// What it changes is what differs from everyone's.
			nothing := next.everyone()
			nothing.written = settings{}
			d.settings(nothing, next.scopeAlone(j))
			continue
		}
		was := old.doc.Scopes[pairs[j]]
		if was.Name != now.Name {
			d.say("was called %s", was.title())
		}
		if before, after := was.Match.words(), now.Match.words(); before != after {
			d.say("means %s instead of %s", after, before)
		}
		d.settings(old.scopeAlone(pairs[j]), next.scopeAlone(j))
	}
	stay := slices.DeleteFunc(slices.Clone(pairs), func(i int) bool { return i < 0 })
	if d.where = "scopes"; !slices.IsSorted(stay) {
		var order []string
		for j, s := range next.doc.Scopes {
			if pairs[j] >= 0 {
				order = append(order, s.title())
			}
		}
		d.say("another order: %s; the last one that matches wins", strings.Join(order, ", "))
	}

	d.where = "exemptions"
	before, after := old.exemptionWords(), next.exemptionWords()
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
	return d.changes
}

// shared is those of a list that another has too, each once.
func shared(list, other []exemptionKey) []exemptionKey {
	var both []exemptionKey
	for _, one := range list {
		if slices.Contains(other, one) && !slices.Contains(both, one) {
			both = append(both, one)
		}
	}
	return both
}

// pairScopes finds for each scope of next which one of old it was, -1 for none. Names tell; of those without one
// what they mean, and else what they say.
func pairScopes(old, next []scope) []int {
	before, after := scopeKeys(old), scopeKeys(next)
	pairs := slices.Repeat([]int{-1}, len(next))
	paired := make([]bool, len(old))
	pair := func(same func(was, now scopeKey) bool) {
		for j, now := range after {
			for i := 0; i < len(before) && pairs[j] < 0; i++ {
				if !paired[i] && same(before[i], now) {
					pairs[j], paired[i] = i, true
				}
			}
		}
	}
	pair(func(was, now scopeKey) bool { return was.name != "" && was.name == now.name })
	pair(func(was, now scopeKey) bool { return was == now })
	pair(func(was, now scopeKey) bool { return was.name == now.name && was.match == now.match })
	pair(func(was, now scopeKey) bool { return was.name == now.name && was.content == now.content })
	pair(func(was, now scopeKey) bool { return was.match == now.match && was.content == now.content }) // another name
	return pairs
}

// scopeKey is a scope in words.
type scopeKey struct{ name, match, content string }

func scopeKeys(scopes []scope) []scopeKey {
	keys := make([]scopeKey, len(scopes))
	for i, s := range scopes {
		content := []any{s.keys()}
		for _, rule := range rules.Catalogue() {
			if entry, ok := s.Rules[rule.ID]; ok {
				content = append(content, rule.ID, entry.Level, fixWritten(entry), paramsWritten(rule, entry))
			}
		}
		keys[i] = scopeKey{s.Name, s.Match.words(), fmt.Sprintf("%q", content)}
	}
	return keys
}

// title is the scope's name, or else whom it is for.
func (s scope) title() string {
	if s.Name != "" {
		return s.Name
	}
	return "for " + s.Match.words()
}

// key is a key of the settings in words, "" where it is not set.
type key struct{ name, value string }

func (s settings) keys() []key {
	injected := ""
	if s.InjectedContainers != nil {
		injected = cmp.Or(strings.Join(asSet(s.InjectedContainers), ", "), "none")
	}
	return []key{
		{"profile", string(s.Profile)}, {"mode", string(s.Mode)}, {"fixes", boolWords(s.Fixes)}, {"workloads", string(s.Workloads)},
		{"injectedContainers", injected}, {"allowPodExemptions", boolWords(s.AllowPodExemptions)},
	}
}

func boolWords(b *bool) string {
	if b == nil {
		return ""
	}
	return strconv.FormatBool(*b)
}

func fixWritten(s ruleSetting) string {
	if s.Fix == nil {
		return ""
	}
	return onOff(*s.Fix)
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

// paramsWritten is the parameters of a rule that are written, by name and in words.
func paramsWritten(rule *rules.Rule, s ruleSetting) map[string]string {
	written := map[string]string{}
	if s.Params == nil {
		return written
	}
	d := decoder{at: map[string]*yaml.Node{}}
	values := paramWords(d.parameters(s.Params, "", rule, rule.Defaults()))
	for name := range values {
		// A list or a mapping that is empty, its entries in comments perhaps, sets nothing.
		if n := child(s.Params, name); n != nil && n.Tag != "!!null" {
			written[name] = values[name]
		}
	}
	return written
}

// paramWords is all parameters of a rule, by name and in words.
func paramWords(params any) map[string]string {
	words := map[string]string{}
	if params == nil {
		return words
	}
	for i, v := 0, reflect.ValueOf(params); i < v.NumField(); i++ {
		words[v.Type().Field(i).Tag.Get("json")] = valueWords(v.Field(i))
	}
	return words
}

// valueWords writes a parameter in a few words, "none" for an empty list.
func valueWords(v reflect.Value) string {
	switch v.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Slice:
		if v.IsZero() || v.Kind() != reflect.Pointer && v.Len() == 0 {
			return "none"
		}
		if text, err := json.Marshal(v.Interface()); err == nil {
			return string(text)
		}
	}
	return fmt.Sprint(v.Interface())
}

// view is what is said of everyone or in a scope, and what then is in force where no other scope matches.
type view struct {
	written settings
	keys    []key
	rules   []rules.Setting // without the mode, which caps them: a namespace's label may name another
}

func (p *Policy) everyone() view { return p.view(p.doc.settings, p.doc.settings, nil) }

func (p *Policy) scopeAlone(i int) view {
	written := p.doc.Scopes[i].settings
	return p.view(written, p.doc.with(written), []int{i})
}

func (p *Policy) view(written, inForce settings, scopes []int) view {
	keys := inForce.keys()
	inForce.Mode = ModeEnforce
	return view{written, keys, p.settings(inForce, scopes)}
}

// differ gathers what changes.
type differ struct {
	where     string
	isNew     bool // a scope that was not there
	scopes    []scope
	changes   []Change
	everyones map[string]bool // what was said of everyone
}

func (d *differ) say(format string, args ...any) {
	d.changes = append(d.changes, Change{d.where, fmt.Sprintf(format, args...)})
}

// change says what became of one thing: of what is written, "" where it is not, and of what is in force. What changes
// for everyone is not said again of each scope.
func (d *differ) change(what, was, now, wasInForce, nowInForce string) {
	const notSet = "not set here"
	line := what + wasInForce + " -> " + nowInForce
	switch scope := d.where != "everyone"; {
	case scope && !d.isNew && was != now:
		d.say("%s%s -> %s", what, cmp.Or(was, notSet), cmp.Or(now, notSet))
	case wasInForce != nowInForce:
		if !scope || was != now || !d.everyones[line] {
			d.say("%s", line)
		}
	case was != now && scope:
		d.say("%s%s, as for everyone", what, now)
	case was != now:
		d.say("%s%s -> %s", what, cmp.Or(was, "not set"), cmp.Or(now, "not set"))
	}
}

func (d *differ) settings(was, now view) {
	wasKeys, nowKeys := was.written.keys(), now.written.keys()
	for i, k := range nowKeys {
		d.change(k.name+": ", wasKeys[i].value, k.value, was.keys[i].value, now.keys[i].value)
	}
	for i, rule := range rules.Catalogue() {
		a, b := was.written.Rules[rule.ID], now.written.Rules[rule.ID]
		x, y := was.rules[i], now.rules[i]
		if d.where == "everyone" { // what is in force anyhow matters only to scopes that change the rest
			if !slices.ContainsFunc(d.scopes, func(s scope) bool { return s.Profile != "" }) {
				a.Level, b.Level = "", ""
			}
			if x.Fix == y.Fix && len(d.scopes) == 0 {
				a.Fix, b.Fix = nil, nil
			}
		}
		d.change(rule.ID+": ", string(a.Level), string(b.Level), x.Level.String(), y.Level.String())
		d.change(rule.ID+": fix ", fixWritten(a), fixWritten(b), onOff(x.Fix != rules.NoFix), onOff(y.Fix != rules.NoFix))
		written, writes := paramsWritten(rule, a), paramsWritten(rule, b)
		inForce, comes := paramsInForce(rule, x), paramsInForce(rule, y)
		for _, name := range slices.Sorted(maps.Keys(comes)) {
			if d.where == "everyone" { // those that are not written are the defaults
				written[name], writes[name] = inForce[name], comes[name]
			}
			d.change(rule.ID+": "+name+": ", written[name], writes[name], inForce[name], comes[name])
		}
	}
}

func paramsInForce(rule *rules.Rule, s rules.Setting) map[string]string {
	if s.Params == nil {
		return paramWords(rule.Defaults())
	}
	return paramWords(s.Params)
}

// words says which pods are meant.
func (m match) words() string {
	var parts []string
	// A name that stands for all leaves nothing to be named.
	if names := asSet(m.Namespaces); len(names) > 0 && !slices.Contains(names, "*") {
		parts = append(parts, "namespaces "+strings.Join(names, ", "))
	}
	if !matchesAll(m.NamespaceSelector) {
		parts = append(parts, "namespaces with "+metav1.FormatLabelSelector(m.NamespaceSelector))
	}
	if !matchesAll(m.PodSelector) {
		parts = append(parts, "pods with "+metav1.FormatLabelSelector(m.PodSelector))
	}
	if len(m.Kinds) > 0 {
		parts = append(parts, "kinds "+strings.Join(asSet(m.Kinds), ", "))
	}
	if parts == nil {
		return "everything"
	}
	return strings.Join(parts, ", ")
}

// asSet is a list of which only matters what is in it.
func asSet[T ~string](list []T) []string {
	words := texts(list)
	slices.Sort(words)
	return slices.Compact(words)
}

// matchesAll tells whether a selector asks for nothing.
func matchesAll(s *metav1.LabelSelector) bool {
	return s == nil || len(s.MatchLabels) == 0 && len(s.MatchExpressions) == 0
}

func texts[T ~string](list []T) []string {
	words := make([]string, len(list))
	for i, word := range list {
		words[i] = string(word)
	}
	return words
}

// exemptionKey is an exemption in a sentence, and its reason, which may look like one with an owner there.
type exemptionKey struct {
	words  string
	reason reasonText
}

func (p *Policy) exemptionWords() []exemptionKey {
	all := make([]exemptionKey, 0, len(p.doc.Exemptions))
	for _, e := range p.doc.Exemptions {
		ids := asSet(e.Rules)
		if slices.Contains(ids, "*") {
			ids = []string{"*"}
		}
		text := strings.Join(ids, ", ") + " for " + e.Match.words()
		if len(e.Match.Containers) > 0 {
			text += ", containers " + strings.Join(asSet(e.Match.Containers), ", ")
		}
		if len(e.Match.Images) > 0 {
			text += ", images " + strings.Join(asSet(e.Match.Images), ", ")
		}
		if e.Expires != "" {
			text += ", until " + string(e.Expires)
		}
		text += " (" + string(e.Reason)
		if e.Owner != "" {
			text += "; " + e.Owner
		}
		all = append(all, exemptionKey{text + ")", e.Reason})
	}
	return all
}
