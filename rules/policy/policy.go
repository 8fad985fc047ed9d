// Package policy reads the policy document, strictly, and compiles it into what the engine runs.
package policy

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podvet/podvet/rules"
)

// APIVersion and Kind are what a policy document must say of itself.
const (
	APIVersion = "podvet.dev/v1alpha1"
	Kind       = "Policy"
)

// DefaultText is the policy that is in force where there is none, with its comments.
//
//go:embed default.yaml
var DefaultText []byte

// Mode caps every level.
type Mode string

// The modes.
const (
	ModeEnforce Mode = "enforce"
	ModeWarn    Mode = "warn"  // deny becomes warn
	ModeAudit   Mode = "audit" // all become audit, and nothing is patched
	ModeOff     Mode = "off"   // nothing at all
)

func (Mode) words() []string { return []string{"enforce", "warn", "audit", "off"} }

// Workloads says what findings on workload templates do at admission.
type Workloads string

// What findings on templates may do.
const (
	WorkloadsOff  Workloads = "off"  // nothing
	WorkloadsWarn Workloads = "warn" // warn at most: the pods are refused, not the workload
	WorkloadsDeny Workloads = "deny" // what they do on pods
)

func (Workloads) words() []string { return []string{"off", "warn", "deny"} }

type profileName string

func (profileName) words() []string {
	return []string{rules.Minimal.String(), rules.Recommended.String(), rules.Strict.String()}
}

// level is the loudest that a finding may be.
func (m Mode) level() rules.Level {
	switch m {
	case ModeWarn:
		return rules.Warn
	case ModeAudit:
		return rules.Audit
	case ModeOff:
		return rules.Off
	case ModeEnforce:
	}
	return rules.Deny
}

// ModeLabel on a namespace is its mode, over what the policy says.
const ModeLabel = "podvet.dev/mode"

type levelName string

func (levelName) words() []string {
	return []string{rules.Deny.String(), rules.Warn.String(), rules.Audit.String(), rules.Off.String()}
}

// document is a policy as it is written.
type document struct {
	APIVersion string      `json:"apiVersion" doc:"always podvet.dev/v1alpha1"`
	Kind       string      `json:"kind" doc:"always Policy"`
	settings               // of everyone
	Scopes     []scope     `json:"scopes" doc:"other settings for some namespaces, pods or kinds; in order, the last one that matches wins key by key"`
	Exemptions []exemption `json:"exemptions" doc:"where a rule does not bite: its findings are recorded at audit, and its fix is not applied"`
}

// settings are the keys of the document and of a scope. What a scope leaves out stays as it was.
type settings struct {
	Profile            profileName            `json:"profile" doc:"the level of every rule at once"`
	Mode               Mode                   `json:"mode" doc:"caps every level; warn: deny becomes warn; audit: all become audit and nothing is patched; off: nothing at all"`
	Fixes              *bool                  `json:"fixes" doc:"false: no fix anywhere"`
	Workloads          Workloads              `json:"workloads" doc:"what findings on workload templates do at admission"`
	InjectedContainers []string               `json:"injectedContainers" doc:"containers that meshes and agents add, by name: findings about these are capped at audit"`
	AllowPodExemptions *bool                  `json:"allowPodExemptions" doc:"honour the pod annotation podvet.dev/exempt: \"rule-a,rule-b: reason\""`
	Rules              map[string]ruleSetting `json:"rules" doc:"single rules by id"`
}

type ruleSetting struct {
	Level  levelName  `json:"level" doc:"what a finding does"`
	Fix    *bool      `json:"fix" doc:"whether the rule's fix is applied"`
	Params *yaml.Node `json:"params" doc:"the rule's parameters; those left out stay as they are"`
}

type scope struct {
	Name     string `json:"name" doc:"what reports call it"`
	Match    match  `json:"match" doc:"all selectors given must match; none matches everything"`
	settings        // those that differ here
}

