package policy

import (
	"fmt"
	"slices"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/pod"
	"github.com/podvet/podvet/rules/policy/strict"
)

// ModeLabel on a namespace is its mode, over what the policy says.
const ModeLabel = "podvet.dev/mode"

// namespaceMode is the mode that a namespace has by its label where some scopes match, "" for none. note says what is
// wrong with the label.
func namespaceMode(w *Written, scopes []int, namespaceLabels map[string]string) (mode Mode, note string) {
	mode = Mode(namespaceLabels[ModeLabel])
	allowed := namespaceModesOf(layers(w, scopes)).value
	if mode == "" || slices.Contains(allowed, mode) {
		return mode, ""
	}
	problem, remedy := "is not a mode", "remove it"
	if slices.Contains(modes, mode) {
		problem = "namespaceModes of the policy does not allow"
	}
	if len(allowed) > 0 {
		remedy = "write " + strict.OrList(allowed.words())
	}
	return "", fmt.Sprintf("label %s is %q, which %s: %s", ModeLabel, string(mode), problem, remedy)
}

// Where an answer is written: in a scope, by its index, or one of these.
const (
	byDefault = -1 - iota
	forEveryone
	onNamespace
)

// The keys that decide.
const (
	keyProfile   = "profile"
	keyMode      = "mode"
	keyFixes     = "fixes"
	keyWorkloads = "workloads"
	keyOwnedPods = "ownedPods"
	keyNamespace = "namespaceModes"
	keyKubelets  = "kubernetes"
	keyHelp      = "help"
	keyInjected  = "injectedContainers"
	keyExempt    = "allowPodExemptions"
	keyLevel     = "level" // of a rule
	keyFix       = "fix"   // of a rule
	keyTemplate  = "params.template"
)

// answer is a value, the key that gave it and where that is written.
type answer[T any] struct {
	value T
	key   string
	where int
}

// decision is what a policy says where some scopes match, with where each answer came from.
type decision struct {
	profile   answer[rules.Profile]
	mode      answer[Mode]
	fixes     answer[bool]
	workloads answer[Workloads]
	ownedPods answer[OwnedPods]
	namespace answer[namespaceModes]
	kubelets  answer[pod.Kubelets] // zero where none are written
	help      answer[strict.ShortLine]
	injected  answer[[]containerName]
	exempt    answer[bool]
	rules     []ruleDecision // in the order of the catalogue
}

type ruleDecision struct {
	level  answer[rules.Level]
	fix    answer[rules.FixMode]
	params any // nil for the rule's defaults
}

// layer is settings, and where they are written.
type layer struct {
	*Settings
	where int
}

// layers are the settings with a say where some scopes match: the last one that says something wins.
func layers(w *Written, scopes []int) []layer {
	all := make([]layer, 0, len(scopes)+2)
	all = append(all, layer{&defaults, byDefault}, layer{&w.Settings, forEveryone})
	for _, i := range scopes {
		all = append(all, layer{&w.Scopes[i].Settings, i})
	}
	return all
}

// last is what the last layer says that says something, by default nothing for a key that the defaults leave out.
func last[T any](all []layer, key string, said func(*Settings) (T, bool)) answer[T] {
	for _, l := range slices.Backward(all) {
		if value, says := said(l.Settings); says {
			return answer[T]{value, key, l.where}
		}
	}
	return answer[T]{key: key, where: byDefault}
}

func kubeletsOf(all []layer) answer[pod.Kubelets] {
	return last(all, keyKubelets, func(s *Settings) (pod.Kubelets, bool) { return s.Kubernetes.Versions() })
}

func workloadsOf(all []layer) answer[Workloads] {
	return last(all, keyWorkloads, func(s *Settings) (Workloads, bool) { return text(s.Workloads) })
}

func ownedPodsOf(all []layer) answer[OwnedPods] {
	return last(all, keyOwnedPods, func(s *Settings) (OwnedPods, bool) { return text(s.OwnedPods) })
}

func namespaceModesOf(all []layer) answer[namespaceModes] {
	return last(all, keyNamespace, func(s *Settings) (namespaceModes, bool) {
		return s.NamespaceModes, s.NamespaceModes != nil
	})
}

func text[T ~string](s T) (T, bool) { return s, s != "" }

func yesNo(b *bool) (yes, says bool) { return b != nil && *b, b != nil }

