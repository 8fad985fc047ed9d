package cluster

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	corev1apply "k8s.io/client-go/applyconfigurations/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podvet/podvet/rules/policy"
)

// filled is a cache that holds one ConfigMap.
type filled struct {
	cache.Cache
	text string
}

func (c filled) Get(_ context.Context, _ client.ObjectKey, object client.Object, _ ...client.GetOption) error {
	object.(*corev1.ConfigMap).Data = map[string]string{policy.Key: c.text}
	return nil
}

// untouched is a client that may make nothing: the chart's role does not allow it.
type untouched struct {
	client.Client
	t *testing.T
}

func (c untouched) Apply(_ context.Context, object runtime.ApplyConfiguration, _ ...client.ApplyOption) error {
	c.t.Errorf("it applies a %T", object)
	return nil
}

// What is read just after it was looked for has not been absent: podvet would write over a last good policy that is
// there, or judge by the built-in policy where there is one of the user's.
func TestReadMeanwhileIsNotAbsent(t *testing.T) {
	const text = "apiVersion: podvet.dev/v1alpha1\nkind: Policy\nmode: warn\n"
	atOnce := func() bool { return true }
	meanwhile := func() func() bool {
		asked := 0
		return func() bool { asked++; return asked > 1 }
	}
	for name, synced := range map[string]struct{ policy, lastGood func() bool }{
		"the policy":           {meanwhile(), atOnce},
		"the last good policy": {atOnce, meanwhile()},
	} {
		t.Run(name, func(t *testing.T) {
			f := newTestFollower(untouched{t: t},
				&watch{what: "the policy", cache: filled{text: text}, synced: synced.policy},
				&watch{what: "the last good policy", cache: filled{}, synced: synced.lastGood})
			f.follow(t.Context())
			if source := f.state.source; source == fromDefault {
				t.Error("the built-in policy is in force")
			}
		})
	}
}

// held is a ConfigMap that can change, nil for none, and what was tried to write.
type held struct {
	cache.Cache
	object *corev1.ConfigMap
}

func (h *held) Get(_ context.Context, _ client.ObjectKey, object client.Object, _ ...client.GetOption) error {
	if h.object == nil {
		return apierrors.NewNotFound(corev1.Resource("configmaps"), "x")
	}
	h.object.DeepCopyInto(object.(*corev1.ConfigMap))
	return nil
}

// failing is a client that can write nothing.
type failing struct{ client.Client }

func (failing) Create(context.Context, client.Object, ...client.CreateOption) error {
	return errors.New("no")
}
func (failing) Apply(context.Context, runtime.ApplyConfiguration, ...client.ApplyOption) error {
	return errors.New("no")
}

// testFollower is a follower, and what it told whoever judges.
type testFollower struct {
	follower
	inForce *policy.Policy
	source  string
	bad     bool
	changes []string
}

func newTestFollower(client client.Client, current, kept *watch) *testFollower {
	key := types.NamespacedName{Namespace: "n", Name: "policy"}
	f := &testFollower{follower: follower{key: key, log: slog.New(slog.DiscardHandler), policy: current, lastGood: kept,
		writer: writer{client: client, policy: key}, changed: make(chan struct{}, 1)}}
	f.hooks = Hooks{
		SetPolicy:     func(p *policy.Policy, source string) { f.inForce, f.source = p, source },
		Loading:       &sync.Mutex{},
		PolicyChanged: func(result string, _ time.Time) { f.changes = append(f.changes, result) },
		PolicyBad:     func(bad bool) { f.bad = bad },
	}
	return f
}

func followed(client client.Client) (f *testFollower, current, kept *held) {
	current, kept = &held{}, &held{}
	yes := func() bool { return true }
	f = newTestFollower(client, &watch{what: "the policy", cache: current, synced: yes},
		&watch{what: "the last good policy", cache: kept, synced: yes})
	return f, current, kept
}

func withPolicy(text string, version string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "policy", UID: "u", ResourceVersion: version},
		Data: map[string]string{policy.Key: text}}
}

// TestFirstPolicyIsBad: what is in force depends on the ConfigMaps alone, not on what a replica saw before.
func TestFirstPolicyIsBad(t *testing.T) {
	f, current, _ := followed(failing{})
	inForce := func() string { f.follow(t.Context()); return f.inForce.Hash }
	never := inForce()
	current.object = withPolicy("profil: x", "1")
	bad := inForce()
	other, otherCurrent, _ := followed(failing{})
	otherCurrent.object = current.object
	other.follow(t.Context())
	if started := other.inForce.Hash; bad == never || started != bad {
		t.Errorf("never there: %s, bad: %s, of a replica that started then: %s", never, bad, started)
	}
	current.object = nil
	if gone := inForce(); gone != never {
		t.Errorf("gone again: %s, never there: %s", gone, never)
	}
}

// noting is a client that notes what is applied.
type noting struct {
	client.Client
	applied []string
}

