package play

import (
	"strings"
	"time"

	"github.com/podvet/podvet/cmd/podvet/internal/picture"
	"github.com/podvet/podvet/cmd/podvet/internal/stream"
	"github.com/podvet/podvet/rules/pod"
	"github.com/podvet/podvet/rules/timeline"
)

// Scenario is what happens to a pod of the text. Its times are whole seconds, 0 for never.
type Scenario struct {
	Pod       int    `json:"pod"`       // its place in the text
	Container string `json:"container"` // that the times are about, "" for podvet's choice
	Chosen    bool   `json:"chosen"`    // podvet chooses the times
	Boot      int    `json:"boot"`
	Hang      int    `json:"hang"`
	Delete    int    `json:"delete"`
	Stop      int    `json:"stop"`
}

// Drawn is a timeline, and what there is to choose from.
type Drawn struct {
	Pods     []choice `json:"pods"` // that can be drawn
	Scenario Scenario `json:"scenario"`
	Words    string   `json:"words"`   // the scenario
	Seconds  int      `json:"seconds"` // that are looked at
	Lives    []life   `json:"lives"`
	SVG      string   `json:"svg"` // "" where there is no pod
	Text     string   `json:"text"`
}

type (
	choice struct {
		Title      string   `json:"title"`
		Containers []string `json:"containers"`
	}
	life struct {
		As      string `json:"as"`
		Verdict string `json:"verdict"`
	}
)

// Most is the longest of the times of a scenario, in seconds.
const Most = 3600

// How long a pod is looked at: at least, and after what happens to it.
const (
	least = 10 * time.Minute
	after = 5 * time.Minute
)

// Draw simulates one pod of a text, as it is written, and where there are fixes also with these. A place beyond the
// last pod is the last.
func (p *Page) Draw(text string, asked Scenario) Drawn {
	t := &picture.Timelines{Judge: p.judge(text), IfFixed: true, Container: asked.Container,
		Scenario: timeline.Scenario{Kubelet: pod.Newest, Length: least,
			Containers: map[string]timeline.Behavior{"": {StopTakes: time.Second}}}}
	if !asked.Chosen {
		asked.tell(t)
	}
	drawn := Drawn{Pods: []choice{}, Lives: []life{}}
	t.Wanted = func(title string, containers []string) bool {
		drawn.Pods = append(drawn.Pods, choice{title, containers})
		return len(drawn.Pods)-1 == asked.Pod
	}
	stream.Split(File, strings.NewReader(text), t.Chunk, t.Problem)
	if last := len(drawn.Pods) - 1; last >= 0 && (asked.Pod > last || asked.Pod < 0) {
		asked.Pod = last
		return p.Draw(text, asked)
	}
	if len(t.All) == 0 && asked.Container != "" && len(drawn.Pods) > 0 { // it was that of another text
		asked.Container = ""
		return p.Draw(text, asked)
	}
	if len(t.All) > 0 {
		drawn.show(t.All[0], asked)
	}
	return drawn
}

// tell has the times of the scenario happen.
func (s *Scenario) tell(t *picture.Timelines) {
	for _, at := range []*int{&s.Boot, &s.Hang, &s.Delete, &s.Stop} {
		*at = min(max(*at, 0), Most)
	}
	deleteAt := seconds(s.Delete)
	does := timeline.Behavior{Boot: seconds(s.Boot), HangAt: seconds(s.Hang), StopTakes: seconds(s.Stop)}
	t.Scenario.DeleteAt, t.Scenario.Containers[""] = deleteAt, does
	t.Scenario.Length = max(least, does.Boot+after, does.HangAt+after, deleteAt+does.StopTakes+after)
	boots := map[string]time.Duration{"": does.Boot}
	t.Told = func(container string) []string { return picture.Told(container, boots, does, deleteAt) }
}

func (d *Drawn) show(t picture.Timeline, asked Scenario) {
	scenario := t.Lives[0].Scenario
	does := scenario.Containers[t.About]
	d.Scenario = Scenario{Pod: asked.Pod, Container: t.About, Chosen: asked.Chosen, Boot: whole(does.Boot),
		Hang: whole(does.HangAt), Delete: whole(scenario.DeleteAt), Stop: whole(does.StopTakes)}
	d.Words, d.Seconds = t.Scenario, whole(scenario.Length)
	for _, l := range t.Lives {
		d.Lives = append(d.Lives, life{l.As, l.Verdict})
	}
	d.SVG, d.Text = picture.Lanes(t), picture.Text(t)
}

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }

func whole(d time.Duration) int { return int(d.Round(time.Second) / time.Second) }
