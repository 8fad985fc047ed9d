package rules

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Level is the loudest that an exempted finding may be. The calendar never refuses a pod.
func (e *Exemption) Level() Level {
	if e.Expired != "" {
		return Warn
	}
	return Audit
}

// maxReason is how much admission says of an exemption's reason, in characters.
const maxReason = 60

// String is the exemption as admission names it, which has a bound for all that it answers and records.
func (e *Exemption) String() string {
	if e.Expired != "" {
		return e.Whole()
	}
	return "exempt: " + Truncate(e.Reason, maxReason)
}

// Whole is the exemption with its reason as it is written.
func (e *Exemption) Whole() string {
	if e.Expired != "" {
		return "exemption expired on " + e.Expired
	}
	return "exempt: " + e.Reason
}

// CapAtWarn makes findings about a template warnings at most. refused tells whether what would be denied is denied to
// its pods.
func CapAtWarn(findings []Finding, refused bool) {
	for i := range findings {
		f := &findings[i]
		f.RefusesPods = f.RefusesPods || refused && f.Level == Deny
		f.Level, f.Uncapped = min(f.Level, Warn), min(f.Uncapped, Warn)
	}
}

// Path is the place of the defect in the object, such as spec.containers[0].livenessProbe.
func (f Finding) Path() string {
	path := f.where.spec
	if f.where.list != "" {
		path += "." + f.where.list + "[" + strconv.Itoa(f.where.index) + "]"
	}
	if f.field != "" {
		path += "." + f.field
	}
	return path
}

// MaxLine is the longest a finding's line gets, in characters.
const MaxLine = 200

// String is the finding as people read it: one line of at most MaxLine characters that ends with the rule's id.
func (f Finding) String() string { return f.Line("") }

// Line is the finding with some words in front. Where it is too long the container's name is shortened first, in its
// middle, because the advice stands at the end of the text, and names that differ mostly do so at one of their ends.
func (f Finding) Line(prefix string) string {
	if line := f.asItIs(prefix); line != "" {
		return line
	}
	id := " [" + f.Rule.ID + "]"
	if f.Exempt != nil {
		id = " (" + f.Exempt.String() + ")" + id
	}
	room := MaxLine - utf8.RuneCountInString(prefix) - utf8.RuneCountInString(id)
	text := f.Text
	if f.Container != "" {
		name := strconv.Quote(beginning(f.Container, MaxLine))
		left := room - len("container : ") - utf8.RuneCountInString(f.Text)
		if runes := []rune(name); len(runes) > max(left, 24) {
			name = string(runes[:max(left, 24)-12]) + "…" + string(runes[len(runes)-11:])
		}
		text = "container " + name + ": " + f.Text
	}
	return prefix + Truncate(visible(text), room) + visible(id)
}

// asItIs is the line of a container's finding in which nothing has to be cut, quoted or left out, as most are; else "".
func (f Finding) asItIs(prefix string) string {
	const around = len(`container "": `) + len(" []")
	all := len(prefix) + len(f.Container) + len(f.Text) + len(f.Rule.ID) + around
	if all > MaxLine || f.Container == "" || f.Exempt != nil || strings.ContainsAny(f.Container, "\"\\") ||
		!printable(f.Container) || !printable(f.Text) {
		return ""
	}
	return prefix + `container "` + f.Container + `": ` + f.Text + " [" + f.Rule.ID + "]"
}

// WillRefuse stands in front of a finding about a workload that is let in while its pods are not.
const WillRefuse = "podvet will refuse these pods: "

// Whole is the finding with nothing cut, for whoever reads it where there is room.
func (f Finding) Whole() string {
	text := f.Text
	if f.Container != "" {
		text = "container " + strconv.Quote(f.Container) + ": " + text
	}
	if f.RefusesPods {
		text = WillRefuse + text
	}
	if f.Exempt != nil {
		text += " (" + f.Exempt.Whole() + ")"
	}
	return text + " [" + f.Rule.ID + "]"
}

// OneLine is a text as it may stand in a warning: at most MaxLine characters, no line breaks, and nothing that changes
// how the rest is shown.
func OneLine(text string) string {
	if len(text) <= MaxLine && printable(text) && strings.IndexByte(text, ' ') < 0 {
		return text // names are
	}
	return Legible(strings.Join(strings.Fields(beginning(text, MaxLine)), " "), MaxLine)
}

// Legible is at most n characters of a text that anyone may have written, in one line, without what changes how the
// rest is shown. It takes no longer for a long text than for one of 8*n bytes.
func Legible(text string, n int) string { return Truncate(visible(beginning(text, n)), n) }

// beginning is as much of a text as n characters can be made of, and a mark where that is not all.
func beginning(text string, n int) string {
	if len(text) <= 8*n {
		return text
	}
	return strings.ToValidUTF8(text[:8*n], "") + "…"
}

// visible leaves out control characters, line breaks and those that turn the direction of writing.
func visible(text string) string {
	if printable(text) {
		return text // most are: to ask of each character what it is takes half of the time of an answer
	}
	return strings.Map(func(r rune) rune {
		if unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp, unicode.Bidi_Control) {
			return -1
		}
		return r
	}, text)
}

// printable tells whether a text is of ASCII alone, and has no control characters.
func printable(text string) bool {
	for i := range len(text) {
		if text[i] < ' ' || text[i] > '~' {
			return false
		}
	}
	return true
}

// Truncate cuts a text to at most n characters and marks the cut.
func Truncate(text string, n int) string {
	if len(text) <= n {
		return text
	}
	count, cut := 0, 0
	for at := range text {
		switch count++; count {
		case n:
			cut = at
		case n + 1:
			return text[:cut] + "…"
		}
	}
	return text
}

// Fixed says that a rule's fix was applied to a container ("" for the pod).
type Fixed struct {
	Rule      *Rule
	Container string
}

// maxContainer is the longest name of a container, in characters (K pkg/apis/core/validation: a DNS label). Whoever
// reads a longer one must not be made to hold all of it.
const maxContainer = 63

// Place names a rule and a container in a word, as records do.
func Place(rule *Rule, container string) string {
	return rule.ID + "/" + Legible(container, maxContainer)
}

func (f Fixed) String() string { return Place(f.Rule, f.Container) }
