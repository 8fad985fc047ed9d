package cluster

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/podvet/podvet/rules/catalogue"
	"github.com/podvet/podvet/rules/policy"
)

// Where the policy in force came from.
const (
	fromConfigMap = "configmap"
	fromLastGood  = "last-good"
	fromDefault   = "default"
)

// What the policy's ConfigMap holds.
const (
	good    = "good"
	bad     = "bad"
	missing = "missing" // it is deleted, has no text or was never there
)

// versionAnnotation on the last good policy's ConfigMap is the resourceVersion of the ConfigMap it was copied from:
// a replica that lags behind must not put an older one back.
const versionAnnotation = "podvet.dev/resource-version"

// lastGoodOf is the ConfigMap that keeps the last good policy of another.
func lastGoodOf(key types.NamespacedName) types.NamespacedName {
	return types.NamespacedName{Namespace: key.Namespace, Name: key.Name + "-last-good"}
}

// seen is a ConfigMap as it was last seen.
type seen struct {
	object *corev1.ConfigMap // nil for none
	unread error             // why it is not known whether there is one
}

func (s seen) text() string {
	if s.object == nil {
		return ""
	}
	return s.object.Data[policy.Key]
}

// view is what a replica sees of the two ConfigMaps at one time.
type view struct {
	key    types.NamespacedName // of the policy
	policy seen
	kept   seen // the last good policy
	now    time.Time
}

// load reads the policy. The error says why there is none to put in force.
func (v view) load() (p *policy.Policy, unknown policy.Errors, err error) {
	switch {
	case v.policy.unread != nil:
		return nil, nil, v.policy.unread
	case v.policy.object == nil:
		return nil, nil, fmt.Errorf("the ConfigMap %s does not exist", v.key)
	case strings.TrimSpace(v.policy.text()) == "":
		return nil, nil, fmt.Errorf("the ConfigMap %s has no text under the key %s", v.key, policy.Key)
	}
	return load(policy.Key, v.policy.text(), v.now)
}

func load(file, text string, now time.Time) (p *policy.Policy, unknown policy.Errors, err error) {
	return policy.LoadShared(catalogue.All, file, []byte(text), now)
}

// state is what a replica remembers from one view to the next.
type state struct {
	inForce *policy.Policy // nil before the first
	text    string         // that it was loaded from
	source  string
	version string // of the ConfigMap that the text is from
	told    string // what the policy's ConfigMap was last said to hold
	unkept  bool   // the text is good, and not yet seen in the ConfigMap of the last good one
}

// step is what to do about a view.
type step struct {
	state state // to remember; where the policy cannot be kept its text is unkept

	result  string        // good, bad or missing; "" where the policy was not read
	news    bool          // and nobody was told yet
	unknown policy.Errors // entries of a good policy that this version ignores
	problem error         // why the policy cannot be used, and
	instead string        // in words, what is in force instead

	putInForce bool      // the policy of the state
	keep       *lastGood // nil: as it is, the last good policy stays
	cannotKeep error     // why it is not even tried
	again      time.Time // to look again even where nothing changes; zero for never
}

// lastGood is a policy to keep, and the version of the ConfigMap that it is from.
type lastGood struct{ text, version string }

// decide depends on the two ConfigMaps and on what a replica could not write yet, so that all replicas do the same.
func decide(s state, v view) step {
	p, unknown, problem := v.load()
	if problem != nil {
		return fallBack(s, v, problem)
	}
	d := step{state: s, result: good, again: p.Until}
	if d.tell("good " + v.policy.text()); d.news {
		d.unknown = unknown
	}
	d.use(p, v.policy.text(), fromConfigMap)
	d.state.version = v.policy.object.ResourceVersion
	if d.cannotKeep = v.kept.unread; d.cannotKeep == nil {
		d.keepUnlessHeld(v.policy.text(), v.kept.object)
	}
	return d
}

