package cluster

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/podvet/podvet/rules/policy"
)

// retryDelay is how soon the last good policy is written again where that failed.
const retryDelay = 2 * time.Second

// Hooks are whom the cluster tells of the policy and of what it counts. None may be nil.
type Hooks struct {
	SetPolicy       func(p *policy.Policy, source string) // puts it in force
	Loading         sync.Locker                           // held while a policy is loaded
	PolicyChanged   func(result string, at time.Time)     // good, bad or missing
	PolicyBad       func(bad bool)                        // whether the policy has mistakes
	NamespaceLookup func(result string)                   // found, absent, failed or limited
}

// follower puts the policy in force that the ConfigMaps hold, and keeps the last good one: it does what decide says.
// One goroutine runs it.
type follower struct {
	key              types.NamespacedName // of the policy's ConfigMap
	hooks            Hooks
	log              *slog.Logger
	writer           writer
	policy, lastGood *watch
	changed          chan struct{}
	state            state
	inForce          atomic.Bool // whether there is a policy in force
}

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
		if again := f.follow(ctx); !again.IsZero() {
			later = time.After(time.Until(again))
		}
		select {
		case <-ctx.Done():
		case <-f.changed:
		case <-later:
		}
	}
}

// follow looks at the ConfigMaps once. It returns when to look again even where nothing changes, zero for never.
func (f *follower) follow(ctx context.Context) (again time.Time) {
	f.hooks.Loading.Lock()
	defer f.hooks.Loading.Unlock()
	v := view{key: f.key, policy: read(ctx, f.policy, f.key), kept: read(ctx, f.lastGood, lastGoodOf(f.key)),
		now: time.Now()}
	d := decide(f.state, v)
	f.state = d.state
	if d.result != "" {
		f.hooks.PolicyBad(d.result == bad)
	}
	if d.news {
		f.tell(ctx, d, v)
	}
	if p := d.state.inForce; d.putInForce {
		f.hooks.SetPolicy(p, d.state.source)
		f.inForce.Store(true)
		f.log.Info("policy in force", "source", d.state.source, "hash", p.Hash, "expiredExemptions", p.Expired,
			"until", p.Until, "at", v.now)
	}
	err := d.cannotKeep
	if d.keep != nil {
		err = f.writer.keep(ctx, *d.keep, v.kept.object)
	}
	if err != nil {
		f.state.unkept = true
		f.log.Warn("the last good policy cannot be kept: trying again",
			"configmap", lastGoodOf(f.key).String(), "error", err.Error())
		return soonest(d.again, v.now.Add(retryDelay))
	}
	return d.again
}

// read returns a ConfigMap as it was last seen. Whether that is known is asked once: what was not read yet a moment ago
// may be now, and is not to be taken for absent.
func read(ctx context.Context, w *watch, key types.NamespacedName) seen {
	if !w.synced() {
		return seen{unread: w.notRead()}
	}
	object := &corev1.ConfigMap{}
	// Not with a context that ends: shutting down is no reason to think it gone.
	if w.cache.Get(context.WithoutCancel(ctx), key, object) != nil {
		return seen{}
	}
	return seen{object: object}
}

// tell says once what the policy's ConfigMap holds: a metric and log lines, and where it cannot be used an Event on it.
func (f *follower) tell(ctx context.Context, d step, v view) {
	f.hooks.PolicyChanged(d.result, v.now)
	switch d.result {
	case good:
		for _, mistake := range d.unknown {
			f.log.Warn("the policy names a rule that this version does not know: the entry is ignored",
				"place", mistake.Error())
		}
		return
	case missing:
		f.log.Warn("there is no policy: the last good one stays in force, or the built-in one where there never was "+
			"any", "reason", d.problem.Error())
	case bad:
		mistakes, _ := errors.AsType[policy.Errors](d.problem)
		f.log.Error("the policy is bad: "+d.instead,
			"configmap", f.key.String(), "error", mistakes[0].Error(), "mistakes", len(mistakes))
	}
	if v.policy.object == nil {
		return
	}
	first, _, _ := strings.Cut(d.problem.Error(), "\n")
	if err := f.writer.event(ctx, v.policy.object, first+": "+d.instead); err != nil {
		f.log.Warn("the Event about the policy cannot be written", "error", err.Error())
	}
}

func soonest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