// modeOf is the mode where some layers have a say and the namespace's label is a mode, "" for none.
func modeOf(all []layer, label Mode) answer[Mode] {
	if label != "" {
		return answer[Mode]{label, keyMode, onNamespace}
	}
	return last(all, keyMode, func(s *Settings) (Mode, bool) { return text(s.Mode) })
}

// decide works out what a policy says where some scopes match, in their order, and the namespace's label is a mode,
// "" for none. It is the only place where this is decided: plans, explanations and comparisons are made from it.
func decide(c *rules.Catalogue, w *Written, scopes []int, label Mode) *decision {
	all := layers(w, scopes)
	d := &decision{
		profile: last(all, keyProfile, func(s *Settings) (rules.Profile, bool) {
			return rules.ParseProfile(string(s.Profile))
		}),
		mode:      modeOf(all, label),
		fixes:     last(all, keyFixes, func(s *Settings) (bool, bool) { return yesNo(s.Fixes) }),
		workloads: workloadsOf(all),
		ownedPods: ownedPodsOf(all),
		namespace: namespaceModesOf(all),
		kubelets:  kubeletsOf(all),
		help:      last(all, keyHelp, func(s *Settings) (strict.ShortLine, bool) { return text(s.Help) }),
		injected: last(all, keyInjected, func(s *Settings) ([]containerName, bool) {
			return s.InjectedContainers, s.InjectedContainers != nil
		}),
		exempt: last(all, keyExempt, func(s *Settings) (bool, bool) { return yesNo(s.AllowPodExemptions) }),
		rules:  make([]ruleDecision, len(c.Rules())),
	}
	for i, rule := range c.Rules() {
		d.rules[i] = d.rule(rule, all)
	}
	return d
}

// rule works out what is said of a rule.
func (d *decision) rule(rule *rules.Rule, all []layer) ruleDecision {
	out := ruleDecision{level: answer[rules.Level]{rule.Levels[d.profile.value], keyProfile, d.profile.where}}
	fix := answer[*bool]{nil, keyFix, byDefault}
	for _, l := range all {
		said, any := l.Rules[rule.ID]
		if !any {
			continue
		}
		if level, says := rules.ParseLevel(string(said.Level)); says {
			out.level = answer[rules.Level]{level, keyLevel, l.where}
		}
		if said.Fix != nil {
			fix.value, fix.where = said.Fix, l.where
		}
		if said.Params != nil {
			out.params = said.Params.Over(out.params)
		}
	}
	out.fix = answer[rules.FixMode]{rules.NoFix, fix.key, fix.where}
	switch {
	case d.mode.value == ModeOff: // whatever else is written
		out.level = answer[rules.Level]{rules.Off, keyMode, d.mode.where}
		out.fix.key, out.fix.where = keyMode, d.mode.where
	case !d.fixes.value:
		out.fix.key, out.fix.where = keyFixes, d.fixes.where
	case fix.value != nil && *fix.value:
		out.fix.value = rules.AskedFix
	case fix.value == nil && rule.FixByDefault && out.level.value != rules.Off:
		out.fix.value = rules.DefaultFix
	}
	return out
}

// settings are the decisions about the rules, as the engine takes them.
func (d *decision) settings() []rules.Setting {
	list := make([]rules.Setting, len(d.rules))
	for i, r := range d.rules {
		list[i] = rules.Setting{Level: r.level.value, Fix: r.fix.value, Params: r.params}
	}
	return list
}

func (d *decision) options() rules.Options {
	return rules.Options{Injected: texts(d.injected.value), Most: d.mode.value.level(), Kubelets: d.kubelets.value}
}

// kubernetes is the range as a document would write it, "" where none is written.
func (d *decision) kubernetes() strict.Kubelets {
	if d.kubelets.where == byDefault {
		return ""
	}
	return strict.Kubelets(d.kubelets.value.String())
}

// keys are the decisions about the keys, as a document would write them.
func (d *decision) keys() Settings {
	return Settings{
		Profile: profileName(d.profile.value.String()), Mode: d.mode.value, Fixes: &d.fixes.value,
		Workloads: d.workloads.value, OwnedPods: d.ownedPods.value, NamespaceModes: d.namespace.value,
		Kubernetes: d.kubernetes(), Help: d.help.value,
		InjectedContainers: d.injected.value, AllowPodExemptions: &d.exempt.value,
	}
}
