package catalogue

import (
	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/pod"
)

// UnknownField is about objects in files. At admission there is nothing to find: the API server has dropped the key, or
// refused the object.
var UnknownField = rules.ForObject(rules.Rule{
	ID:     "unknown-field",
	Group:  rules.Files,
	Title:  "a key that Kubernetes does not know",
	Levels: rules.Levels{rules.Warn, rules.Warn, rules.Deny},
	Who:    rules.Who{Kubelets: pod.KnownFields},
})
