package picture

import (
	"encoding/json"
	"io"
	"math"
	"time"

	"github.com/podvet/podvet/rules/timeline"
)

// The document of -o json. docs/timeline.md describes it. Fields may be added, never renamed.
type (
	document struct {
		APIVersion string    `json:"apiVersion"`
		Kind       string    `json:"kind"`
		Subjects   []subject `json:"subjects"`
	}
	subject struct {
		File      string  `json:"file"`
		Line      int     `json:"line"`
		Kind      string  `json:"kind"`
		Namespace string  `json:"namespace"`
		Name      string  `json:"name"`
		Kubelet   int     `json:"kubelet"`
		Seconds   float64 `json:"seconds"`
		Scenario  string  `json:"scenario"`
		Chosen    bool    `json:"chosen"`
		Lives     []life  `json:"lives"`
	}
	life struct {
		As         string      `json:"as"`
		Verdict    string      `json:"verdict"`
		Killed     int         `json:"killed"`
		Draws      int         `json:"draws"`
		Containers []container `json:"containers"`
		Endpoints  []span      `json:"endpoints"`
		Phases     []span      `json:"phases"`
		Printed    []span      `json:"printed"`
		Events     []event     `json:"events"`
		Probes     []probe     `json:"probes"`
	}
	container struct {
		Name  string `json:"name"`
		Class string `json:"class"`
		Spans []span `json:"spans"`
	}
	span struct {
		From  float64 `json:"from"`
		To    float64 `json:"to"`
		State string  `json:"state"`
	}
	event struct {
		At        float64 `json:"at"`
		Earliest  float64 `json:"earliest"`
		Latest    float64 `json:"latest"`
		Lives     int     `json:"lives"`
		Kind      string  `json:"kind"`
		Container string  `json:"container"`
		Restart   int     `json:"restart"`
		Grace     float64 `json:"grace,omitempty"`
		Wait      float64 `json:"wait,omitempty"`
		ExitCode  *int32  `json:"exitCode,omitempty"`
		Text      string  `json:"text,omitempty"`
	}
	probe struct {
		From      float64 `json:"from"`
		To        float64 `json:"to"`
		Container string  `json:"container"`
		Restart   int     `json:"restart"`
		Probe     string  `json:"probe"`
		Result    string  `json:"result"`
	}
)

// JSON writes timelines as one document.
func JSON(w io.Writer, all []Timeline) error {
	doc := document{APIVersion: "podvet.dev/v1alpha1", Kind: "Timeline", Subjects: []subject{}}
	for _, t := range all {
		scenario := t.Lives[0].Scenario
		s := subject{File: t.File, Line: t.Line, Kind: t.Kind, Namespace: t.Namespace, Name: t.Name,
			Kubelet: scenario.Kubelet, Seconds: sec(scenario.Length), Scenario: t.Scenario, Chosen: t.Chosen}
		for _, l := range t.Lives {
			s.Lives = append(s.Lives, lifeOf(l, t.Seeded))
		}
		doc.Subjects = append(doc.Subjects, s)
	}
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	out.SetIndent("", "  ")
	return out.Encode(doc)
}

func lifeOf(l Life, seeded bool) life {
	made := life{As: l.As, Verdict: l.Verdict, Killed: l.Killed, Draws: l.Draws,
		Endpoints: spansOf(l.Endpoints), Phases: spansOf(l.Phases), Printed: spansOf(l.Printed),
		Events: []event{}, Probes: []probe{}}
	for _, c := range l.Containers {
		made.Containers = append(made.Containers, container{c.Name, c.Class, spansOf(c.Spans)})
	}
	for _, m := range l.Moments {
		if seeded {
			m.Earliest, m.Latest, m.Lives = m.At, m.At, 1
		}
		made.Events = append(made.Events, eventOf(m))
	}
	for _, e := range l.Events {
		if e.Kind == timeline.Probed {
			made.Probes = append(made.Probes, probe{sec(e.Began), sec(e.At), e.Container, e.Restart, e.Probe, e.Result})
		}
	}
	return made
}

func eventOf(m timeline.Moment) event {
	e := event{At: sec(m.At), Earliest: sec(m.Earliest), Latest: sec(m.Latest), Lives: m.Lives, Kind: string(m.Kind),
		Container: m.Container, Restart: m.Restart, Grace: sec(m.Grace),
		Wait: sec(m.Wait), Text: m.Text}
	if m.Kind == timeline.Exited {
		e.ExitCode = &m.ExitCode
	}
	return e
}

func spansOf(list []timeline.Span) []span {
	spans := make([]span, 0, len(list))
	for _, s := range list {
		spans = append(spans, span{sec(s.From), sec(s.To), s.State})
	}
	return spans
}

// sec is a time in seconds, to a millisecond.
func sec(d time.Duration) float64 { return math.Round(d.Seconds()*1000) / 1000 }
