// Package picture simulates the pods of a text and draws their lives, as text, as a picture and as JSON to draw from.
// It says in words what they come to, and chooses the scenario that tells most. It opens no file: it also runs in a
// browser.
package picture

import (
	"github.com/podvet/podvet/rules/pod"
	"github.com/podvet/podvet/rules/timeline"
)

// Timeline is what is drawn of one pod.
type Timeline struct {
	File            string
	Line            int
	Kind, Namespace string
	Name            string
	Scenario        string // in words
	About           string // the container that it is about
	Chosen          bool   // by podvet
	Seeded          bool   // one run that someone asked for: no other is looked at
	Lives           []Life
}

// Life is a life of the pod as it is written, or with fixes.
type Life struct {
	As      string // AsWritten or Fixed
	Subject *pod.Subject
	*timeline.Possible
	Verdict string
}

// How a pod is drawn.
const (
	AsWritten = "as written"
	Fixed     = "with podvet's fixes"
)