type exemption struct {
	Rules   []ruleName     `json:"rules" required:"yes" doc:"ids of the rules, or \"*\" for all"`
	Match   exemptionMatch `json:"match" doc:"all selectors given must match; none matches everything"`
	Reason  reasonText     `json:"reason" required:"yes" doc:"why, for those who read it later"`
	Owner   string         `json:"owner" doc:"who answers for it"`
	Expires Day            `json:"expires" doc:"the day, in UTC, from which its findings are warnings until someone removes it"`
}

// match says which pods and templates are meant.
type match struct {
	Namespaces        []pattern             `json:"namespaces" doc:"names of namespaces, with * for any run of characters"`
	NamespaceSelector *metav1.LabelSelector `json:"namespaceSelector" doc:"labels of the namespace"`
	PodSelector       *metav1.LabelSelector `json:"podSelector" doc:"labels of the pod or the template"`
	Kinds             []kindName            `json:"kinds" doc:"kinds of owners as a person names them: Deployment also means the pods of its ReplicaSets, CronJob those of its Jobs, Pod only pods without a controller"`
}

type exemptionMatch struct {
	match
	Containers []pattern `json:"containers" doc:"names of containers; a finding about the pod as a whole is not meant then"`
	Images     []pattern `json:"images" doc:"images as the pod names them; a finding about the pod as a whole is not meant then"`
}

// Policy is a policy in force: immutable to its callers, and safe for concurrent use.
type Policy struct {
	Hash    string    // of the text, 12 hexadecimal digits: which policy an answer came from
	Until   time.Time // when an exemption expires next: load it again then; zero for never
	Expired int       // exemptions that have expired

	doc        document
	scopes     []compiledMatch
	exemptions []*compiledExemption
	// The label keys that selectors mention, sorted.
	namespaceKeys, podKeys []string

	now   time.Time // that it was compiled for
	cache cache
}

// Default is the built-in policy.
func Default() *Policy {
	p, err := Load("built-in policy", DefaultText, time.Time{})
	if err != nil {
		panic(err) // embedded; a test loads it
	}
	return p
}

// Load reads and compiles a policy as it stands at a time: exemptions expire. The error is of type Errors and
// names every mistake with its line in the file and what to write instead.
func Load(file string, text []byte, now time.Time) (*Policy, error) {
	p, unknown, errs := load(file, text, now)
	if errs = append(errs, unknown...); len(errs) > 0 {
		sortErrors(errs)
		return nil, errs
	}
	return p, nil
}

// LoadShared is Load for a policy that replicas of different versions share: a rule that this version does not
// know is no mistake but a warning, and its entry is ignored.
func LoadShared(file string, text []byte, now time.Time) (p *Policy, unknown Errors, err error) {
	p, unknown, errs := load(file, text, now)
	if len(errs) > 0 {
		errs = append(errs, unknown...)
		sortErrors(errs)
		return nil, nil, errs
	}
	if len(unknown) > 0 {
		sortErrors(unknown)
	}
	return p, unknown, nil
}

func load(file string, text []byte, now time.Time) (p *Policy, unknown, errs Errors) {
	d := &decoder{file: file, kind: Kind, at: map[string]*yaml.Node{}}
	doc := d.read(text)
	if d.more {
		d.errs = append(d.errs, Error{File: file, Line: math.MaxInt, Text: "there are more mistakes: mend these first"})
	}
	if len(d.errs) > 0 {
		return nil, d.unknown, d.errs
	}
	p = &Policy{Hash: hashOf(text), doc: *doc}
	p.compile(now)
	return p, d.unknown, nil
}

func hashOf(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:6])
}

// sortErrors puts mistakes in the order of their lines.
func sortErrors(errs Errors) {
	slices.SortStableFunc(errs, func(a, b Error) int { return cmp.Or(a.Line-b.Line, strings.Compare(a.Path, b.Path)) })
	if last := &errs[len(errs)-1]; last.Line == math.MaxInt {
		last.Line = 0
	}
}

