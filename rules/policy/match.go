package policy

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/podvet/podvet/rules/custom"
	"github.com/podvet/podvet/rules/pod"
)

// place is where a pod or a template is, as selectors see it.
type place struct {
	namespace, kind            string
	namespaceLabels, podLabels map[string]string
}

func placeOf(s *pod.Subject, namespaceLabels map[string]string) place {
	return place{s.Namespace, s.OwnerKind, namespaceLabels, s.Meta.Labels}
}

// matcher is a Match ready for use.
type matcher struct {
	namespaces                     []pattern
	kinds                          []custom.Owner
	namespaceSelector, podSelector labels.Selector // nil for all
}

func (m *matcher) matches(at place) bool {
	return anyMatches(m.namespaces, at.namespace) &&
		(len(m.kinds) == 0 || slices.Contains(m.kinds, custom.Owner(at.kind))) &&
		(m.namespaceSelector == nil || m.namespaceSelector.Matches(labels.Set(at.namespaceLabels))) &&
		(m.podSelector == nil || m.podSelector.Matches(labels.Set(at.podLabels)))
}

// labelKeys are the keys that selectors mention.
type labelKeys map[string]bool

func newMatcher(m *Match, ofNamespaces, ofPods labelKeys) matcher {
	return matcher{m.Namespaces, m.Kinds,
		newSelector(m.NamespaceSelector, ofNamespaces), newSelector(m.PodSelector, ofPods)}
}

// newSelector returns nil where everything is selected.
func newSelector(s *metav1.LabelSelector, keys labelKeys) labels.Selector {
	if SelectsAll(s) {
		return nil
	}
	selector, _ := metav1.LabelSelectorAsSelector(s) // it was checked when it was read
	requirements, _ := selector.Requirements()
	for _, r := range requirements {
		keys[r.Key()] = true
	}
	return selector
}
