package webhook

import (
	"context"
	"log/slog"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// filled is a cache that holds one ConfigMap.
type filled struct {
	cache.Cache
	text string
}

func (c filled) Get(_ context.Context, _ client.ObjectKey, object client.Object, _ ...client.GetOption) error {
	object.(*corev1.ConfigMap).Data = map[string]string{PolicyKey: c.text}
	return nil
}

// untouched is a client that may make nothing: the chart's role does not allow it.
type untouched struct {
	client.Client
	t *testing.T
}

func (c untouched) Create(_ context.Context, object client.Object, _ ...client.CreateOption) error {
	c.t.Errorf("it creates a %T", object)
	return nil
}

// What is read just after it was looked for has not been absent: podvet would make a ConfigMap that is there, which its
// role forbids, or judge by the built-in policy where there is one of the user's.
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
			h := NewHandler(nil, 0, slog.New(slog.DiscardHandler))
			c := &Cluster{handler: h, log: h.log, client: untouched{t: t}, key: types.NamespacedName{Namespace: "n", Name: "policy"},
				policy:   &watch{what: "the policy", cache: filled{text: text}, synced: synced.policy},
				lastGood: &watch{what: "the last good policy", cache: filled{}, synced: synced.lastGood}}
			c.follower = newFollower(c)
			c.follower.follow(t.Context())
			if source := c.follower.source; source == fromDefault {
				t.Error("the built-in policy is in force")
			}
		})
	}
}
