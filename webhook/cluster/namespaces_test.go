package cluster

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// namespaceClient knows one namespace, cannot read others, and notes the calls.
type namespaceClient struct {
	client.Client
	calls []string
}

func (c *namespaceClient) Get(
	ctx context.Context, key client.ObjectKey, object client.Object, _ ...client.GetOption,
) error {
	c.calls = append(c.calls, key.Name)
	switch key.Name {
	case "new":
		object.SetLabels(map[string]string{"is": "new"})
		return nil
	case "secret":
		return apierrors.NewForbidden(corev1.Resource("namespaces"), key.Name, errors.New("no"))
	case "slow":
		<-ctx.Done()
		return fmt.Errorf("get: %w", ctx.Err())
	}
	return apierrors.NewNotFound(corev1.Resource("namespaces"), key.Name)
}

// seenNamespaces have one that the watch has shown.
func seenNamespaces(t *testing.T) (n *namespaces, calls *namespaceClient, counted map[string]int) {
	t.Helper()
	store := toolscache.NewStore(toolscache.MetaNamespaceKeyFunc)
	seen := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Name: "seen",
		Labels: map[string]string{"is": "seen"}}}
	if err := store.Add(seen); err != nil {
		t.Fatal(err)
	}
	calls, counted = &namespaceClient{}, map[string]int{}
	n = newNamespaces(calls, func(result string) { counted[result]++ })
	n.watch = &watch{store: store, synced: func() bool { return true }}
	return n, calls, counted
}

// TestNamespaceLabels: only a namespace that was not seen yet, and whose labels are needed, is asked for, and the
// answer is remembered for a moment.
func TestNamespaceLabels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, calls, counted := seenNamespaces(t)
		for range 2 {
			for name, want := range map[string]map[string]string{"seen": {"is": "seen"}, "new": {"is": "new"},
				"gone": nil, "": nil, "Not_A-Name": nil, "a/b": nil} {
				got, err := n.labels(t.Context(), name, true)
				if diff := cmp.Diff(want, got); err != nil || diff != "" {
					t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
				}
			}
		}
		for name, want := range map[string]string{"secret": "podvet may not get namespaces",
			"slow": "the API server did not answer in time"} {
			if got, err := n.labels(t.Context(), name, true); got != nil || err == nil || err.Error() != want {
				t.Errorf("%s: %v, %v", name, got, err)
			}
		}
		if got, err := n.labels(t.Context(), "unneeded", false); got != nil || err != nil {
			t.Errorf("unneeded: %v, %v", got, err)
		}
		if diff := cmp.Diff(map[string]int{"found": 1, "absent": 1, "failed": 2}, counted); diff != "" {
			t.Errorf("counted (-want +got):\n%s", diff)
		}
		asked := len(calls.calls)
		time.Sleep(answerKept)
		if _, err := n.labels(t.Context(), "gone", true); err != nil || len(calls.calls) != asked+1 {
			t.Errorf("%v: asked for %v: what was absent is not asked for again", err, calls.calls)
		}
		if !n.has("seen") || n.has("new") {
			t.Error("only what the watch has shown is known")
		}
	})
}

// TestLookupsAreFew: whoever invents names makes the API server work no more than a little, and fills no memory.
func TestLookupsAreFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, calls, counted := seenNamespaces(t)
		const invented, seconds = 1000, 10
		refused := 0
		for second := range seconds {
			for i := range invented {
				if _, err := n.labels(t.Context(), fmt.Sprintf("invented-%d-%d", second, i), true); err != nil {
					refused++
				}
			}
			time.Sleep(time.Second)
		}
		most := lookupsAtOnce + lookupsPerSecond*seconds
		t.Logf("%d names, %d asked for, %d remembered", invented*seconds, len(calls.calls), len(n.answers))
		if len(calls.calls) > most || len(calls.calls) < lookupsAtOnce || len(n.answers) > lookupsAtOnce {
			t.Errorf("%d asked for, %d remembered", len(calls.calls), len(n.answers))
		}
		if refused+len(calls.calls) != invented*seconds || counted["limited"] != refused {
			t.Errorf("%d refused, counted %v", refused, counted)
		}
		if got, err := n.labels(t.Context(), "seen", true); err != nil || got["is"] != "seen" {
			t.Errorf("what is known is no longer: %v, %v", got, err)
		}
	})
}

// TestKnownNamespaces are not known before they are read.
func TestKnownNamespaces(t *testing.T) {
	n, _, _ := seenNamespaces(t)
	if diff := cmp.Diff(map[string]map[string]string{"seen": {"is": "seen"}}, n.known()); diff != "" {
		t.Errorf("known (-want +got):\n%s", diff)
	}
	n.synced = func() bool { return false }
	if known := n.known(); known != nil {
		t.Errorf("before they are read: %v", known)
	}
}
