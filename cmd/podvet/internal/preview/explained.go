package preview

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/podvet/podvet/cmd/podvet/internal/console"
	"github.com/podvet/podvet/cmd/podvet/internal/manifest"
	"github.com/podvet/podvet/cmd/podvet/internal/picture"
	"github.com/podvet/podvet/cmd/podvet/internal/report"
	"github.com/podvet/podvet/cmd/podvet/internal/stream"
	"github.com/podvet/podvet/cmd/podvet/internal/vet"
	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/policy"
)

// explainedWidth is how wide an explanation gets: it is read in terminals, tickets and chats.
const explainedWidth = 100

// Explained is what a policy decides about the objects of a text.
type Explained struct {
	Policy     *policy.Explainer
	Namespaces manifest.Namespaces
	File       string   // of the policy
	Only       []string // rules; none for all

	Text     strings.Builder
	Problems []manifest.Problem
	drawn    int                // timelines
	parts    []manifest.Problem // that are objects in part
	others   []manifest.Problem // that have nothing to explain
}

// Problem adds one.
func (e *Explained) Problem(p manifest.Problem) { e.Problems = append(e.Problems, p) }

// Chunk explains the objects in a chunk.
func (e *Explained) Chunk(c stream.Chunk) {
	docs, problems := manifest.Parse(c)
	e.Problems = append(e.Problems, problems...)
	judge := vet.Judge{Policy: e.Policy.Policy, Namespaces: e.Namespaces}
	for _, doc := range docs {
		verdicts := judge.Of(doc)
		if len(verdicts) == 0 {
			e.aside(doc, judge)
		}
		for _, v := range verdicts {
			if e.Text.Len() > 0 {
				e.Text.WriteByte('\n')
			}
			decided := e.Policy.Explain(v.Subject, e.Namespaces.Labels(v.Subject.Namespace))
			e.Text.WriteString(explained(v, doc, decided, e.File, e.Only))
			e.overTime(v)
		}
	}
}

// maxDrawn bounds the timelines of an explanation: each is a hundred simulations.
const maxDrawn = 20

// overTime draws each scenario that shows what rules find.
func (e *Explained) overTime(v vet.Verdict) {
	all := picture.OverTime(v, func(rule string) bool { return len(e.Only) == 0 || slices.Contains(e.Only, rule) })
	all = all[:min(len(all), maxDrawn-e.drawn)]
	for _, found := range all {
		e.Text.WriteString("\n" + picture.Small(picture.OfFinding(v, found)))
	}
	if len(all) > 0 {
		e.Text.WriteString("  " + picture.Marks + "\n")
	}
	e.drawn += len(all)
}

func (e *Explained) aside(doc *manifest.Document, judge vet.Judge) {
	reason, invalid := judge.Aside(doc)
	e.Problems = append(e.Problems, invalid...)
	if invalid != nil || reason == "" {
		return
	}
	p, part := Elsewhere(doc, reason, "podvet explain --for -")
	list := &e.others
	if part {
		list = &e.parts
	}
	*list = append(*list, p)
}

// MaxElsewhere bounds what is said of objects that no command looks into.
const MaxElsewhere = 10

// Elsewhere says why a command cannot look into a document, and what to run instead. part: it is a part of an object.
func Elsewhere(doc *manifest.Document, reason, command string) (p manifest.Problem, part bool) {
	text, part := elsewhere(doc, reason, command)
	return manifest.Problem{File: doc.File, Line: doc.Line, Text: text}, part
}

// Unexplained are the objects that the policy decides nothing about, with what to run instead. Where others are
// explained these are parts alone: they may be meant too.
func (e *Explained) Unexplained() []manifest.Problem {
	list := e.parts
	if e.Text.Len() == 0 {
		list = append(list, e.others...)
	}
	return list[:min(len(list), MaxElsewhere)]
}

// elsewhere is the text of Elsewhere.
func elsewhere(doc *manifest.Document, reason, command string) (text string, part bool) {
	again := " | " + command
	who := doc.Title()
	switch reason {
	case report.LooksLikeAPatch:
		return who + " looks like a patch. Run kubectl kustomize DIR" + again, true
	case report.JSONPatch:
		return "is a JSON patch. Run kubectl kustomize DIR" + again, true
	case report.HelmValues:
		return "holds values for Helm. Run helm template CHART -f " + doc.File + again, true
	case report.NoTemplate:
		return who + " is incomplete: it has no pod template with containers. Name a file with all of it.", true
	case report.TemplateElsewhere:
		return who + ": " + reason + ". Name a file with that.", true
	case report.UnknownKind:
		return who + ": podvet does not know this kind. If it makes pods, name it in the policy's templates.", false
	}
	return who + " is not a workload: name a file with a pod or a workload", false
}

