package webhook

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	corev1apply "k8s.io/client-go/applyconfigurations/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podvet/podvet/rules/policy"
)

// Where the policy in force came from.
const (
	fromConfigMap = "configmap"
	fromLastGood  = "last-good"
	fromDefault   = "default"
)

// versionAnnotation on the last good policy's ConfigMap is the resourceVersion of the ConfigMap it was copied from:
// a replica that lags behind must not put an older one back.
const versionAnnotation = "podvet.dev/resource-version"

// fieldManager owns what podvet applies.
const fieldManager = "podvet"

// retryDelay is how soon the last good policy is written again where that failed.
const retryDelay = 2 * time.Second

// keepTimeout bounds a write: the next change of the policy waits for it.
const keepTimeout = 2 * time.Second

// follower puts the policy in force that the ConfigMaps hold, and keeps the last good one. What it does depends on
// the two ConfigMaps alone, so that all replicas do the same. One goroutine runs it.
type follower struct {
	*Cluster
	changed chan struct{}
	seen    string // what the ConfigMap said when it was last looked at
	text    string // that is in force
	version string // of the ConfigMap that it is from
	source  string
	unkept  bool // the text is good and could not be written to the last good one yet
}

func newFollower(c *Cluster) follower { return follower{Cluster: c, changed: make(chan struct{}, 1)} }

// poke makes run look again.
func (f *follower) poke() {
	select {
	case f.changed <- struct{}{}:
	default:
	}
}

func (f *follower) run(ctx context.Context) {
	for ctx.Err() == nil {
		var later <-chan time.Time
		if next := f.follow(ctx); !next.IsZero() {
			later = time.After(time.Until(next))
		}
		select {
		case <-ctx.Done():
		case <-f.changed:
		case <-later:
		}
	}
}

// follow looks at the ConfigMaps once. It returns when to look again even where nothing changes, zero for never.
func (f *follower) follow(ctx context.Context) (next time.Time) {
	f.handler.loading.Lock()
	defer f.handler.loading.Unlock()
	now := time.Now()
	text, lastGood := "", ""
	current, policyRead := f.read(ctx, f.policy, f.key)
	kept, keptRead := f.read(ctx, f.lastGood, f.lastGoodKey())
	if current != nil {
		text = current.Data[policy.Key]
	}
	if kept != nil {
		lastGood = kept.Data[policy.Key]
	}
	var problem error
	switch {
	case !policyRead:
		problem = f.policy.notRead()
	case current == nil:
		problem = fmt.Errorf("the ConfigMap %s does not exist", f.key)
	case strings.TrimSpace(text) == "":
		problem = fmt.Errorf("the ConfigMap %s has no text under the key %s", f.key, policy.Key)
	default:
		p, unknown, err := policy.LoadShared(policy.Key, []byte(text), now)
		if err != nil {
			problem = err
			break
		}
		if f.isNews("good " + text) {
			f.count("good", now)
			for _, mistake := range unknown {
				f.log.Warn("the policy names a rule that this version does not know: the entry is ignored", "place", mistake.Error())
			}
		}
		f.inForce(p, text, fromConfigMap, now)
		f.version = current.ResourceVersion
		f.handler.metrics.bad.Set(0)
		err = f.lastGood.notRead()
		if keptRead {
			err = f.keep(ctx, text, f.version, kept)
		}
		return soonest(f.noteKept(err, text, kept, now), p.Until)
	}
	if policyRead {
		bad := 0.0
		if _, mistakes := errors.AsType[policy.Errors](problem); mistakes {
			bad = 1
		}
		f.handler.metrics.bad.Set(bad)
		instead := "the last good one stays in force"
		if lastGood == "" && f.text == "" {
			instead = "there never was a good one, the built-in one is in force and only warns"
		}
		f.report(ctx, current, problem, instead)
	}
	if kept != nil && !f.unkept {
		f.version = kept.Annotations[versionAnnotation]
	}
	if current != nil && keptRead && f.text != "" && (kept == nil || f.unkept) {
		// Deleted meanwhile, or never written: a replica that starts now must judge as this one does.
		next = f.noteKept(f.keep(ctx, f.text, f.version, kept), f.text, kept, now)
	}
	p, until := f.fallBack(lastGood, policyRead && keptRead, current != nil && strings.TrimSpace(text) != "", now)
	if p == nil {
		return next // not ready: what was not read yet will poke
	}
	return soonest(next, until)
}