// read decodes and checks the document.
func (d *decoder) read(text []byte) *document {
	yes := true
	no := false
	doc := &document{settings: settings{Profile: "recommended", Mode: ModeEnforce, Fixes: &yes, Workloads: WorkloadsWarn,
		InjectedContainers: rules.DefaultInjected, AllowPodExemptions: &no}}
	root := d.document(text)
	if root == nil {
		return doc
	}
	d.decode(root, "", reflect.ValueOf(doc).Elem())
	if d.tooLarge {
		return doc // much was not read: nothing more can be said
	}
	d.header(doc.APIVersion, doc.Kind)
	d.rules(doc.Rules, "rules", doc.Rules)
	d.injected(doc.InjectedContainers, "injectedContainers")
	names := map[string]int{}
	for i, s := range doc.Scopes {
		path := fmt.Sprintf("scopes[%d]", i)
		d.rules(s.Rules, join(path, "rules"), doc.Rules)
		d.match(s.Match, join(path, "match"))
		d.injected(s.InjectedContainers, join(path, "injectedContainers"))
		d.noControls(s.Name, join(path, "name"))
		if first, twice := names[s.Name]; twice && s.Name != "" {
			d.fail(d.nearest(join(path, "name")), join(path, "name"), "%s is the name of scopes[%d] too: give each scope a name of its own", s.Name, first)
		}
		names[s.Name] = i
	}
	for i, e := range doc.Exemptions {
		path := fmt.Sprintf("exemptions[%d]", i)
		d.match(e.Match.match, join(path, "match"))
		d.noControls(e.Owner, join(path, "owner"))
		d.required(path, "reason", e.Reason == "", "say why, for those who read it later")
		d.required(path, "rules", len(e.Rules) == 0, `name the rules, or write ["*"] for all`)
		for j, id := range e.Rules {
			if at := fmt.Sprintf("%s.rules[%d]", path, j); id != "*" && rules.Lookup(string(id)) == nil && !d.failedAt(at) {
				d.unknownRule(at, string(id))
			}
		}
	}
	return doc
}

// required names a key that has to be there.
func (d *decoder) required(path, key string, missing bool, remedy string) {
	if at := join(path, key); missing && !slices.ContainsFunc(d.errs, func(e Error) bool { return strings.HasPrefix(e.Path, at) || e.Path == path }) {
		d.fail(d.nearest(at), at, "is missing: %s", remedy)
	}
}

// match checks what the types cannot.
func (d *decoder) match(m match, path string) {
	for _, key := range []string{"", "namespaces", "namespaceSelector", "namespaceSelector.matchLabels", "namespaceSelector.matchExpressions",
		"podSelector", "podSelector.matchLabels", "podSelector.matchExpressions", "kinds", "containers", "images"} {
		n := d.at[join(path, key)]
		if n != nil && n.Kind == yaml.AliasNode {
			n = n.Alias
		}
		// Perhaps all of it stands in comments. {} for a whole match or selector is a way to say everything.
		if n != nil && (n.Tag == "!!null" || len(n.Content) == 0 && (n.Kind == yaml.SequenceNode || n.Kind == yaml.MappingNode && strings.HasSuffix(key, ".matchLabels"))) {
			d.fail(n, join(path, key), "is empty, which asks for nothing: remove the key, or write what is meant")
		}
	}
	d.selector(m.NamespaceSelector, join(path, "namespaceSelector"))
	d.selector(m.PodSelector, join(path, "podSelector"))
}

var selectorOperators = []string{string(metav1.LabelSelectorOpIn), string(metav1.LabelSelectorOpNotIn), string(metav1.LabelSelectorOpExists), string(metav1.LabelSelectorOpDoesNotExist)}

// selector names each mistake of a label selector; one by one, as the library tells of the first only.
func (d *decoder) selector(s *metav1.LabelSelector, path string) {
	if s == nil {
		return
	}
	for _, key := range slices.Sorted(maps.Keys(s.MatchLabels)) {
		at := join(path, "matchLabels."+key)
		if _, err := metav1.LabelSelectorAsSelector(&metav1.LabelSelector{MatchLabels: map[string]string{key: s.MatchLabels[key]}}); err != nil && !d.failedAt(at) {
			d.fail(d.nearest(at), at, "is no label selector: %s", oneLine(err.Error()))
		}
	}
	for i, e := range s.MatchExpressions {
		at := fmt.Sprintf("%s.matchExpressions[%d]", path, i)
		if operator := join(at, "operator"); !slices.Contains(selectorOperators, string(e.Operator)) && !d.failedBelow(operator) {
			d.fail(d.nearest(operator), operator, "is %q: write %s%s", string(e.Operator), orList(selectorOperators), DidYouMean(string(e.Operator), selectorOperators))
			continue
		}
		if _, err := metav1.LabelSelectorAsSelector(&metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{e}}); err != nil && !d.failedBelow(at) {
			d.fail(d.nearest(at), at, "is no label selector: %s", oneLine(err.Error()))
		}
	}
}

