package picture

import (
	"cmp"
	"encoding/xml"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/podvet/podvet/rules/pod"
	"github.com/podvet/podvet/rules/timeline"
)

// Sizes of the picture, in its own units. Text is monospaced, so that what fits is known without a browser: a character
// is at most 0.62 of the font's size wide.
const (
	pageWide  = 980
	edge      = 20
	names     = 170 // left of the lanes
	laneWide  = pageWide - names - edge
	laneHigh  = 18
	probeHigh = 12
	textSize  = 12
	perChar   = 0.62
	lineHigh  = 18
)

// Style gives the colors, by the reader's own scheme.
const Style = `.timeline text{font:12px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;` +
	`fill:var(--ink)}
.timeline{--page:#fff;--ink:#1f2328;--soft:#59636e;--rule:#d1d9e0;--booting:#d9a400;--started:#8fb6e8;` +
	`--ready:#2da44e;--stopping:#cf222e;--waits:#8250df;--ended:#afb8c1;--failed:#953800}
@media (prefers-color-scheme:dark){.timeline{--page:#0d1117;--ink:#f0f6fc;--soft:#9198a1;--rule:#3d444d;` +
	`--booting:#e3b341;--started:#3b6ea8;--ready:#3fb950;--stopping:#ff7b72;--waits:#bc8cff;--ended:#656c76;` +
	`--failed:#ffa657}}
.timeline .soft{fill:var(--soft)}.timeline .head{font-weight:700}.timeline .rule{stroke:var(--rule);fill:none}
`

// colors are those of states, with what they mean.
var colors = []struct{ state, color, means string }{
	{timeline.Booting, "booting", "not started"},
	{timeline.Running, "started", "started, not ready"},
	{timeline.Serving, "ready", "ready"},
	{timeline.Stopping, "stopping", "being killed or stopped"},
	{timeline.InBackOff, "waits", "waits to be restarted"},
	{timeline.Completed, "ended", "ended, exit code 0"},
	{timeline.Failed, "failed", "ended, another exit code"},
}

// canvas is a picture that grows downwards.
type canvas struct {
	out strings.Builder
	y   int
}

// SVG is a timeline as a picture that stands alone.
func SVG(t Timeline) string {
	title := fmt.Sprintf("%s %s on a kubelet 1.%d", t.Kind, t.Name, t.Lives[0].Scenario.Kubelet)
	return t.draw(title, "", styled, true)
}

// Inside is a timeline in a page that has the Style, and says whose it is.
func Inside(t Timeline, id string) string { return t.draw("", id+"-", "", true) }

// Lanes is the picture without the paragraphs, for a page that has them beside it.
func Lanes(t Timeline) string { return t.draw("", "", styled, false) }

const styled = "<style>\n" + Style + "</style>\n"

func (t Timeline) draw(title, id, style string, words bool) string {
	c := &canvas{}
	if words {
		c.y = edge
		c.paragraph("head", title)
		c.paragraph("soft", "Scenario: "+t.Scenario+".")
	}
	desc := make([]string, 0, 1+len(t.Lives))
	desc = append(desc, "Scenario: "+t.Scenario+".")
	for _, life := range t.Lives {
		c.y += 8
		if len(t.Lives) > 1 {
			c.paragraph("head", capital(life.As))
		}
		if words {
			c.paragraph("", life.Verdict)
		}
		desc = append(desc, capital(life.As)+": "+life.Verdict)
		c.lanes(life)
	}
	c.legend()
	var all strings.Builder
	fmt.Fprintf(&all, `<svg xmlns="http://www.w3.org/2000/svg" class="timeline" viewBox="0 0 %d %d" width="%[1]d" `+
		`height="%[2]d" role="img" aria-labelledby="%[3]stitle %[3]sdesc">`+"\n", pageWide, c.y+edge/2, id)
	fmt.Fprintf(&all, "<title id=\"%[1]stitle\">%[2]s</title>\n<desc id=\"%[1]sdesc\">%[3]s</desc>\n", id,
		escaped(cmp.Or(title, "Timeline")), escaped(strings.Join(desc, " ")))
	all.WriteString(style)
	fmt.Fprintf(&all, "<rect width=\"%d\" height=\"%d\" rx=\"8\" fill=\"var(--page)\"/>\n", pageWide, c.y+edge/2)
	all.WriteString(c.out.String())
	all.WriteString("</svg>\n")
	return all.String()
}

