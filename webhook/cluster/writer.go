package cluster

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	corev1apply "k8s.io/client-go/applyconfigurations/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/policy"
)

// fieldManager owns what podvet applies.
const fieldManager = "podvet"

// writeTimeout bounds a write, with a second more for each applyRate bytes: the next change of the policy waits for it.
// A busy API server takes seconds to apply the longest policies, and goes on when nobody waits any more: to ask again
// makes it busier.
const (
	writeTimeout = 2 * time.Second
	applyRate    = 128 << 10
)

// writer writes what podvet tells its cluster: the last good policy and Events.
type writer struct {
	client client.Client
	policy types.NamespacedName // the ConfigMap
	marks  metav1.ObjectMeta    // of a last good policy that has to be made
}

// keep copies a good policy into the ConfigMap of the last good one, which is kept, nil for none.
func (w writer) keep(ctx context.Context, good lastGood, kept *corev1.ConfigMap) error {
	ctx, stop := context.WithTimeout(ctx, writeTimeout+time.Duration(len(good.text)/applyRate)*time.Second)
	defer stop()
	key := lastGoodOf(w.policy)
	// By apply, where it is absent too: the right to create may then be bound to its name.
	if kept == nil {
		// By a manager that applies nothing else: what its next apply leaves out would be taken away.
		marked := corev1apply.ConfigMap(key.Name, key.Namespace).
			WithLabels(w.marks.Labels).WithAnnotations(w.marks.Annotations)
		owner := client.FieldOwner(fieldManager + "-made")
		if err := w.client.Apply(ctx, marked, owner, client.ForceOwnership); err != nil {
			return err
		}
	}
	object := corev1apply.ConfigMap(key.Name, key.Namespace).
		WithData(map[string]string{policy.Key: good.text}).
		WithAnnotations(map[string]string{versionAnnotation: good.version,
			"podvet.dev/about": "The last policy that podvet could use. podvet writes it; edit the ConfigMap " +
				w.policy.Name + " instead."})
	if kept != nil {
		object.WithUID(kept.UID).WithResourceVersion(kept.ResourceVersion) // only what was read is replaced
	}
	err := w.client.Apply(ctx, object, client.FieldOwner(fieldManager), client.ForceOwnership)
	if err != nil && !apierrors.IsConflict(err) {
		return err
	}
	return nil // another replica was first: its write will poke
}

// event is one for all replicas and each mistake: its name says which.
func (w writer) event(ctx context.Context, about *corev1.ConfigMap, problem string) error {
	ctx, stop := context.WithTimeout(ctx, writeTimeout)
	defer stop()
	sum := sha256.Sum256([]byte(string(about.UID) + about.ResourceVersion + problem))
	now := metav1.Now()
	err := w.client.Create(ctx, &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{Namespace: about.Namespace,
			Name: about.Name + "." + hex.EncodeToString(sum[:8])},
		InvolvedObject: corev1.ObjectReference{APIVersion: "v1", Kind: "ConfigMap", Namespace: about.Namespace,
			Name: about.Name, UID: about.UID, ResourceVersion: about.ResourceVersion},
		Type: corev1.EventTypeWarning, Reason: "PolicyNotUsed", Message: truncated(rules.Legible(problem, 1000)),
		Source: corev1.EventSource{Component: "podvet"}, FirstTimestamp: now, LastTimestamp: now, Count: 1,
		ReportingController: "podvet.dev/podvet",
	})
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

// truncated fits an Event's message (K pkg/apis/core/validation/events.go: 1,024 bytes).
func truncated(text string) string {
	const most = 1000
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}
