// Package policy reads the policy document, strictly, and compiles it into what the engine runs.
package policy

import (
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

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

type levelName string

func (levelName) words() []string {
	return []string{rules.Deny.String(), rules.Warn.String(), rules.Audit.String(), rules.Off.String()}
}

// document is a policy as it is written.
type document struct {
	APIVersion         string                 `json:"apiVersion"`
	Kind               string                 `json:"kind"`
	Profile            profileName            `json:"profile"`
	Mode               Mode                   `json:"mode"`
	Fixes              bool                   `json:"fixes"`
	Workloads          Workloads              `json:"workloads"`
	InjectedContainers []string               `json:"injectedContainers"`
	Rules              map[string]ruleSetting `json:"rules"`
}

type ruleSetting struct {
	Level  levelName  `json:"level"`
	Fix    *bool      `json:"fix"`
	Params *yaml.Node `json:"params"`

	params any
}

// Policy is a policy in force: immutable, and safe for concurrent use.
type Policy struct {
	Workloads Workloads
	Hash      string // of the text, 12 hexadecimal digits: which policy an answer came from

	doc  document
	plan *rules.Plan
}

// Default is the built-in policy.
func Default() *Policy {
	p, err := Load("built-in policy", DefaultText)
	if err != nil {
		panic(err) // embedded; a test loads it
	}
	return p
}

// Load reads and compiles a policy. The error is of type Errors and names every mistake with its line in
// the file and what to write instead.
func Load(file string, text []byte) (*Policy, error) {
	d := &decoder{file: file, at: map[string]*yaml.Node{}}
	doc := document{Profile: "recommended", Mode: ModeEnforce, Fixes: true, Workloads: WorkloadsWarn, InjectedContainers: rules.DefaultInjected}
	if root := d.document(text); root != nil {
		d.decode(root, "", reflect.ValueOf(&doc).Elem())
		d.header(&doc)
		d.rules(&doc)
	}
	if len(d.errs) > 0 {
		slices.SortStableFunc(d.errs, func(a, b Error) int { return cmp.Or(a.Line-b.Line, strings.Compare(a.Path, b.Path)) })
		if d.more {
			d.errs = append(d.errs, Error{File: file, Text: "there are more mistakes: mend these first"})
		}
		return nil, d.errs
	}
	sum := sha256.Sum256(text)
	p := &Policy{Workloads: doc.Workloads, Hash: hex.EncodeToString(sum[:6]), doc: doc}
	p.plan = rules.NewPlan(p.Settings(), doc.InjectedContainers, doc.Mode == ModeAudit)
	return p, nil
}

// WithProfile is the policy with another profile in place of its own.
func (p *Policy) WithProfile(profile rules.Profile) *Policy {
	other := *p
	other.doc.Profile = profileName(profile.String())
	other.plan = rules.NewPlan(other.Settings(), other.doc.InjectedContainers, other.doc.Mode == ModeAudit)
	return &other
}

// LoadManifest reads a policy document, or a ConfigMap that holds one under the key policy.yaml.
func LoadManifest(file string, text []byte) (*Policy, error) {
	var manifest struct {
		Kind string    `yaml:"kind"`
		Data yaml.Node `yaml:"data"`
	}
	if yaml.Unmarshal(text, &manifest) != nil || manifest.Kind != "ConfigMap" {
		return Load(file, text)
	}
	for i := 0; i+1 < len(manifest.Data.Content); i += 2 {
		key, value := manifest.Data.Content[i], manifest.Data.Content[i+1]
		if key.Value != "policy.yaml" {
			continue
		}
		p, err := Load(file, []byte(value.Value))
		if mistakes, ok := errors.AsType[Errors](err); ok && value.Style&yaml.LiteralStyle != 0 {
			for i := range mistakes { // the text starts on the line after the key
				if mistakes[i].Line > 0 {
					mistakes[i].Line += value.Line
				}
			}
		}
		return p, err
	}
	return nil, Errors{{File: file, Path: "data", Text: "the ConfigMap has no key policy.yaml: write the policy under it"}}
}

// header demands the version and the kind.
func (d *decoder) header(doc *document) {
	for _, want := range []struct{ key, got, value string }{
		{"apiVersion", doc.APIVersion, APIVersion}, {"kind", doc.Kind, Kind},
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

// rules checks the entries of the key rules against the catalogue.
func (d *decoder) rules(doc *document) {
	for id, setting := range doc.Rules {
		path := join("rules", id)
		rule := rules.Lookup(id)
		if rule == nil {
			d.fail(d.nearest(path), path, "there is no such rule%s: podvet rules lists them", DidYouMean(id, rules.IDs()))
			continue
		}
		if setting.Params != nil {
			setting.params = d.parameters(setting.Params, join(path, "params"), rule)
			doc.Rules[id] = setting
		}
		if setting.Fix != nil && *setting.Fix {
			fix := join(path, "fix")
			switch {
			case !rule.HasFix():
				d.fail(d.nearest(fix), fix, "rule %s has no fix: remove this", id)
			case rule.NeedsTemplate && d.at[join(path, "params.template")] == nil:
				d.fail(d.nearest(fix), fix, "podvet invents no handler: promise one in params.template, a portName and a probe")
			}
		}
	}
}

// Plan is what to judge and repair.
func (p *Policy) Plan() *rules.Plan { return p.plan }

// Settings are what the policy says of each rule, in the order of the catalogue.
func (p *Policy) Settings() []rules.Setting {
	profile, _ := rules.ParseProfile(string(p.doc.Profile))
	settings := make([]rules.Setting, len(rules.Catalogue()))
	for i, rule := range rules.Catalogue() {
		settings[i] = p.setting(rule, profile)
	}
	return settings
}

func (p *Policy) setting(rule *rules.Rule, profile rules.Profile) rules.Setting {
	entry := p.doc.Rules[rule.ID]
	level := rule.Levels[profile]
	if entry.Level != "" {
		level, _ = rules.ParseLevel(string(entry.Level))
	}
	fix := rules.NoFix
	switch {
	case !p.doc.Fixes:
	case entry.Fix != nil && *entry.Fix:
		fix = rules.AskedFix
	case entry.Fix == nil && rule.FixByDefault && level != rules.Off:
		fix = rules.DefaultFix
	}
	switch p.doc.Mode {
	case ModeWarn:
		level = min(level, rules.Warn)
	case ModeAudit:
		level = min(level, rules.Audit)
	case ModeOff:
		level, fix = rules.Off, rules.NoFix
	}
	return rules.Setting{Level: level, Fix: fix, Params: entry.params}
}