// failedBelow tells whether a mistake at a path or below it is named already.
func (d *decoder) failedBelow(path string) bool {
	return slices.ContainsFunc(d.errs, func(e Error) bool { return strings.HasPrefix(e.Path, path) })
}

// noControls refuses what would be more than one line of a report or a log.
func (d *decoder) noControls(text, path string) {
	if problem := controls(text); problem != "" {
		d.fail(d.nearest(path), path, "%s", problem)
	}
}

// injected refuses patterns, which the engine does not know there.
func (d *decoder) injected(names []string, path string) {
	for i, name := range names {
		if at := fmt.Sprintf("%s[%d]", path, i); strings.Contains(name, "*") {
			d.fail(d.nearest(at), at, "is %q: write the whole name of a container, there is no * here", name)
		}
	}
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// WithProfile is the policy with another profile in place of its own.
func (p *Policy) WithProfile(profile rules.Profile) *Policy {
	return p.with(func(doc *document) { doc.Profile = profileName(profile.String()) })
}

// WithMode is the policy with another mode in place of its own.
func (p *Policy) WithMode(mode Mode) *Policy { return p.with(func(doc *document) { doc.Mode = mode }) }

func (p *Policy) with(change func(*document)) *Policy {
	other := &Policy{doc: p.doc}
	change(&other.doc)
	other.Hash = hashOf([]byte(p.Hash + string(other.doc.Profile) + string(other.doc.Mode))) // not the text's: it is another policy
	other.compile(p.now)
	return other
}

// Source is the text of a policy and where it stands.
type Source struct {
	File string
	Text []byte
	skip int // lines of the file before the text
	line int // that all of the text stands on, 0 for lines of its own
}

// BuiltIn is the source of the built-in policy.
func BuiltIn() Source { return Source{File: "built-in policy", Text: DefaultText} }

// Key is the policy's in a ConfigMap.
const Key = "policy.yaml"

// Read finds the policy in a file: all of it, or the key policy.yaml of a ConfigMap, which may be one of several
// documents or of the items of a List.
func Read(file string, text []byte) (Source, error) {
	var found []*yaml.Node
	var without *yaml.Node // a ConfigMap or a List, where there is no such key
	for reader := yaml.NewDecoder(bytes.NewReader(text)); ; {
		var doc yaml.Node
		if err := reader.Decode(&doc); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return Source{File: file, Text: text}, nil //nolint:nilerr // Load says what is wrong
		}
		policies, is := policiesIn(doc.Content[0])
		found = append(found, policies...)
		if is {
			without = doc.Content[0]
		}
	}
	switch {
	case len(found) > 1:
		return Source{}, Errors{{File: file, Line: found[1].Line, Text: fmt.Sprintf("a second %s, after that of line %d: name a file with one policy", Key, found[0].Line)}}
	case len(found) == 1:
		value := found[0]
		if value.Kind != yaml.ScalarNode || value.Tag != "!!str" {
			return Source{}, Errors{{File: file, Line: value.Line, Path: "data." + Key, Text: fmt.Sprintf("is %s, and must be text: write %s: | and the policy below it, indented", describe(value), Key)}}
		}
		source := Source{File: file, Text: []byte(value.Value)}
		if value.Style&yaml.LiteralStyle != 0 { // the text starts on the line after the key
			source.skip = value.Line
		} else { // in quotes, as in JSON
			source.line = value.Line
		}
		return source, nil
	case without != nil:
		return Source{}, Errors{{File: file, Line: without.Line, Text: fmt.Sprintf("no ConfigMap here has the key %s: write the policy under it", Key)}}
	}
	return Source{File: file, Text: text}, nil
}