// fallBack is what to do where there is no policy that can be used.
func fallBack(s state, v view, problem error) step {
	d := step{state: s}
	if v.policy.unread == nil {
		d.result, d.problem, d.instead = missing, problem, "the last good one stays in force"
		if _, mistakes := errors.AsType[policy.Errors](problem); mistakes {
			d.result = bad
		}
		if v.kept.text() == "" && s.text == "" {
			d.instead = "there never was a good one, so the built-in one is in force and only warns"
		}
		if v.kept.unread == nil || s.text != "" { // else it is not known yet, as for a moment at each start
			d.tell(problem.Error())
		}
	}
	if v.kept.object != nil && !s.unkept {
		d.state.version = v.kept.object.Annotations[versionAnnotation]
	}
	if v.policy.object != nil && v.kept.unread == nil && s.text != "" && (v.kept.object == nil || s.unkept) {
		// Deleted meanwhile, or never written: a replica that starts now must judge as this one does.
		d.keepUnlessHeld(s.text, v.kept.object)
	}
	if p, text, source := lastGoodPolicy(d.state, v); p != nil {
		d.use(p, text, source)
		d.again = p.Until
	}
	return d
}

// lastGoodPolicy is the kept one, else the one that this replica has from the ConfigMap and could not keep yet, else
// the built-in one where there never was any. It is nil where that is not known, because not all was read.
func lastGoodPolicy(s state, v view) (p *policy.Policy, text, source string) {
	text = v.kept.text()
	if text != "" && !s.unkept {
		if p, _, err := load(lastGoodOf(v.key).Name, text, v.now); err == nil {
			return p, text, fromLastGood
		}
	}
	switch {
	case s.source == fromConfigMap || s.source == fromLastGood:
		p, _, _ = load(policy.Key, s.text, v.now) // without an error: it was loaded before
		return p, s.text, fromLastGood
	case v.policy.unread != nil || v.kept.unread != nil:
		return nil, "", ""
	case strings.TrimSpace(v.policy.text()) != "":
		// Whoever wrote a first policy with a mistake may have wanted it to refuse nothing.
		return policy.Default(catalogue.All).WithMode(policy.ModeWarn), text, fromDefault
	}
	return policy.Default(catalogue.All), text, fromDefault
}

// tell notes whether the policy's ConfigMap says something else than the last time.
func (d *step) tell(what string) {
	d.news = d.state.told != what
	d.state.told = what
}

// use puts a policy in force, unless it is: what is kept about it stays then.
func (d *step) use(p *policy.Policy, text, source string) {
	old := d.state.inForce
	if old != nil && old.Hash == p.Hash && old.Expired == p.Expired && d.state.source == source {
		return
	}
	d.state.inForce, d.state.text, d.state.source, d.putInForce = p, text, source, true
}

// keepUnlessHeld keeps a text of the state's version, unless the last good policy is that or a newer one.
func (d *step) keepUnlessHeld(text string, kept *corev1.ConfigMap) {
	held := kept != nil && holds(kept, text, d.state.version)
	// Until what is written is read, the older one that is kept must not be taken for the last good one.
	d.state.unkept = kept != nil && !held
	if !held {
		d.keep = &lastGood{text, d.state.version}
	}
}

// holds tells whether the last good policy is a text of a version of the ConfigMap, or a newer one.
func holds(kept *corev1.ConfigMap, text, version string) bool {
	return kept.Data[policy.Key] == text || isNewer(kept, version)
}

// isNewer tells whether the kept policy was copied from a later version of the ConfigMap than this. Kubernetes makes
// resource versions comparable within one kind (KEP-5504).
func isNewer(kept *corev1.ConfigMap, version string) bool {
	copied, err1 := strconv.ParseUint(kept.Annotations[versionAnnotation], 10, 64)
	seen, err2 := strconv.ParseUint(version, 10, 64)
	own, err3 := strconv.ParseUint(kept.ResourceVersion, 10, 64)
	// What is copied from a version that is later than the copy came out of another cluster, or a backup.
	return err1 == nil && err2 == nil && err3 == nil && copied > seen && copied <= own
}
