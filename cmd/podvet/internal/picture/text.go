package picture

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/podvet/podvet/cmd/podvet/internal/console"
	"github.com/podvet/podvet/rules/pod"
	"github.com/podvet/podvet/rules/timeline"
)

const (
	width    = 100
	label    = 18
	cells    = 80
	maxRows  = 28 // of the table of what happens
	between  = 20 // cells between two times on the axis
	whatWide = 48
)

// marks are what a lane has in the place of a state. Of several in one place the first one is seen.
var marks = []struct {
	state string
	mark  rune
	means string
}{
	{timeline.Stopping, 'X', "being killed or stopped"},
	{timeline.Booting, '░', "runs, not started"},
	{timeline.Running, '▒', "started, not ready"},
	{timeline.Serving, '█', "ready"},
	{timeline.InBackOff, '-', "waits to be restarted"},
	{timeline.Failed, '!', "ended, exit code not 0"},
	{timeline.Completed, '=', "ended, exit code 0"},
	{timeline.Waiting, ' ', ""},
}

// Text is a timeline in 100 columns, readable without color.
func Text(t Timeline) string {
	var out strings.Builder
	name := t.Name
	if t.Namespace != "" {
		name = t.Namespace + "/" + name
	}
	out.WriteString(console.Wrap(fmt.Sprintf("%s:%d: %s %s, kubelet 1.%d, %s", t.File, t.Line, t.Kind, name,
		t.Lives[0].Scenario.Kubelet, long(t.Lives[0].Scenario.Length)), 0, width, "  "))
	chosen := ""
	if t.Chosen {
		chosen = "podvet chose that "
	}
	out.WriteString(paragraph("Scenario", chosen+t.Scenario+".", width))
	for _, life := range t.Lives {
		out.WriteByte('\n')
		if len(t.Lives) > 1 {
			out.WriteString(strings.ToUpper(life.As) + "\n")
		}
		out.WriteString(paragraph("Verdict", life.Verdict, width) + "\n")
		out.WriteString(lanes(life) + "\n")
		out.WriteString(table(life, t.Seeded))
	}
	out.WriteString("\n" + legend())
	return console.PrintableLines(out.String())
}

// Marks are those of Small, in short.
const Marks = "░ boots, ▒ not ready, █ ready, X stopping, - back-off, ! failed, = done; · ok, x fails, ? error"

// Small is a timeline as a part of another text: without the table, and of the fixed pod only the verdict.
func Small(t Timeline) string {
	const indent = "  "
	wide := width - len(indent)
	now := t.Lives[0]
	text := paragraph("Scenario", t.Scenario+".", wide) + paragraph("Verdict", now.Verdict, wide) + lanes(now)
	if len(t.Lives) > 1 {
		text += paragraph("Fixed", t.Lives[1].Verdict, wide)
	}
	text = strings.TrimSuffix(text, "\n")
	return console.PrintableLines(indent + strings.ReplaceAll(text, "\n", "\n"+indent) + "\n")
}

// paragraph is a text behind a word, wrapped.
func paragraph(word, text string, wide int) string {
	head := word + strings.Repeat(" ", max(1, 10-len(word)))
	return head + console.Wrap(text, len(head), wide, strings.Repeat(" ", len(head)))
}

// lanes are what happens over time: a lane for each container and probe, and for the endpoints.
func lanes(life Life) string {
	var out strings.Builder
	length := life.Scenario.Length
	out.WriteString(strings.Repeat(" ", label))
	for at := 0; at < cells; at += between {
		fmt.Fprintf(&out, "%-*s", between, "|"+clock(length*time.Duration(at)/cells))
	}
	axis := strings.TrimRight(out.String(), " ")
	out.Reset()
	out.WriteString(axis + "\n")
	shown, left := life.shown()
	for _, c := range shown {
		lane(&out, titleOf(c), stateMarks(c.Spans, length))
		for _, kind := range pod.ProbeKinds {
			if probes := probeMarks(life, c.Name, kind); probes != "" {
				lane(&out, "  "+strings.TrimSuffix(kind.String(), "Probe"), probes)
			}
		}
	}
	if left > 0 {
		out.WriteString(notShown(left) + "\n")
	}
	lane(&out, "in the endpoints", inMarks(life.Endpoints, length))
	return out.String()
}

