package policy

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/custom"
	"github.com/podvet/podvet/rules/pod"
	"github.com/podvet/podvet/rules/policy/strict"
)

// Policy is a policy in force: immutable to its callers, and safe for concurrent use.
type Policy struct {
	Hash    string    // of the text, 12 hexadecimal digits: which policy an answer came from
	Until   time.Time // when an exemption expires next: load it again then; zero for never
	Expired int       // exemptions that have expired

	NamespaceLabels bool // whether what it says depends on the labels of namespaces

	catalogue  *rules.Catalogue
	written    *Written
	scopes     []matcher
	exemptions []*exemption
	templates  []custom.Template // that the text lists
	// The label keys that selectors mention, sorted.
	namespaceKeys, podKeys []string

	nodes pod.Kubelets     // where the text names none
	now   time.Time        // that it was compiled for
	ready map[string]*plan // made when it was compiled, by planKey
	cache cache
}

// Ruling is what the policy says of one subject.
type Ruling struct {
	Plan      *rules.Plan
	Mode      Mode
	Workloads Workloads
	OwnedPods OwnedPods
	Help      string   // where people find more, "" for nowhere
	Notes     []string // what is wrong with the namespace's mode and the subject's own exemption

	pods *Ruling // of the pods of a custom resource's template, which are judged by another kind; nil for others
}

// Spares tells whether ownedPods lets a workload's pods be created that would be refused. Those of a custom owner are
// judged as ever, since nobody sees all of its templates. What its controller makes in between is a workload, which
// workloads: deny refuses.
func (r *Ruling) Spares(s *pod.Subject) bool {
	if r.pods != nil {
		r = r.pods
	}
	return r.OwnedPods == OwnedPodsWarn && s.Owner&(pod.Controllers|pod.Jobs) != 0 &&
		(s.Custom == nil || r.Workloads != WorkloadsDeny)
}

// plan is what is in force where some scopes match and the namespace has a mode of its own or none.
type plan struct {
	Ruling        // without notes
	podExemptions bool
}

// cache keeps rulings, and what many of them share. It is dropped with its policy.
type cache struct {
	sync.RWMutex
	rulings    map[string]*ruling
	plans      map[string]*plan         // those that are not ready, by planKey
	exemptions map[string]*exemptionSet // by matching exemptions
	containers knownContainers
}

// ruling is what is in force in one place.
type ruling struct {
	*plan
	exemptions *exemptionSet // nil for none
	notes      []string
}

func (c *cache) empty() {
	c.rulings, c.plans, c.exemptions = map[string]*ruling{}, map[string]*plan{}, map[string]*exemptionSet{}
	c.containers.empty()
}

// Compile makes the policy as it stands at a time: exemptions expire.
func (d *Document) Compile(now time.Time) *Policy {
	p := &Policy{Hash: d.Hash, catalogue: d.catalogue, written: d.written, nodes: podvetsOwn}
	p.compile(now)
	return p
}

// compile makes the selectors and the first plans ready, and looks at the calendar.
func (p *Policy) compile(now time.Time) {
	p.now = now
	ofNamespaces, ofPods := labelKeys{}, labelKeys{}
	for i := range p.written.Scopes {
		p.scopes = append(p.scopes, newMatcher(&p.written.Scopes[i].Match, ofNamespaces, ofPods))
	}
	for i := range p.written.Exemptions {
		e := &p.written.Exemptions[i]
		ready, until := newExemption(p.catalogue, e, newMatcher(&e.Match.Match, ofNamespaces, ofPods), i, now)
		switch {
		case ready.note.Expired != "":
			p.Expired++
		case !until.IsZero() && (p.Until.IsZero() || until.Before(p.Until)):
			p.Until = until
		}
		p.exemptions = append(p.exemptions, ready)
	}
	for _, entry := range p.written.Templates {
		p.templates = append(p.templates, entry.Row())
	}
	p.namespaceKeys, p.podKeys = slices.Sorted(maps.Keys(ofNamespaces)), slices.Sorted(maps.Keys(ofPods))
	p.NamespaceLabels = len(p.namespaceKeys)+len(namespaceModesOf(layers(p.written, nil)).value) > 0 ||
		slices.ContainsFunc(p.written.Scopes, func(s Scope) bool { return len(s.NamespaceModes) > 0 })
	p.cache.empty()
	p.prepare()
}

// maxReady bounds the plans that are made when a policy is compiled, and maxReadyLayers what is read for them: a policy
// may have 20,000 scopes. Any others are made when they are first needed.
const (
	maxReady       = 1024
	maxReadyLayers = 10_000
)

// prepare makes the plans that most places need: where no scope matches but those that match everywhere, by each label
// of a namespace, and where one more does.
func (p *Policy) prepare() {
	var everywhere []int
	for i := range p.written.Scopes {
		if p.written.Scopes[i].Match.matchesAll() {
			everywhere = append(everywhere, i)
		}
	}
	p.ready = map[string]*plan{}
	same := map[string]*rules.Plan{}
	add := func(scopes []int, label Mode) {
		if key := p.planKey(scopes, label); p.ready[key] == nil {
			p.ready[key] = p.newPlan(scopes, label, same)
		}
	}
	for _, label := range append(modes, "") {
		add(everywhere, label)
	}
	for i, read := 0, 0; i < len(p.scopes) && len(p.ready) < maxReady && read < maxReadyLayers; i++ {
		if at, always := slices.BinarySearch(everywhere, i); !always {
			add(slices.Insert(slices.Clone(everywhere), at, i), "")
			read += len(everywhere) + 1
		}
	}
}

