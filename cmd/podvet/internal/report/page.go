package report

import (
	"bufio"
	"crypto/sha256"
	_ "embed" // the page's head, its style and its script
	"encoding/base64"
	"fmt"
	"html"
	"slices"

	"github.com/podvet/podvet/cmd/podvet/internal/console"
)

var (
	//go:embed page.html
	head string
	//go:embed page.css
	style string
	//go:embed page.js
	script string
)

// maxRows bounds the findings that a page shows, and maxInvalid the problems: a browser has to lay them out.
const (
	maxRows    = 5000
	maxInvalid = 200
)

// page writes one self-contained page. The first error stays in out.
type page struct {
	out    *bufio.Writer
	report *Report
	titles map[string]string // of rules, by their ids
	rows   int               // of findings that are written
	Options
}

// html writes one page that needs no network. Its security policy lets nothing run but the script that is in it, so
// that a name that got past the escaping would still do nothing.
func (r *Report) html(out *bufio.Writer, o Options) error {
	p := &page{out: out, report: r, Options: o, titles: map[string]string{}}
	for _, rule := range o.Rules {
		p.titles[rule.ID] = rule.Title
	}
	groupings := []string{"namespace", "rule"}
	if o.By != "" && !slices.Contains(groupings, o.By) {
		groupings = slices.Insert(groupings, 0, o.By)
	}
	tables, total := r.count(groupings...)
	p.head()
	p.tiles(total)
	p.put("<nav>")
	for i, by := range groupings {
		if len(tables[i]) > 0 {
			p.put(`<a href="#by-%d">By %s</a> `, i, escape(title(by)))
		}
	}
	p.put("<a href=\"#findings\">Findings</a></nav>\n")
	for i, by := range groupings {
		if len(tables[i]) > 0 {
			p.put(`<h2 id="by-%d">By %s</h2>`, i, escape(title(by)))
			p.groups(by, tables[i])
		}
	}
	p.findings(total)
	p.put("%s", p.All())
	p.invalid()
	p.put("<footer>\n")
	for _, line := range r.lines(total.shared) {
		p.put("<p class=\"faint\">%s</p>\n", escape(line))
	}
	p.put("</footer>\n<script>%s</script>\n</body>\n</html>\n", script)
	return nil
}

func (p *page) put(format string, args ...any) { fmt.Fprintf(p.out, format, args...) }

// escape makes a text that is only text in a page, in attributes too, and of which nothing is invisible.
func escape(text string) string { return html.EscapeString(console.Printable(text)) }

// head writes what comes before the findings.
func (p *page) head() {
	css := style + p.Style()
	p.put(head, hashOf(css), hashOf(script), css)
	p.put("<p class=\"faint\">podvet %s</p>\n", escape(p.Version))
}

// hashOf names a text as the Content-Security-Policy does.
func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

func (p *page) tiles(total counts) {
	p.put(`<ul class="tiles">` + "\n")
	for i, n := range append(total.numbers(), p.report.Summary.Invalid) {
		what := []string{"objects", "deny", "warn", "audit", "fixed by podvet", "refused in enforce", "invalid"}[i]
		if i < len(columns) || n > 0 {
			p.put("<li><strong class=\"%s\">%d</strong>%s</li>\n", colorOf(i, n), n, what)
		}
	}
	p.put("</ul>\n")
}

// colorOf is the class of a number in a column.
func colorOf(column, n int) string {
	if n == 0 {
		return "faint"
	}
	return []string{"", "deny", "warn", "audit", "fixable", "deny", "deny"}[column]
}

// groups writes a table of counts with a bar for each row: how many findings, and how grave.
func (p *page) groups(by string, rows []*counts) {
	p.put("\n<table class=\"groups\">\n<thead><tr>")
	p.heads("", title(by))
	for i, column := range columns {
		class := classOf(column)
		if i == len(columns)-1 {
			column = "refused"
		}
		p.heads(class, column)
	}
	p.put("</tr></thead>\n<tbody>\n")
	most := 1
	for _, c := range rows {
		most = max(most, c.deny+c.warn+c.audit+c.fixable)
	}
	for _, c := range rows {
		p.put("<tr><td>%s", p.name(by, c.group))
		bar(p.out, c, most)
		p.put("</td>")
		for i, n := range c.numbers() {
			p.put(`<td class="%s %s" data-order="%d">%d</td>`, classOf(columns[i]), colorOf(i, n), n, n)
		}
		p.put("</tr>\n")
	}
	p.put("</tbody>\n</table>\n")
}

// classOf a column: those that decide least are left out on a telephone.
func classOf(column string) string {
	if slices.Contains([]string{"objects", "audit", "fixable"}, column) {
		return "number less"
	}
	return "number"
}

