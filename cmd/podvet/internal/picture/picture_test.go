package picture_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"sigs.k8s.io/yaml"

	"github.com/podvet/podvet/cmd/podvet/internal/picture"
	"github.com/podvet/podvet/rules/pod"
	"github.com/podvet/podvet/rules/timeline"
)

var once []picture.Timeline

// drawn are timelines of the pods in all fixtures of rules, in a scenario with a boot, a hang and a deletion.
func drawn(t *testing.T) (all []picture.Timeline) {
	t.Helper()
	if once != nil {
		return once
	}
	defer func() { once = all }()
	files, err := filepath.Glob("../../../../rules/catalogue/*/bad.yaml")
	if err != nil || len(files) < 30 {
		t.Fatalf("%d fixtures: %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var kind struct{ APIVersion, Kind string }
		if err := yaml.Unmarshal(text, &kind); err != nil {
			t.Fatal(err)
		}
		object := pod.NewObject(kind.APIVersion, kind.Kind)
		if object == nil {
			continue
		}
		if err := yaml.Unmarshal(text, object); err != nil {
			t.Fatal(err)
		}
		s, _ := pod.Read(object)
		scenario := timeline.Scenario{Kubelet: pod.Newest, Length: 8 * time.Minute, DeleteAt: 7 * time.Minute,
			Containers: map[string]timeline.Behavior{}}
		for _, c := range s.Containers {
			scenario.Containers[c.Name] = timeline.Behavior{Boot: 45 * time.Second, HangAt: 5 * time.Minute,
				StopTakes: 40 * time.Second}
		}
		for c := range s.InitContainers() {
			scenario.Containers[c.Name] = timeline.Behavior{Boot: time.Second}
		}
		life := picture.NewLife(picture.AsWritten, s, scenario, timeline.Middle(s))
		all = append(all, picture.Timeline{File: file, Line: 1, Kind: s.Kind, Name: s.Name,
			Scenario: "all boot in 45 s", Lives: []picture.Life{life}})
	}
	return all
}

// TestWidth: each line fits 100 columns, nothing that acts on a terminal is in it, and no blank ends it.
func TestWidth(t *testing.T) {
	for _, timeline := range drawn(t) {
		text := picture.Text(timeline)
		for line := range strings.Lines(text) {
			line = strings.TrimSuffix(line, "\n")
			isHead := strings.HasPrefix(line, timeline.File)
			if n := utf8.RuneCountInString(line); n > 100 && !isHead || strings.TrimRight(line, " ") != line {
				t.Errorf("%s: %d columns: %q", timeline.File, n, line)
			}
		}
		for _, part := range []string{"\nVerdict   ", "\n  TIME  CAN BE AT ", "\nLegend    ", "in the endpoints"} {
			if !strings.Contains(text, part) {
				t.Errorf("%s: no %q:\n%s", timeline.File, part, text)
			}
		}
	}
}

// TestJSON: it is enough to draw from: lanes without gaps from the beginning to the end, and events in order.
func TestJSON(t *testing.T) {
	var out bytes.Buffer
	if err := picture.JSON(&out, drawn(t)); err != nil {
		t.Fatal(err)
	}
	type span struct {
		From, To float64
		State    string
	}
	var doc struct {
		APIVersion, Kind string
		Subjects         []struct {
			File    string
			Seconds float64
			Lives   []struct {
				Verdict    string
				Containers []struct {
					Name  string
					Spans []span
				}
				Events []struct {
					At, Earliest, Latest float64
					Kind                 string
				}
				Probes []struct {
					From, To      float64
					Probe, Result string
				}
			}
		}
	}
	if err := json.Unmarshal(out.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	if doc.APIVersion != "podvet.dev/v1alpha1" || doc.Kind != "Timeline" || len(doc.Subjects) < 30 {
		t.Fatalf("%s %s of %d", doc.APIVersion, doc.Kind, len(doc.Subjects))
	}
	probes := 0
	for _, s := range doc.Subjects {
		life := s.Lives[0]
		for _, c := range life.Containers {
			at := 0.0
			for _, span := range c.Spans {
				if span.From != at || span.To < span.From || span.State == "" {
					t.Errorf("%s: %s has a gap at %v: %+v", s.File, c.Name, at, span)
				}
				at = span.To
			}
			if at != s.Seconds {
				t.Errorf("%s: %s ends at %v of %v", s.File, c.Name, at, s.Seconds)
			}
		}
		at := 0.0
		for _, e := range life.Events {
			if e.At < at || e.Earliest > e.At || e.Latest < e.At || e.Kind == "" {
				t.Errorf("%s: %+v after %v", s.File, e, at)
			}
			at = e.At
		}
		for _, p := range life.Probes {
			if p.To < p.From || !strings.HasSuffix(p.Probe, "Probe") || p.Result == "" {
				t.Errorf("%s: %+v", s.File, p)
			}
			probes++
		}
	}
	if probes < 1000 {
		t.Errorf("only %d probes", probes)
	}
}

// TestSVG: it is well-formed and small, and by the widths that it reckons with no text overlaps another. test/browser
// looks at ten of them.
func TestSVG(t *testing.T) {
	type text struct {
		X     float64 `xml:"x,attr"`
		Y     float64 `xml:"y,attr"`
		Words string  `xml:",chardata"`
	}
	for _, timeline := range drawn(t) {
		svg := picture.SVG(timeline)
		if len(svg) > 200_000 {
			t.Errorf("%s: %d bytes", timeline.File, len(svg))
		}
		var parsed struct {
			ViewBox string `xml:"viewBox,attr"`
			Role    string `xml:"role,attr"`
			Title   string `xml:"title"`
			Desc    string `xml:"desc"`
			Texts   []text `xml:"text"`
		}
		if err := xml.Unmarshal([]byte(svg), &parsed); err != nil {
			t.Fatalf("%s: %v", timeline.File, err)
		}
		var wide, high float64
		if n, err := fmt.Sscanf(parsed.ViewBox, "0 0 %f %f", &wide, &high); n != 2 {
			t.Fatalf("%s: %q: %v", timeline.File, parsed.ViewBox, err)
		}
		if parsed.Role != "img" || parsed.Title == "" || !strings.Contains(parsed.Desc, timeline.Lives[0].Verdict) {
			t.Errorf("%s: no words for screen readers", timeline.File)
		}
		end := func(a text) float64 { return a.X + float64(utf8.RuneCountInString(a.Words))*12*0.62 }
		for i, a := range parsed.Texts {
			if a.X < 0 || end(a) > wide || a.Y < 10 || a.Y > high {
				t.Errorf("%s: %q is outside", timeline.File, a.Words)
			}
			for _, b := range parsed.Texts[i+1:] {
				if a.X < end(b) && b.X < end(a) && a.Y-b.Y < 10 && b.Y-a.Y < 10 {
					t.Errorf("%s: %q overlaps %q", timeline.File, a.Words, b.Words)
				}
			}
		}
		if len(parsed.Texts) < 20 {
			t.Errorf("%s: only %d texts", timeline.File, len(parsed.Texts))
		}
	}
}

// TestHostileNames: whatever a manifest holds, the picture is well-formed and has nothing that runs.
func TestHostileNames(t *testing.T) {
	s := one(t, liveness)
	scenario := timeline.Scenario{Kubelet: pod.Newest, Length: time.Minute}
	hostile := "<script>x</script>&\"']]>\x00\u202e\x1b[31m"
	svg := picture.SVG(picture.Timeline{File: hostile, Kind: hostile, Name: hostile, Scenario: hostile,
		Lives: []picture.Life{picture.NewLife(picture.AsWritten, s, scenario, timeline.Middle(s))}})
	if err := xml.Unmarshal([]byte(svg), new(struct{})); err != nil || strings.Contains(svg, "<script") {
		t.Errorf("%v: %s", err, svg)
	}
}

// TestManyContainers: a picture of a large pod is as bounded as any, and has the container that it is about.
func TestManyContainers(t *testing.T) {
	const many = 30
	var spec strings.Builder
	last := ""
	scenario := with(4*time.Minute, timeline.Behavior{})
	for i := range many {
		last = fmt.Sprintf("a-container-with-a-name-of-more-than-forty-letters-%d", i)
		fmt.Fprintf(&spec, "\n- {name: %s, image: i, ports: [{name: http, containerPort: %d}]", last, 8000+i)
		for _, kind := range pod.ProbeKinds {
			fmt.Fprintf(&spec, ", %s: {tcpSocket: {port: http}, periodSeconds: 1}", kind)
		}
		spec.WriteString("}")
		scenario.Containers[last] = timeline.Behavior{}
	}
	scenario.Containers[last] = timeline.Behavior{Boot: time.Second, HangAt: time.Minute, StopTakes: 40 * time.Second}
	s := podOf(t, "containers:"+spec.String())
	life := picture.NewLife(picture.AsWritten, s, scenario, timeline.Middle(s))
	twice := picture.Timeline{File: "f", Kind: "Pod", Name: "large", Scenario: "the last one hangs",
		Lives: []picture.Life{life, life}}
	text, svg := picture.Text(twice), picture.SVG(twice)
	for line := range strings.Lines(text) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 100 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	if !strings.Contains(text, "… is killed by livenessProbe, grace 30 s") {
		t.Errorf("names leave no room for what happens:\n%s", text)
	}
	if len(svg) > 200_000 {
		t.Errorf("the picture has %d bytes", len(svg))
	}
	for _, picture := range []string{text, svg} {
		if strings.Count(picture, "18 more containers are not drawn: -o json has all.") != 2 ||
			!strings.Contains(picture, last) {
			t.Errorf("not shown as a part of the pod, or without the container that hangs:\n%.3000s", picture)
		}
	}
}