func (n *noting) Create(context.Context, client.Object, ...client.CreateOption) error { return nil }
func (n *noting) Apply(_ context.Context, object runtime.ApplyConfiguration, _ ...client.ApplyOption) error {
	if text, ok := object.(*corev1apply.ConfigMapApplyConfiguration).Data[policy.Key]; ok {
		n.applied = append(n.applied, text)
	}
	return nil
}

// TestVersionsOfAnotherCluster: a last good policy that was restored from a backup, or came from another cluster, holds
// up no newer one.
func TestVersionsOfAnotherCluster(t *testing.T) {
	const header = "apiVersion: podvet.dev/v1alpha1\nkind: Policy\n"
	for annotation, want := range map[string]int{"9000000": 1, "5003": 0, "4000": 1} {
		notes := &noting{}
		f, current, kept := followed(notes)
		kept.object = withPolicy(header+"mode: off\n", "5004")
		kept.object.Annotations = map[string]string{versionAnnotation: annotation}
		current.object = withPolicy(header+"mode: enforce\n", "5002")
		f.follow(t.Context())
		if len(notes.applied) != want {
			t.Errorf("copied from version %s: %d times kept, want %d", annotation, len(notes.applied), want)
		}
	}
}

// TestDeletedWhileBad: a last good policy that is deleted while the policy is bad comes back from whoever has it.
func TestDeletedWhileBad(t *testing.T) {
	const header = "apiVersion: podvet.dev/v1alpha1\nkind: Policy\n"
	notes := &noting{}
	f, current, kept := followed(notes)
	kept.object = withPolicy(header+"mode: audit\n", "2")
	current.object = withPolicy("profil: x", "3")
	f.follow(t.Context())
	if len(notes.applied) != 0 {
		t.Fatalf("%q", notes.applied)
	}
	kept.object = nil
	f.follow(t.Context())
	if len(notes.applied) != 1 || notes.applied[0] != header+"mode: audit\n" {
		t.Errorf("%q", notes.applied)
	}
	// Where the policy is deleted too, podvet may be on its way out.
	current.object = nil
	f.follow(t.Context())
	if len(notes.applied) != 1 {
		t.Errorf("%q", notes.applied)
	}
}

// TestUnkeptIsKeptLater: a good policy that could not be kept is, although a bad one has followed.
func TestUnkeptIsKeptLater(t *testing.T) {
	const header = "apiVersion: podvet.dev/v1alpha1\nkind: Policy\n"
	f, current, kept := followed(failing{})
	kept.object = withPolicy(header, "1")
	current.object = withPolicy(header+"mode: audit\n", "2")
	f.follow(t.Context())
	current.object = withPolicy("profil: x", "3")
	if next := f.follow(t.Context()); next.IsZero() {
		t.Error("it is not tried again")
	}
	good := f.inForce.Hash
	notes := &noting{}
	f.writer.client = notes
	f.follow(t.Context())
	if len(notes.applied) != 1 || notes.applied[0] != header+"mode: audit\n" {
		t.Errorf("%q", notes.applied)
	}
	// Also before the watch shows what was written.
	if got := f.inForce.Hash; got != good {
		t.Errorf("%s is in force, the last good one is %s", got, good)
	}
	kept.object = withPolicy(header+"mode: audit\n", "4")
	f.follow(t.Context())
	if got := f.inForce.Hash; got != good || len(notes.applied) != 1 || f.state.unkept {
		t.Errorf("%s is in force, the last good one is %s: %q", got, good, notes.applied)
	}
}

// TestUnkeptIsNotTakenBack: a good policy that could not be kept is still the last good one.
func TestUnkeptIsNotTakenBack(t *testing.T) {
	const header = "apiVersion: podvet.dev/v1alpha1\nkind: Policy\n"
	f, current, kept := followed(failing{})
	kept.object = withPolicy(header, "1")
	current.object = withPolicy(header+"mode: audit\n", "2")
	f.follow(t.Context())
	good := f.inForce.Hash
	current.object = withPolicy("profil: x", "3")
	f.follow(t.Context())
	if got := f.inForce.Hash; got != good {
		t.Errorf("%s is in force, the last good one is %s", got, good)
	}
}

// TestPolicyBad: the alert stands for as long as the ConfigMap holds a policy with mistakes, and no longer.
func TestPolicyBad(t *testing.T) {
	const header = "apiVersion: podvet.dev/v1alpha1\nkind: Policy\n"
	f, current, kept := followed(failing{})
	kept.object = withPolicy(header, "1")
	for i, step := range []struct {
		text string // none: no ConfigMap
		want bool
	}{{header, false}, {"profil: x", true}, {"profil: x", true}, {"", false}, {"profil: y", true}, {header, false}} {
		if current.object = nil; step.text != "" {
			current.object = withPolicy(step.text, strconv.Itoa(i))
		}
		f.follow(t.Context())
		if f.bad != step.want {
			t.Errorf("step %d, %q: podvet_policy_bad is %v", i, step.text, f.bad)
		}
	}
}
