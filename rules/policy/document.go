package policy

import (
	"slices"

	"go.yaml.in/yaml/v3"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/custom"
	"github.com/podvet/podvet/rules/policy/strict"
)

// APIVersion and Kind are what a policy document must say of itself.
const (
	APIVersion = "podvet.dev/v1alpha1"
	Kind       = "Policy"
)

// Written is what a policy document says. What it leaves out is empty.
type Written struct {
	APIVersion string         `json:"apiVersion" doc:"always podvet.dev/v1alpha1"`
	Kind       string         `json:"kind" doc:"always Policy"`
	Settings                  // of everyone
	Templates  []custom.Entry `json:"templates" doc:"pod templates in custom resources, besides those that podvet knows"`
	Scopes     []Scope        `json:"scopes" doc:"other settings for some namespaces, pods or kinds; in order, the last one that matches wins key by key"`
	Exemptions []Exemption    `json:"exemptions" doc:"where a rule does not apply: its findings are recorded at audit, and its fix is not applied"`
}

// Settings are the keys of the document and of a scope. What a scope leaves out stays as it was.
type Settings struct {
	Profile            profileName            `json:"profile" doc:"the level of every rule at once"`
	Mode               Mode                   `json:"mode" doc:"caps every level; warn: deny becomes warn; audit: all become audit and nothing is patched; off: nothing at all"`
	Fixes              *bool                  `json:"fixes" doc:"false: no fix anywhere"`
	Workloads          Workloads              `json:"workloads" doc:"what findings on workload templates do at admission"`
	OwnedPods          OwnedPods              `json:"ownedPods" doc:"what a finding that denies does to a pod of a workload or a Job; warn: the pod is created, with a warning"`
	Kubernetes         strict.Kubelets        `json:"kubernetes" doc:"the minor versions of the nodes' kubelets, in quotes: \"1.35-1.37\" or \"1.37\""`
	Help               strict.ShortLine       `json:"help" doc:"where people find more: added to refusals, and once to warnings"`
	NamespaceModes     namespaceModes         `json:"namespaceModes" doc:"which modes the namespace label podvet.dev/mode may set: true for all, false for none, or a list"`
	InjectedContainers []containerName        `json:"injectedContainers" doc:"containers that meshes and agents add, by name: findings about these are capped at audit"`
	AllowPodExemptions *bool                  `json:"allowPodExemptions" doc:"honour the pod annotation podvet.dev/exempt: \"rule-a,rule-b: reason\""`
	Rules              map[string]RuleSetting `json:"rules" doc:"single rules by id"`
}

// RuleSetting is what is said of one rule.
type RuleSetting struct {
	Level  levelName  `json:"level" doc:"what a finding does"`
	Fix    *bool      `json:"fix" doc:"whether the rule's fix is applied"`
	Node   *yaml.Node `json:"params" doc:"the rule's parameters; those left out stay as they are"` // until it is read into Params
	Params *Params    // nil where none are written
}

// InFull is what an entry means that is one word.
func (RuleSetting) InFull(word string) string {
	switch {
	case slices.Contains(levelName("").Words(), word):
		return "{level: " + word + "}"
	case word == "true" || word == "false":
		return "{fix: " + word + "}"
	}
	return ""
}

// Params are the parameters of a rule that one entry writes.
type Params = strict.Params

// Scope is other settings for some.
type Scope struct {
	Name     strict.Line `json:"name" doc:"what reports call it"`
	Match    Match       `json:"match" filled:"yes" doc:"all selectors given must match; none matches everything"`
	Settings             // those that differ here
}

// Exemption is where rules do not apply.
type Exemption struct {
	Rules   []ruleName     `json:"rules" required:"name the rules, or write [\"*\"] for all" doc:"ids of the rules, or \"*\" for all"`
	Match   ExemptionMatch `json:"match" filled:"yes" doc:"all selectors given must match; none matches everything"`
	Reason  strict.Reason  `json:"reason" required:"say why, for those who read it later" doc:"why, for those who read it later"`
	Owner   strict.Line    `json:"owner" doc:"who answers for it"`
	Expires Day            `json:"expires" doc:"the day, in UTC, from which its findings are warnings until someone removes it"`
}

// Match says which pods and templates are meant.
type Match struct {
	Namespaces        []pattern             `json:"namespaces" doc:"names of namespaces, with * for any run of characters"`
	NamespaceSelector *metav1.LabelSelector `json:"namespaceSelector" doc:"labels of the namespace"`
	PodSelector       *metav1.LabelSelector `json:"podSelector" doc:"labels of the pod or the template"`
	Kinds             []custom.Owner        `json:"kinds" doc:"kinds of owners as a person names them: Deployment also means the pods of its ReplicaSets, CronJob those of its Jobs, Pod only pods without a controller"`
}

// ExemptionMatch says which containers are meant too.
type ExemptionMatch struct {
	Match
	Containers []pattern `json:"containers" doc:"names of containers; a finding about the pod as a whole is not meant then"`
	Images     []pattern `json:"images" doc:"images as the pod names them; a finding about the pod as a whole is not meant then"`
}

// defaults are the settings of everyone where a document says nothing.
var defaults = Settings{
	Profile:            profileName(rules.Recommended.String()),
	Mode:               ModeEnforce,
	Fixes:              new(true),
	Workloads:          WorkloadsWarn,
	OwnedPods:          OwnedPodsEnforce,
	NamespaceModes:     modes,
	InjectedContainers: names(rules.DefaultInjected),
	AllowPodExemptions: new(false),
}

func names(list []string) []containerName {
	all := make([]containerName, len(list))
	for i, name := range list {
		all[i] = containerName(name)
	}
	return all
}

// SelectsAll tells whether a selector limits nothing.
func SelectsAll(s *metav1.LabelSelector) bool {
	return s == nil || len(s.MatchLabels) == 0 && len(s.MatchExpressions) == 0
}

// matchesAll tells whether everything is meant.
func (m *Match) matchesAll() bool {
	return (len(m.Namespaces) == 0 || slices.Contains(m.Namespaces, "*")) && len(m.Kinds) == 0 &&
		SelectsAll(m.NamespaceSelector) && SelectsAll(m.PodSelector)
}
