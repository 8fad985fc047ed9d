package preview

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"slices"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"

	"github.com/podvet/podvet/cmd/podvet/internal/console"
	"github.com/podvet/podvet/cmd/podvet/internal/picture"
	"github.com/podvet/podvet/cmd/podvet/internal/vet"
)

// Bounds of what a page draws: each figure is two hundred simulations, and some 10 kB for each container.
const (
	maxLanes = 100  // containers in all figures
	maxNoted = 2000 // pods that are kept until it is known which are drawn
)

// Figures are the timelines of a page. Pods whose lives cannot differ share one.
type Figures struct {
	lock  sync.Mutex // documents are judged in parallel
	noted map[string]noted
	shown []*figure // in the order of the page
	lanes int       // of these
}

type noted struct {
	vet.Verdict
	picture.Found
}

type figure struct {
	id, rule, of string
	more         int // findings that it shows too
}

// Of is the id of the timeline that shows a finding, "" for none.
func (f *Figures) Of(v vet.Verdict, rule, container string) string {
	if picture.About(rule) == "" || len(v.Invalid) > 0 {
		return ""
	}
	one := noted{v, picture.Found{Rule: rule, Container: container}}
	id := one.id()
	f.lock.Lock()
	defer f.lock.Unlock()
	if _, known := f.noted[id]; !known {
		if len(f.noted) == maxNoted {
			return ""
		}
		if f.noted == nil {
			f.noted = map[string]noted{}
		}
		f.noted[id] = one
	}
	return id
}

// id is the same for all in which nothing differs that a simulation looks at.
func (n noted) id() string {
	spec := *n.Subject.Spec
	shape := corev1.PodSpec{RestartPolicy: spec.RestartPolicy,
		TerminationGracePeriodSeconds: spec.TerminationGracePeriodSeconds,
		ActiveDeadlineSeconds:         spec.ActiveDeadlineSeconds, OS: spec.OS}
	for _, c := range spec.InitContainers {
		shape.InitContainers = append(shape.InitContainers, shapeOf(c))
	}
	for _, c := range spec.Containers {
		shape.Containers = append(shape.Containers, shapeOf(c))
	}
	repairs := make([]picture.Found, 0, len(n.Fixed))
	for _, fixed := range n.Fixed {
		repairs = append(repairs, picture.Found{Rule: fixed.Rule.ID, Container: fixed.Container})
	}
	text, _ := json.Marshal([]any{n.Found, shape, repairs}) // these types have no value that JSON cannot hold
	sum := sha256.Sum256(text)
	return "timeline-" + hex.EncodeToString(sum[:6])
}

func shapeOf(c corev1.Container) corev1.Container {
	return corev1.Container{Name: c.Name, Ports: c.Ports, LivenessProbe: c.LivenessProbe,
		ReadinessProbe: c.ReadinessProbe, StartupProbe: c.StartupProbe, Lifecycle: c.Lifecycle,
		RestartPolicy: c.RestartPolicy, RestartPolicyRules: c.RestartPolicyRules}
}

// Style is that of all timelines.
func (f *Figures) Style() string {
	return "figure { margin: 1.5rem 0; }\n.timeline { height: auto; max-width: 100%; }\n" + picture.Style
}

// Link leads from what a rule finds in an object to its timeline, "" where the page has enough of them.
func (f *Figures) Link(id, rule, of string) string {
	if id == "" {
		return ""
	}
	lanes := len(f.noted[id].Subject.Spec.InitContainers) + len(f.noted[id].Subject.Spec.Containers)
	i := slices.IndexFunc(f.shown, func(one *figure) bool { return one.id == id })
	switch {
	case i >= 0:
		f.shown[i].more++
	case f.lanes+lanes > maxLanes:
		return ""
	default:
		f.lanes += lanes
		f.shown = append(f.shown, &figure{id: id, rule: rule, of: of})
	}
	return fmt.Sprintf(` <a href="#%s">timeline</a>`, id)
}

// All are the timelines that links lead to.
func (f *Figures) All() string {
	if len(f.shown) == 0 {
		return ""
	}
	var out strings.Builder
	out.WriteString("<h2>What the kubelet will do</h2>\n<p>Simulated by podvet: what each finding about time " +
		"comes to. <code>podvet timeline</code> draws other scenarios.</p>\n")
	pictures := make([]string, len(f.shown))
	var drawing sync.WaitGroup
	for i, one := range f.shown {
		drawing.Go(func() {
			n := f.noted[one.id]
			pictures[i] = picture.Inside(picture.OfFinding(n.Verdict, n.Found), one.id)
		})
	}
	drawing.Wait()
	for i, one := range f.shown {
		caption := html.EscapeString(console.Printable(one.rule + ": " + one.of))
		if one.more > 0 {
			caption += fmt.Sprintf(", and %d more like it", one.more)
		}
		fmt.Fprintf(&out, "<figure id=\"%s\">\n<figcaption>%s</figcaption>\n%s</figure>\n", one.id, caption,
			pictures[i])
	}
	return out.String()
}