func capital(text string) string { return strings.ToUpper(text[:1]) + text[1:] }

func escaped(text string) string {
	var out strings.Builder
	_ = xml.EscapeText(&out, []byte(text)) // a builder takes all
	return out.String()
}

// charsIn is how many characters fit.
func charsIn(wide int) int { return int(float64(wide) / (textSize * perChar)) }

func (c *canvas) text(class string, x, y int, text string) {
	attribute := ""
	if class != "" {
		attribute = ` class="` + class + `"`
	}
	fmt.Fprintf(&c.out, "<text%s x=\"%d\" y=\"%d\">%s</text>\n", attribute, x, y, escaped(text))
}

// paragraph is a text over the whole width, wrapped.
func (c *canvas) paragraph(class, text string) {
	most := charsIn(pageWide - 2*edge)
	line := ""
	flush := func() {
		c.y += lineHigh
		c.text(class, edge, c.y-4, line)
		line = ""
	}
	for word := range strings.FieldsSeq(text) {
		word = cut(word, most)
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > most {
			flush()
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	if line != "" {
		flush()
	}
}

// lanes are the axis, the containers with their probes, the endpoints and what kubectl prints.
func (c *canvas) lanes(life Life) {
	length := life.Scenario.Length
	at := func(d time.Duration) float64 { return names + float64(d)/float64(length)*laneWide }
	c.y += 8
	top := c.y
	c.y += 16
	body := c.out
	c.out = strings.Builder{}
	shown, left := life.shown()
	for _, lane := range shown {
		c.bars(titleOf(lane), lane.Spans, at)
		for _, kind := range pod.ProbeKinds {
			if life.has(lane.Name, kind) {
				c.probes(life, lane.Name, kind, at)
			}
		}
	}
	if left > 0 {
		c.paragraph("soft", notShown(left))
	}
	c.spans("in the endpoints", life.Endpoints, func(timeline.Span) string { return "ready" }, at, false)
	c.spans("kubectl get pods", life.Printed, func(timeline.Span) string { return "" }, at, true)
	lanes := c.out.String()
	c.out = strings.Builder{}
	c.out.WriteString(body.String())
	c.axis(length, top, at)
	c.out.WriteString(lanes)
}

// axis has a time in steps that a person counts in, so that none touches the next.
func (c *canvas) axis(length time.Duration, top int, at func(time.Duration) float64) {
	step := length
	for _, s := range []time.Duration{time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute,
		2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 6 * time.Hour} {
		if length/s <= 12 {
			step = s
			break
		}
	}
	free := 0.0 // from where on a label touches none
	for d := time.Duration(0); d <= length; d += step {
		x := at(d)
		fmt.Fprintf(&c.out, "<path class=\"rule\" d=\"M%.1f %dV%d\"/>\n", x, top+16, c.y)
		label := clock(d)
		wide := float64(len(label)) * textSize * perChar
		if begin := min(x-wide/2, pageWide-edge/2-wide); begin >= free {
			c.text("soft", int(begin), top+12, label)
			free = begin + wide + textSize
		}
	}
}

func (c *canvas) name(text string, high int, class string) {
	c.text(class, edge, c.y+high-4, cut(text, charsIn(names-edge-6)))
}

func (c *canvas) bars(name string, spans []timeline.Span, at func(time.Duration) float64) {
	c.y += 4
	c.spans(name, spans, func(s timeline.Span) string {
		for _, color := range colors {
			if color.state == s.State {
				return color.color
			}
		}
		return ""
	}, at, false)
}

// spans are boxes in a lane, with what they mean inside where it fits.
func (c *canvas) spans(name string, spans []timeline.Span, color func(timeline.Span) string,
	at func(time.Duration) float64, labelled bool) {
	c.name(name, laneHigh, "")
	for _, s := range spans {
		from, to := at(s.From), at(s.To)
		fill := "none"
		if of := color(s); of != "" {
			fill = "var(--" + of + ")"
		}
		if fill == "none" && !labelled || s.State == "" {
			continue
		}
		stroke := ""
		if labelled {
			stroke = ` stroke="var(--rule)"`
		}
		// A kill of a second is to be seen.
		fmt.Fprintf(&c.out, "<rect x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\" fill=\"%s\"%s><title>%s, %s to %s"+
			"</title></rect>\n", from, c.y+2, max(to-from, 1.5), laneHigh-4, fill, stroke, escaped(s.State),
			clock(s.From), clock(s.To))
		if label := s.State; labelled && utf8.RuneCountInString(label) <= charsIn(int(to-from)-6) {
			c.text("soft", int(from)+3, c.y+laneHigh-5, label)
		}
	}
	c.y += laneHigh
}

// probes are marks, and bars where they would touch.
func (c *canvas) probes(life Life, name string, kind pod.ProbeKind, at func(time.Duration) float64) {
	c.name("  "+strings.TrimSuffix(kind.String(), "Probe"), probeHigh+2, "soft")
	for _, result := range []struct {
		of, color string
		top, high int
	}{{"Success", "ready", 5, 4}, {"Error", "waits", 1, 12}, {"Failure", "stopping", 1, 12}} {
		var marks, bars strings.Builder
		from, to, last := 0, -1, 0 // of the mark or bar that is begun, none yet; of the mark before
		draw := func() {
			switch {
			case to < 0:
			case from < to:
				fmt.Fprintf(&bars, "M%d %dh%dv%dh-%[3]dz", from, c.y+result.top, to-from, result.high)
			case marks.Len() == 0:
				fmt.Fprintf(&marks, "M%d %dv%d", from, c.y+result.top, result.high)
				last = from
			default:
				fmt.Fprintf(&marks, "m%d-%dv%[2]d", from-last, result.high)
				last = from
			}
		}
		for _, e := range life.Of(name, timeline.Probed) {
			if e.Probe != kind.String() || e.Result != result.of {
				continue
			}
			x := int(at(e.At))
			if to < 0 || x > to+2 {
				draw()
				from = x
			}
			to = x
		}
		draw()
		if marks.Len() > 0 {
			fmt.Fprintf(&c.out, "<path stroke=\"var(--%s)\" stroke-width=\"1.6\" d=\"%s\"/>\n", result.color,
				marks.String())
		}
		if bars.Len() > 0 {
			fmt.Fprintf(&c.out, "<path fill=\"var(--%s)\" d=\"%s\"/>\n", result.color, bars.String())
		}
	}
	c.y += probeHigh + 2
}

// legend explains the colors, in columns that are wide enough for the longest.
func (c *canvas) legend() {
	const columns = 4
	c.y += 14
	entry := func(i int, draw string, text string) {
		x, y := edge+i%columns*(pageWide-2*edge)/columns, c.y+i/columns*lineHigh
		fmt.Fprintf(&c.out, draw, x, y)
		c.text("soft", x+18, y+10, text)
	}
	for i, color := range colors {
		entry(i, `<rect x="%d" y="%d" width="12" height="12" fill="var(--`+color.color+`)"/>`+"\n", color.means)
	}
	n := len(colors)
	for i, probe := range []struct{ color, of string }{{"ready", "a probe succeeds"}, {"stopping", "a probe fails"},
		{"waits", "its error is thrown away"}} {
		entry(n+i, `<path transform="translate(%d %d)" stroke="var(--`+probe.color+
			`)" stroke-width="1.6" d="M6 0v12"/>`+"\n", probe.of)
	}
	c.y += (n + 3 + columns - 1) / columns * lineHigh
}