// explained says what the policy in a file decides about the object of a document, and what each rule finds in it, or
// only the named ones.
func explained(v vet.Verdict, doc *manifest.Document, e *policy.Explanation, file string, only []string) string {
	var out strings.Builder
	name := v.Subject.Name
	if v.Subject.Namespace != "" {
		name = v.Subject.Namespace + "/" + name
	}
	fmt.Fprintf(&out, "%s:%d: %s %s", doc.File, doc.Line, doc.Kind, name)
	if v.Subject.Custom != nil { // which may hold several
		fmt.Fprintf(&out, ", %s, like the template of a %s",
			strings.TrimSuffix(v.Subject.Path(), ".spec"), v.Subject.Custom.Like)
	}
	out.WriteByte('\n')
	for _, note := range v.Ruling.Notes {
		out.WriteString("  " + console.Wrap("warning: "+note, len("  "), explainedWidth, "    "))
	}
	out.WriteString(explainedKeys(e) + "\n" + explainedRules(v, e, file, only))
	return out.String()
}

// explainedKeys are which scopes match and what the policy's keys say.
func explainedKeys(e *policy.Explanation) string {
	var rows [][]string
	for _, s := range e.Scopes {
		rows = append(rows, []string{"scope", s.Value, from(policy.Decided{By: "matches", Line: s.Line})})
	}
	for _, key := range e.Keys {
		if key.Line == 0 && (key.Value == "" || key.Key == "injectedContainers") { // a long list that nobody wrote
			continue
		}
		rows = append(rows, []string{key.Key, strings.ReplaceAll(key.Value, ",", ", "), from(key)})
	}
	return console.Columns(rows, "  ", explainedWidth)
}

// explainedRules are the level of each rule, what it finds and what decided that.
func explainedRules(v vet.Verdict, e *policy.Explanation, file string, only []string) string {
	rows := [][]string{{"RULE", "LEVEL", "FINDS", "FIX", "DECIDED BY (" + filepath.Base(file) + ")"}}
	for _, r := range e.Rules {
		if len(only) > 0 && !slices.Contains(only, r.Rule.ID) {
			continue
		}
		level, by := r.Level.String(), from(r.LevelBy)
		switch {
		case r.Level != r.Uncapped:
			by = fmt.Sprintf("%s by %s; the mode caps it", r.Uncapped, by)
		case v.Subject.Custom != nil && r.Level == rules.Deny:
			level, by = rules.Warn.String(), fmt.Sprintf("deny by %s; custom resources are only warned about", by)
		}
		if r.Rule.HasFix() && r.FixBy.Line > 0 {
			by += "; fix by " + from(r.FixBy)
		} else if v.Subject.Compared() && r.FixBy.By == "by default" && r.FixBy.Value != "off" {
			r.FixBy.Value = "off"
			by += "; default fixes leave pods of custom resources alone"
		}
		rows = append(rows, []string{r.Rule.ID, level, finds(v, r.Rule), r.FixBy.Value, by})
		for _, x := range r.Lower {
			if x.Key != "" {
				x.By = fmt.Sprintf("container %q: %s", x.Key, x.By)
			}
			rows = append(rows, []string{"", x.Value, "", "", from(x)})
		}
	}
	return console.Columns(rows, "  ", explainedWidth)
}

// finds says how many findings of a rule are left, and in which containers fixes that are on repair the others.
func finds(v vet.Verdict, rule *rules.Rule) string {
	left := 0
	for _, f := range v.Findings {
		if f.Rule == rule {
			left++
		}
	}
	var parts []string
	if left > 0 {
		parts = append(parts, strconv.Itoa(left))
	}
	var where []string
	fixed := false
	for _, f := range v.Fixed {
		if f.Rule == rule {
			fixed = true
			if f.Container != "" {
				where = append(where, shortened(f.Container))
			}
		}
	}
	switch {
	case len(where) > 0:
		parts = append(parts, "fixed ("+strings.Join(where, ", ")+")")
	case fixed:
		parts = append(parts, "fixed")
	case left == 0:
		return "-"
	}
	return strings.Join(parts, ", ")
}

// shortened is a container's name in a narrow column. Names that differ mostly do so at one of their ends.
func shortened(name string) string {
	if runes := []rune(name); len(runes) > 16 {
		return string(runes[:9]) + "…" + string(runes[len(runes)-6:])
	}
	return name
}

// from says what decided, and in which line that is written. A profile is for everyone where nothing else is said.
func from(d policy.Decided) string {
	if d.Line == 0 {
		return d.By
	}
	by := d.By
	if profile, ok := strings.CutSuffix(by, ", for everyone"); ok {
		by = profile
	}
	return fmt.Sprintf("%s, line %d", by, d.Line)
}
