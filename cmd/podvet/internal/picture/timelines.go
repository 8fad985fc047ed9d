package picture

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/podvet/podvet/cmd/podvet/internal/manifest"
	"github.com/podvet/podvet/cmd/podvet/internal/stream"
	"github.com/podvet/podvet/cmd/podvet/internal/vet"
	"github.com/podvet/podvet/rules/pod"
	"github.com/podvet/podvet/rules/timeline"
)

// Timelines simulates the pods of a text.
type Timelines struct {
	vet.Judge
	Scenario timeline.Scenario // by container
	// Told says what happens in it to the container that flags are about; nil where podvet is to choose.
	Told      func(container string) []string
	Container string          // that boots, hangs and ends; "" for the first one
	Boots     map[string]bool // containers that are named for their boot
	Seed      *uint64         // nil for a life in the middle, among many
	Exactly   bool            // look for as long as the scenario says, whatever podvet chooses
	Fixed     bool            // draw the pods with podvet's fixes, too
	IfFixed   bool            // likewise, those that there are fixes for
	// Wanted tells whether to draw a pod, by its name and its containers; nil for all.
	Wanted func(title string, containers []string) bool

	// Left is told of documents that hold no pod that could be drawn, and why.
	Left func(doc *manifest.Document, reason string)

	All      []Timeline
	Problems []manifest.Problem

	without []manifest.Problem // pods that have none of the containers that flags name
}

// Finish says of pods without the containers that flags name, where no other pod has them.
func (t *Timelines) Finish() {
	if len(t.All) == 0 {
		t.Problems = append(t.Problems, t.without...)
	}
}

// Problem adds one.
func (t *Timelines) Problem(p manifest.Problem) { t.Problems = append(t.Problems, p) }

// Chunk simulates the pods in a chunk.
func (t *Timelines) Chunk(c stream.Chunk) {
	docs, problems := manifest.Parse(c)
	t.Problems = append(t.Problems, problems...)
	for _, doc := range docs {
		verdicts := t.Of(doc)
		if len(verdicts) == 0 {
			reason, invalid := t.Aside(doc)
			t.Problems = append(t.Problems, invalid...)
			if len(invalid) == 0 && reason != "" && t.Left != nil {
				t.Left(doc, reason)
			}
		}
		for _, v := range verdicts {
			switch {
			case len(v.Invalid) > 0:
				p := v.Invalid[0]
				t.Problem(manifest.Problem{File: doc.File, Line: doc.LineOf(p.Path), Text: fmt.Sprintf(
					"the API server refuses %s: %s %s", doc.Title(), p.Path, p.Text)})
			case t.Wanted != nil && !t.Wanted(doc.Title(), containersOf(v.Subject)):
			case t.unknown(v.Subject) != "":
				t.without = append(t.without, manifest.Problem{File: doc.File, Line: doc.Line, Text: fmt.Sprintf(
					"%s has no container %q: it has %s", doc.Title(), t.unknown(v.Subject), namesOf(v.Subject))})
			default:
				drawn := t.of(v, found(v))
				drawn.File, drawn.Line, drawn.Kind = doc.File, doc.Line, doc.Kind
				t.All = append(t.All, drawn)
			}
		}
	}
}

// unknown is a container that a flag names and the pod does not have, "" for none.
func (t *Timelines) unknown(s *pod.Subject) string {
	for name := range t.Boots {
		if !slices.Contains(containersOf(s), name) {
			return name
		}
	}
	if t.Container != "" && !slices.Contains(containersOf(s), t.Container) {
		return t.Container
	}
	return ""
}

func containersOf(s *pod.Subject) (names []string) {
	for _, c := range slices.Concat(s.Spec.InitContainers, s.Spec.Containers) {
		names = append(names, c.Name)
	}
	return names
}

func namesOf(s *pod.Subject) string { return strings.Join(containersOf(s), ", ") }

// of draws a pod, in a scenario that podvet chooses by what is found.
func (t *Timelines) of(v vet.Verdict, found []Found) Timeline {
	s := v.Subject
	drawn := Timeline{Namespace: s.Namespace, Name: s.Name, Chosen: t.Told == nil, Seeded: t.Seed != nil}
	scenario := t.scenarioOf(s)
	if t.Told == nil {
		scenario, drawn.About, drawn.Scenario = Telling(s, scenario, found, t.Container)
		if t.Exactly {
			scenario.Length = t.Scenario.Length
		}
	} else {
		drawn.About = t.named(s)
		drawn.Scenario = strings.Join(t.Told(drawn.About), ", ")
	}
	draw := func(as string, s *pod.Subject) {
		timing := timeline.Middle(s)
		if t.Seed != nil {
			timing = timeline.Drawn(s, *t.Seed)
		}
		drawn.Lives = append(drawn.Lives, NewLife(as, s, scenario, timing))
	}
	draw(AsWritten, s)
	if t.Fixed || t.IfFixed && len(v.Fixed) > 0 {
		draw(Fixed, v.Repair.Subject)
	}
	return drawn
}

// named is the container that flags are about.
func (t *Timelines) named(s *pod.Subject) string {
	return cmp.Or(t.Container, s.Spec.Containers[0].Name)
}

// scenarioOf is the scenario with each container of the pod: what no flag names serves at once and runs on.
func (t *Timelines) scenarioOf(s *pod.Subject) timeline.Scenario {
	scenario := t.Scenario
	scenario.Containers = map[string]timeline.Behavior{}
	named := t.named(s)
	all := t.Scenario.Containers[""]
	for _, name := range containersOf(s) {
		does := timeline.Behavior{StopTakes: all.StopTakes}
		if name == named {
			does = all
		}
		if t.Boots[name] {
			does.Boot = t.Scenario.Containers[name].Boot
		}
		scenario.Containers[name] = does
	}
	for c := range s.InitContainers() {
		if does := scenario.Containers[c.Name]; does.Boot == 0 {
			does.Boot = initTakes
			scenario.Containers[c.Name] = does
		}
	}
	return scenario
}

// initTakes is how long an init container runs of which nothing is said.
const initTakes = time.Second

// found is what rules find, with what fixes repair.
func found(v vet.Verdict) (found []Found) {
	for _, f := range v.Findings {
		found = append(found, Found{Rule: f.Rule.ID, Container: f.Container})
	}
	for _, f := range v.Fixed {
		found = append(found, Found{Rule: f.Rule.ID, Container: f.Container})
	}
	return found
}