// policiesIn finds the policies of a ConfigMap, or of those in a List, and tells whether it is one of these.
func policiesIn(object *yaml.Node) (found []*yaml.Node, is bool) {
	switch kind := child(object, "kind"); {
	case kind == nil:
	case kind.Value == "ConfigMap":
		if value := child(child(object, "data"), Key); value != nil {
			found = append(found, value)
		}
		return found, true
	case strings.HasSuffix(kind.Value, "List"):
		items := child(object, "items")
		for i := 0; items != nil && i < len(items.Content); i++ {
			policies, _ := policiesIn(items.Content[i])
			found = append(found, policies...)
		}
		return found, true
	}
	return nil, false
}

// child is the value of a key, nil for none.
func child(n *yaml.Node, key string) *yaml.Node {
	if n != nil && n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

// Load loads the policy; its mistakes have the lines of the file.
func (s Source) Load(now time.Time) (*Policy, error) {
	p, err := Load(s.File, s.Text, now)
	if mistakes, ok := errors.AsType[Errors](err); ok {
		s.shift(mistakes)
	}
	return p, err
}

// Advice is that of the policy, with the lines of the file. It knows no namespaces.
func (s Source) Advice(now time.Time) Errors {
	advice := Advice(s.File, s.Text, now, nil)
	s.shift(advice)
	return advice
}

func (s Source) shift(list Errors) {
	for i := range list {
		list[i].Line = s.lineOf(list[i].Line)
	}
}

// lineOf is the line in the file of a line of the text, 0 for none.
func (s Source) lineOf(line int) int {
	switch {
	case line == 0:
		return 0
	case s.line > 0:
		return s.line
	}
	return line + s.skip
}

// Decode reads another document of podvet's as strictly as a policy, into a struct with JSON tags whose apiVersion
// and kind it demands. The error is of type Errors.
func Decode(file string, text []byte, kind string, into any) error {
	d := &decoder{file: file, kind: kind, at: map[string]*yaml.Node{}}
	if root := d.document(text); root != nil {
		v := reflect.ValueOf(into).Elem()
		d.decode(root, "", v)
		d.header(v.FieldByName("APIVersion").String(), v.FieldByName("Kind").String())
	}
	if len(d.errs) > 0 {
		sortErrors(d.errs)
		return d.errs
	}
	return nil
}

// header demands the version and the kind.
func (d *decoder) header(apiVersion, kind string) {
	for _, want := range []struct{ key, got, value string }{
		{"apiVersion", apiVersion, APIVersion}, {"kind", kind, d.kind},
	} {
		if want.got != want.value && !d.failedAt(want.key) {
			what := "is missing"
			if want.got != "" {
				what = "is " + want.got
			}
			d.fail(d.nearest(want.key), want.key, "%s: write %s: %s", what, want.key, want.value)
		}
	}
}

// rules checks the entries of a key rules against the catalogue. A template may be promised for everyone.
func (d *decoder) rules(entries map[string]ruleSetting, path string, everyones map[string]ruleSetting) {
	for id, setting := range entries {
		path := join(path, id)
		rule := rules.Lookup(id)
		if rule == nil {
			d.unknownRule(path, id)
			continue
		}
		if setting.Params != nil {
			d.parameters(setting.Params, join(path, "params"), rule, rule.Defaults())
		}
		if setting.Fix != nil && *setting.Fix {
			fix := join(path, "fix")
			switch {
			case !rule.HasFix():
				d.fail(d.nearest(fix), fix, "rule %s has no fix: remove this", id)
			case rule.NeedsTemplate && child(setting.Params, "template") == nil && child(everyones[id].Params, "template") == nil:
				d.fail(d.nearest(fix), fix, "podvet invents no handler: promise one in params.template, a portName and a probe")
			}
		}
	}
}

func (d *decoder) unknownRule(path, id string) {
	if len(d.unknown) == maxErrors {
		return
	}
	n := d.nearest(path)
	d.unknown = append(d.unknown, Error{File: d.file, Line: n.Line, Path: path,
		Text: fmt.Sprintf("there is no such rule%s: podvet rules lists them", DidYouMean(id, rules.IDs()))})
}