// noteKept notes whether a policy of the current version is kept, after an attempt that ended with err. It returns when to
// try again, zero where that is not needed.
func (f *follower) noteKept(err error, text string, kept *corev1.ConfigMap, now time.Time) time.Time {
	// Until what was written is read, the older one that is kept must not be taken for the last good one.
	f.unkept = err != nil || kept != nil && !holds(kept, text, f.version)
	if err == nil {
		return time.Time{}
	}
	f.log.Warn("the last good policy cannot be kept: trying again", "configmap", f.lastGoodKey().String(), "error", err.Error())
	return now.Add(retryDelay)
}

// holds tells whether the last good policy is a text of a version of the ConfigMap, or a newer one.
func holds(kept *corev1.ConfigMap, text, version string) bool {
	return kept.Data[policy.Key] == text || isNewer(kept, version)
}

// fallBack puts the last good policy in force: the kept one, else the one that this replica has from the ConfigMap
// and could not keep yet, else the built-in one where there never was any. nil where that is not known, because not all
// was read. Whoever wrote a first policy with a mistake, bad, may have wanted it to refuse nothing: then the built-in one only warns.
func (f *follower) fallBack(lastGood string, allRead, bad bool, now time.Time) (*policy.Policy, time.Time) {
	source := fromLastGood
	p, _, err := policy.LoadShared(f.lastGoodKey().Name, []byte(lastGood), now)
	switch {
	case lastGood != "" && err == nil && !f.unkept:
	case f.source == fromConfigMap || f.source == fromLastGood:
		lastGood = f.text
		if p, _, err = policy.LoadShared(policy.Key, []byte(lastGood), now); err != nil {
			return nil, time.Time{} // it was loaded before
		}
	case allRead:
		if p, source = policy.Default(), fromDefault; bad {
			p = p.WithMode(policy.ModeWarn)
		}
	default:
		return nil, time.Time{}
	}
	f.inForce(p, lastGood, source, now)
	return p, p.Until
}

func soonest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// read returns a ConfigMap as it was last seen, nil for none, and whether that is known. It is asked once: what was not
// read yet a moment ago may be now, and is not to be taken for absent.
func (f *follower) read(ctx context.Context, w *watch, key types.NamespacedName) (object *corev1.ConfigMap, known bool) {
	if !w.synced() {
		return nil, false
	}
	object = &corev1.ConfigMap{}
	// Not with a context that ends: shutting down is no reason to think it gone.
	if w.cache.Get(context.WithoutCancel(ctx), key, object) != nil {
		return nil, true
	}
	return object, true
}

// isNews tells whether the ConfigMap says something else than the last time.
func (f *follower) isNews(state string) bool {
	news := f.seen != state
	f.seen = state
	return news
}

func (f *follower) count(result string, now time.Time) {
	f.handler.metrics.reloads.WithLabelValues(result).Inc()
	if result == "good" {
		f.handler.metrics.lastSuccess.Set(float64(now.Unix()))
	}
}

// report tells once of a policy that cannot be used: a metric, one log line, an Event on the ConfigMap.
func (f *follower) report(ctx context.Context, current *corev1.ConfigMap, problem error, instead string) {
	if !f.isNews(problem.Error()) {
		return
	}
	if mistakes, bad := errors.AsType[policy.Errors](problem); !bad {
		f.count("missing", time.Now())
		f.log.Warn("there is no policy: the last good one stays in force, or the built-in one where there never was any", "reason", problem.Error())
	} else {
		f.count("bad", time.Now())
		f.log.Error("the policy is bad: "+instead, "configmap", f.key.String(), "error", mistakes[0].Error(), "mistakes", len(mistakes))
	}
	if current == nil {
		return
	}
	first, _, _ := strings.Cut(problem.Error(), "\n")
	if err := f.event(ctx, current, first+": "+instead); err != nil && !apierrors.IsAlreadyExists(err) {
		f.log.Warn("the Event about the policy cannot be written", "error", err.Error())
	}
}