// name is a group, as a button that shows its findings. A rule has its title and a link to its page.
func (p *page) name(by, group string) string {
	switch {
	case by == "rule":
		return fmt.Sprintf(`%s <a href="%s">page</a><br><span class="faint">%s</span>`,
			finds(by, group), escape(pageOf(group)), escape(p.titles[group]))
	case group == "":
		return none
	case LabelOf(by) != "": // findings do not show labels
		return escape(group)
	}
	return finds(title(by), group)
}

// finds is a button that shows the findings of a group.
func finds(by, group string) string {
	return fmt.Sprintf(`<button type="button" data-find="%s:%s">%[2]s</button>`, by, escape(group))
}

func (p *page) heads(class, text string) {
	p.put(`<th scope="col" class="%s"><button type="button">%s</button></th>`, class, escape(text))
}

// bar is a picture of a row's findings, in shares of the longest row's.
func bar(out *bufio.Writer, c *counts, most int) {
	fmt.Fprintf(out, `<svg class="bar" viewBox="0 0 %d 1" preserveAspectRatio="none" aria-hidden="true">`, most)
	x := 0
	for _, part := range []struct {
		class string
		n     int
	}{{"deny", c.deny}, {"warn", c.warn}, {"fixable", c.fixable}, {"audit", c.audit}} {
		if part.n > 0 {
			fmt.Fprintf(out, `<rect class="%s" x="%d" width="%d" height="1"/>`, part.class, x, part.n)
		}
		x += part.n
	}
	fmt.Fprint(out, "</svg>")
}

// findings writes what enforce would refuse today, then all else.
func (p *page) findings(total counts) {
	all := total.deny + total.warn + total.audit + total.fixable
	if all == 0 {
		p.put("<h2 id=\"findings\">No findings</h2>\n<p>podvet has nothing to say about %s.</p>\n",
			plural(total.objects, "object"))
		return
	}
	p.put(`<label hidden>Show findings with <input type="search" id="search"> <span id="shown" role="status">` +
		"</span></label>\n<h2 id=\"findings\">What mode enforce would refuse today</h2>\n")
	if total.refused == 0 {
		p.put("<p>Nothing.</p>\n")
	} else {
		p.put("<p>%d of %s. Fix these before you turn to <code>mode: enforce</code>.</p>\n",
			total.refused, plural(total.objects, "object"))
		p.table(0)
	}
	if other := all - p.rows; other > 0 && p.rows < maxRows {
		p.put("<h2>All other findings</h2>\n")
		p.table(1, 2, 3)
	}
	if all > p.rows {
		p.put("<p>%d of %d findings are shown, the gravest first. podvet check -o csv lists all of them.</p>\n",
			p.rows, all)
	}
}

// table writes the findings of some gravities: each is a pass over the report.
func (p *page) table(gravities ...int) {
	p.put(`<table class="findings">` + "\n" +
		`<thead><tr><th scope="col" data-first="descending"><button type="button">level</button></th>`)
	for _, head := range []string{"object", "rule", "what is wrong, and what to do"} {
		p.heads("", head)
	}
	p.put("</tr></thead>\n<tbody>\n")
	for _, wanted := range gravities {
		for of := range p.report.edited {
			for _, l := range of.lines {
				if p.rows < maxRows && l.gravity() == wanted {
					p.rows++
					p.finding(of, l)
				}
			}
		}
	}
	p.put("</tbody>\n</table>\n")
}

func (p *page) finding(of *object, l told) {
	where := place(of.File, l.line)
	switch {
	case of.pods > 0:
		where += ", " + plural(int(of.pods), "pod")
	case of.live(): // there is no file
		where = ""
	}
	_, kind, _ := of.reference()
	p.put(`<tr data-namespace="%s" data-kind="%s" data-rule="%s">`, escape(of.Namespace), escape(kind), escape(l.rule))
	p.put(`<td class="%s" data-order="%d">%s</td><td>%s<span class="where">%s</span></td><td>%s%s</td>`+
		"<td>%s</td></tr>\n", l.word(), 3-l.gravity(), l.word(), escape(of.OwnerTitle()), escape(where), escape(l.rule),
		p.Link(l.figure, l.rule, of.OwnerTitle()), escape(l.words()))
}

// invalid lists the input that could not be used.
func (p *page) invalid() {
	if p.report.Summary.Invalid == 0 {
		return
	}
	p.put("<h2>Invalid input</h2>\n<ul>\n")
	left := maxInvalid
	for problem := range p.report.Invalid {
		if left--; left < 0 {
			p.put("<li>and more, which podvet check lists</li>\n")
			break
		}
		p.put("<li>%s: %s</li>\n", escape(place(problem.File, problem.Line)), escape(problem.Message))
	}
	p.put("</ul>\n")
}