func lane(out *strings.Builder, name, marks string) {
	line := fmt.Sprintf("%-*s%s", label, cut(name, label-2), marks)
	out.WriteString(strings.TrimRight(line, " ") + "\n")
}

// cellOf is the place of a time.
func cellOf(at, length time.Duration) int { return min(int(int64(at)*cells/int64(length)), cells-1) }

// cellsOf are the first and the last place of a span. What ends where a cell begins is not in it.
func cellsOf(span timeline.Span, length time.Duration) (first, last int) {
	return cellOf(span.From, length), cellOf(max(span.To-1, span.From), length)
}

func stateMarks(spans []timeline.Span, length time.Duration) string {
	rank := make([]int, cells)
	for i := range rank {
		rank[i] = len(marks) - 1
	}
	for _, span := range spans {
		for i := range marks {
			if marks[i].state != span.State {
				continue
			}
			first, last := cellsOf(span, length)
			for at := first; at <= last; at++ {
				rank[at] = min(rank[at], i)
			}
		}
	}
	line := make([]rune, cells)
	for i, r := range rank {
		line[i] = marks[r].mark
	}
	return string(line)
}

// probeMarks are the results of a probe: of several in one place the worst. "" for a probe that is not there.
func probeMarks(life Life, container string, kind pod.ProbeKind) string {
	results := []struct {
		of   string
		mark rune
	}{{"Success", '·'}, {"Error", '?'}, {"Failure", 'x'}}
	if !life.has(container, kind) {
		return ""
	}
	line := []rune(strings.Repeat(" ", cells))
	for _, result := range results {
		for _, e := range life.Of(container, timeline.Probed) {
			if e.Probe == kind.String() && e.Result == result.of {
				line[cellOf(e.At, life.Scenario.Length)] = result.mark
			}
		}
	}
	return string(line) + " "
}

func inMarks(spans []timeline.Span, length time.Duration) string {
	line := []rune(strings.Repeat(" ", cells))
	for _, span := range spans {
		first, last := cellsOf(span, length)
		for at := first; at <= last; at++ {
			line[at] = '█'
		}
	}
	return string(line)
}

func legend() string {
	var all []string
	for _, m := range marks {
		if m.means != "" {
			all = append(all, string(m.mark)+" "+m.means)
		}
	}
	text := strings.Join(all, ", ") + "; probes: · success, x failure, ? error, which the kubelet throws away"
	return paragraph("Legend", text+". Of several in one place the gravest is shown.", width)
}

// table is what happens, when, when it could have happened, and what kubectl prints then.
func table(life Life, seeded bool) string {
	rows, left := happenings(life)
	var out strings.Builder
	times, wide := life.columns()
	line := func(at, can, what, printed string) {
		text := fmt.Sprintf("%*s  %-*s  %-*s  %s", times+1, at, 2*times+3, can, wide, what, printed)
		out.WriteString(strings.TrimRight(text, " ") + "\n")
	}
	line("TIME", "CAN BE AT", "WHAT HAPPENS", "KUBECTL GET PODS")
	for i, row := range rows {
		if i == maxRows {
			left += len(rows) - maxRows
			break
		}
		can := ""
		if from, to := clock(row.Earliest), clock(row.Latest); !seeded && from != to {
			can = from + " - " + to
		}
		line(clock(row.At), can, row.what, row.printed)
	}
	if left > 0 {
		fmt.Fprintf(&out, "        and %d more: -o json has all, --for sets how long to look\n", left)
	}
	return out.String()
}

// columns are how wide times and what happens are in the table.
func (l Life) columns() (times, what int) {
	times = max(len(clock(l.Scenario.Length)), len("15:00"))
	return times, whatWide - 3*(times-len("15:00")) // there are three times in a row
}

type happening struct {
	timeline.Moment
	what, printed string
}

