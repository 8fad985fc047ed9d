package webhook

import "github.com/podvet/podvet/rules"

// What callers send is said in part: of a name as much as the longest in Kubernetes has, and of an error a few lines.
const (
	maxName  = 253
	maxError = 500
)

func legible(name string) string { return rules.Legible(name, maxName) }

// words are an error's, which may tell what the caller sent.
func words(err error) string { return rules.Legible(err.Error(), maxError) }