// event is one for all replicas and each mistake: its name says which.
func (f *follower) event(ctx context.Context, about *corev1.ConfigMap, problem string) error {
	ctx, stop := context.WithTimeout(ctx, keepTimeout)
	defer stop()
	sum := sha256.Sum256([]byte(string(about.UID) + about.ResourceVersion + problem))
	now := metav1.Now()
	return f.client.Create(ctx, &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{Namespace: about.Namespace, Name: about.Name + "." + hex.EncodeToString(sum[:8])},
		InvolvedObject: corev1.ObjectReference{APIVersion: "v1", Kind: "ConfigMap", Namespace: about.Namespace, Name: about.Name,
			UID: about.UID, ResourceVersion: about.ResourceVersion},
		Type: corev1.EventTypeWarning, Reason: "PolicyNotUsed", Message: truncated(problem),
		Source: corev1.EventSource{Component: "podvet"}, FirstTimestamp: now, LastTimestamp: now, Count: 1,
		ReportingController: "podvet.dev/podvet",
	})
}

// truncated fits an Event's message (K pkg/apis/core/validation/events.go: 1,024 bytes).
func truncated(text string) string {
	const most = 1000
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}

// inForce makes a policy the one that requests are judged by.
func (f *follower) inForce(p *policy.Policy, text, source string, now time.Time) {
	old := f.handler.policy.Load()
	if old != nil && old.Hash == p.Hash && f.source == source && old.Expired == p.Expired {
		return // keep its cache
	}
	f.text, f.source = text, source
	f.handler.SetPolicy(p, source)
	f.log.Info("policy in force", "source", source, "hash", p.Hash, "expiredExemptions", p.Expired, "until", p.Until, "at", now)
}

// keep copies a good policy into the ConfigMap of the last good one, unless that holds it or a newer one.
func (f *follower) keep(ctx context.Context, text, version string, kept *corev1.ConfigMap) error {
	if kept != nil && holds(kept, text, version) {
		return nil
	}
	ctx, stop := context.WithTimeout(ctx, keepTimeout)
	defer stop()
	// By apply, where it is absent too: the right to create may then be bound to its name.
	if kept == nil {
		// By a manager that applies nothing else: what its next apply leaves out would be taken away.
		marked := corev1apply.ConfigMap(f.lastGoodKey().Name, f.key.Namespace).WithLabels(f.Marks.Labels).WithAnnotations(f.Marks.Annotations)
		if err := f.client.Apply(ctx, marked, client.FieldOwner(fieldManager+"-made"), client.ForceOwnership); err != nil {
			return err
		}
	}
	object := corev1apply.ConfigMap(f.lastGoodKey().Name, f.key.Namespace).
		WithData(map[string]string{policy.Key: text}).
		WithAnnotations(map[string]string{versionAnnotation: version,
			"podvet.dev/about": "The last policy that podvet could use. podvet writes it; edit the ConfigMap " + f.key.Name + " instead."})
	if kept != nil {
		object.WithUID(kept.UID).WithResourceVersion(kept.ResourceVersion) // only what was read is replaced
	}
	if err := f.client.Apply(ctx, object, client.FieldOwner(fieldManager), client.ForceOwnership); err != nil && !apierrors.IsConflict(err) {
		return err
	}
	return nil // another replica was first: its write will poke
}

// isNewer tells whether the kept policy was copied from a later version of the ConfigMap than this. Kubernetes makes resource
// versions comparable within one kind (KEP-5504).
func isNewer(kept *corev1.ConfigMap, version string) bool {
	copied, err1 := strconv.ParseUint(kept.Annotations[versionAnnotation], 10, 64)
	seen, err2 := strconv.ParseUint(version, 10, 64)
	own, err3 := strconv.ParseUint(kept.ResourceVersion, 10, 64)
	// What is copied from a version that is later than the copy came out of another cluster, or a backup.
	return err1 == nil && err2 == nil && err3 == nil && copied > seen && copied <= own
}