// planKey tells plans apart.
func (p *Policy) planKey(scopes []int, label Mode) string {
	return string(modeOf(layers(p.written, scopes), label).value) + indexKey(scopes)
}

func indexKey(indexes []int) string {
	var key []byte
	for _, i := range indexes {
		key = binary.AppendUvarint(key, uint64(i))
	}
	return string(key)
}

// newPlan makes a plan. Plans that are the same but for other names share what the engine runs, where same is not nil.
func (p *Policy) newPlan(scopes []int, label Mode, same map[string]*rules.Plan) *plan {
	d := decide(p.catalogue, p.written, scopes, label)
	made := &plan{podExemptions: d.exempt.value, Ruling: Ruling{Mode: d.mode.value, Workloads: d.workloads.value,
		OwnedPods: d.ownedPods.value, Help: string(d.help.value)}}
	settings, options := d.settings(), d.options()
	if d.kubelets.where == byDefault {
		options.Kubelets = p.nodes
	}
	if same == nil {
		made.Plan = p.catalogue.NewPlan(settings, options)
		return made
	}
	content := fmt.Appendf(nil, "%d %q %v", options.Most, options.Injected, options.Kubelets)
	for _, s := range settings {
		content = append(content, byte(s.Level), byte(s.Fix))
		if s.Params != nil {
			content = fmt.Appendf(content, "%#v", s.Params) // of a pointer its address
		}
	}
	if same[string(content)] == nil {
		same[string(content)] = p.catalogue.NewPlan(settings, options)
	}
	made.Plan = same[string(content)]
	return made
}

// TemplatesOf are the pod templates of objects of an apiVersion and a kind: those that the document lists, or else the
// built-in table's.
func (p *Policy) TemplatesOf(apiVersion, kind string) (list []*custom.Template) {
	for i := range p.templates {
		if p.templates[i].Of(apiVersion, kind) {
			list = append(list, &p.templates[i])
		}
	}
	if list == nil {
		list = custom.TemplatesOf(apiVersion, kind)
	}
	return list
}

// Plan is what to judge and fix where no scope and no exemption matches.
func (p *Policy) Plan() *rules.Plan { return p.newPlan(nil, "", nil).Plan }

// Settings are what the policy says of each rule where no scope matches, in the order of the catalogue.
func (p *Policy) Settings() []rules.Setting {
	return decide(p.catalogue, p.written, nil, "").settings()
}

// Written is what the document says. It must not be changed.
func (p *Policy) Written() *Written { return p.written }

// Catalogue is that of the rules that the policy is about.
func (p *Policy) Catalogue() *rules.Catalogue { return p.catalogue }

// Where is what is in force where these scopes match and no others: the keys, and what is said of each rule, in the
// order of the catalogue, as it is without the mode that caps it: a namespace's label may name another.
func (p *Policy) Where(scopes ...int) (Settings, []rules.Setting) {
	uncapped := decide(p.catalogue, p.written, scopes, ModeEnforce).settings()
	return decide(p.catalogue, p.written, scopes, "").keys(), uncapped
}

// WithProfile is the policy with another profile in place of its own.
func (p *Policy) WithProfile(profile rules.Profile) *Policy {
	return p.with(func(w *Written) { w.Profile = profileName(profile.String()) })
}

// WithMode is the policy with another mode in place of its own.
func (p *Policy) WithMode(mode Mode) *Policy { return p.with(func(w *Written) { w.Mode = mode }) }

// WithKubernetes is the policy with other versions of the kubelet in place of its own.
func (p *Policy) WithKubernetes(nodes pod.Kubelets) *Policy {
	return p.with(func(w *Written) { w.Kubernetes = strict.Kubelets(nodes.String()) })
}

// podvetsOwn is the version that a policy is about where it names none and nobody knows the nodes.
var podvetsOwn = pod.Kubelets{From: pod.Newest, To: pod.Newest}

// OnNodes is the policy on nodes of some versions, which are what it is about where it names none.
func (p *Policy) OnNodes(nodes pod.Kubelets) *Policy {
	other := &Policy{Hash: p.Hash, catalogue: p.catalogue, written: p.written, nodes: nodes}
	other.compile(p.now)
	return other
}

func (p *Policy) with(change func(*Written)) *Policy {
	written := *p.written
	change(&written)
	other := &Policy{catalogue: p.catalogue, written: &written, nodes: p.nodes}
	d := decide(p.catalogue, &written, nil, "")
	// Not the text's: it is another policy.
	other.Hash = hashOf([]byte(p.Hash + d.profile.value.String() + string(d.mode.value) + string(d.kubernetes())))
	other.compile(p.now)
	return other
}