// happenings are the moments that a reader wants to know, with what kubectl prints from then on. Where they are too
// many, those of containers that just start and run are left out.
func happenings(life Life) (rows []happening, left int) {
	moments := life.Moments
	_, wide := life.columns()
	for i := 0; i < len(moments); i++ {
		m := moments[i]
		what := life.words(m)
		if what == "" {
			continue
		}
		if i+1 < len(moments) && restartsAtOnce(m, moments[i+1]) {
			i++
			what += fmt.Sprintf(" and starts again, restart %d", moments[i].Restart)
		}
		rows = append(rows, happening{Moment: m, what: fitted(what, m.Container, wide)})
	}
	if all := len(rows); all > maxRows {
		rows = slices.DeleteFunc(rows, func(row happening) bool {
			return row.Container != "" && !life.eventful(row.Container)
		})
		left = all - len(rows)
	}
	last := ""
	for i := range rows {
		until := life.Scenario.Length
		if i+1 < len(rows) {
			until = rows[i+1].At
		}
		row := ""
		for _, span := range life.Printed {
			if span.From <= rows[i].At+time.Second && (span.From < until || until <= rows[i].At) {
				row = span.State
			}
		}
		if row != last {
			rows[i].printed, last = row, row
		}
	}
	return rows, left
}

// restartsAtOnce tells whether a container that ends is started again by the same sync.
func restartsAtOnce(ends, next timeline.Moment) bool {
	return ends.Kind == timeline.Exited && next.Kind == timeline.Created && ends.Container == next.Container &&
		next.At-ends.At < time.Second
}

// fitted shortens the name in what happens, so that the rest can be read.
func fitted(what, name string, wide int) string {
	if over := utf8.RuneCountInString(what) - wide; over > 0 && name != "" {
		what = strings.Replace(what, name, cut(name, max(len(name)-over, 4)), 1)
	}
	return cut(what, wide)
}

// cut keeps a text to a width.
func cut(text string, width int) string {
	if utf8.RuneCountInString(text) > width {
		text = string([]rune(text)[:width-1]) + "…"
	}
	return text
}

// words say what an event is, "" for one that says nothing new.
func (l Life) words(m timeline.Moment) string {
	name := m.Container
	switch m.Kind {
	case timeline.Created:
		if m.Restart > 0 {
			return fmt.Sprintf("%s starts again, restart %d", name, m.Restart)
		}
		return name + " starts"
	case timeline.Serves:
		return name + " has booted"
	case timeline.Hangs:
		return name + " hangs"
	case timeline.Started:
		if l.has(name, pod.Startup) {
			return name + " is started"
		}
		return ""
	case timeline.Ready:
		return name + " is ready"
	case timeline.NotReady:
		return name + " is not ready"
	case timeline.Killing:
		grace := Seconds(m.Grace)
		if m.ByProbe() {
			return fmt.Sprintf("%s is killed by %s, grace %s", name, m.Text, grace)
		}
		return fmt.Sprintf("%s is stopped: %s, grace %s", name, m.Text, grace)
	case timeline.PreStop:
		return "preStop of " + name + " is over"
	case timeline.SigTerm:
		if l.waitsForTerm(name) {
			return name + " gets SIGTERM"
		}
		return ""
	case timeline.SigKill:
		return name + " gets SIGKILL"
	case timeline.Exited:
		return fmt.Sprintf("%s ends with %d", name, m.ExitCode)
	case timeline.BackOff:
		return fmt.Sprintf("%s waits for its restart, %s or more", name, Seconds(m.Wait))
	case timeline.Deleted:
		return "the pod is deleted"
	case timeline.InEndpoints:
		return "the pod is in the endpoints"
	case timeline.OutOfEndpoints:
		return "the pod is out of the endpoints"
	}
	return ""
}

func (l Life) has(container string, kind pod.ProbeKind) bool {
	c := containerOf(l.Subject, container)
	if c == nil {
		return false
	}
	_, ok := c.ProbeOf(kind)
	return ok
}

// waitsForTerm tells whether SIGTERM may come later than the kill begins.
func (l Life) waitsForTerm(container string) bool {
	c := containerOf(l.Subject, container)
	if c == nil {
		return false
	}
	_, hook := c.Hook(pod.PreStop)
	return hook || c.Class == pod.Sidecar
}
