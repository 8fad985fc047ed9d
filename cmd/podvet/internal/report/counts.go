package report

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/podvet/podvet/cmd/podvet/internal/console"
	"github.com/podvet/podvet/rules"
)

// labelled begins a grouping by the values of a label.
const labelled = "label:"

// Groupings are what tables can count by. KEY stands for the key of a label.
var Groupings = []string{"namespace", "kind", "rule", labelled + "KEY"}

// LabelOf is the key of a grouping by a label, "" of any other.
func LabelOf(by string) string {
	key, _ := strings.CutPrefix(by, labelled)
	if key == by {
		return ""
	}
	return key
}

// IsGrouping tells whether tables can count by it.
func IsGrouping(by string) bool {
	return LabelOf(by) != "" || slices.Contains(Groupings[:3], by)
}

// counts are a row of a table.
type counts struct {
	group                      string // "" for what has none, such as a namespace
	objects                    int    // that were judged, of a rule those that it finds something in
	deny, warn, audit, fixable int    // findings; what the pods of one owner share counts once
	refused                    int    // objects that mode enforce would refuse
	shared                     bool   // the summary counts findings for each pod
	sound                      int    // objects without a finding, but for what is fixed
}

func (c *counts) findings() int { return c.deny + c.warn + c.audit }

func (c *counts) add(of *object, lines []told) {
	c.objects++
	c.shared = c.shared || of.shared
	for _, l := range lines {
		switch {
		case l.fixable:
			c.fixable++
		case l.level == rules.Deny:
			c.deny++
		case l.level == rules.Warn:
			c.warn++
		default:
			c.audit++
		}
	}
	if slices.ContainsFunc(lines, told.refused) {
		c.refused++
	}
	if !slices.ContainsFunc(lines, func(l told) bool { return !l.fixable }) {
		c.sound++
	}
}

var columns = []string{"objects", "deny", "warn", "audit", "fixable", "enforce refuses"}

// numbers are the cells of a row, below the columns.
func (c *counts) numbers() []int {
	return []int{c.objects, c.deny, c.warn, c.audit, c.fixable, c.refused}
}

// rows are the cells of a table by one grouping, and those of the total. shared: the summary counts other than these.
func (r *Report) rows(by string) (rows [][]string, total []string, shared bool) {
	tables, sum := r.count(by)
	for _, c := range append(tables[0], &sum) {
		cells := []string{console.Printable(c.group)}
		for _, n := range c.numbers() {
			cells = append(cells, strconv.Itoa(n))
		}
		rows = append(rows, cells)
	}
	return rows[:len(rows)-1], rows[len(rows)-1][1:], sum.shared
}

// byScope groups objects by what their report is about, and ofCluster is a scope that no namespace has the name of. In
// a cluster only a cluster's own objects have no namespace; in files the namespace may be left for kubectl to say.
const (
	byScope   = "scope"
	ofCluster = "\x00"
)

func (o *object) scope() string {
	if _, kind, _ := o.reference(); o.Namespace == "" && strings.HasPrefix(kind, "Cluster") {
		return ofCluster
	}
	return o.Namespace
}

// groups are what is said of an object by the groups that it belongs to. Rules group findings, not objects.
func (o *object) groups(by string) map[string][]told {
	switch {
	case by == "rule":
		found := map[string][]told{}
		for _, l := range o.lines {
			found[l.rule] = append(found[l.rule], l)
		}
		return found
	case by == "kind":
		_, kind, _ := o.reference()
		return map[string][]told{kind: o.lines}
	case by == byScope:
		return map[string][]told{o.scope(): o.lines}
	case LabelOf(by) != "":
		return map[string][]told{o.Label: o.lines}
	}
	return map[string][]told{o.Namespace: o.lines}
}

// title is the head of a table's first column.
func title(by string) string { return cmp.Or(LabelOf(by), by, "namespace") }

// count makes a table for each grouping, the worst group first, and counts all objects.
func (r *Report) count(groupings ...string) (tables [][]*counts, total counts) {
	rows := make([]map[string]*counts, len(groupings))
	for i := range rows {
		rows[i] = map[string]*counts{}
	}
	for of := range r.edited {
		total.add(of, of.lines)
		for i, by := range groupings {
			for group, lines := range of.groups(by) {
				if rows[i][group] == nil {
					rows[i][group] = &counts{group: group}
				}
				rows[i][group].add(of, lines)
			}
		}
	}
	for _, groups := range rows {
		tables = append(tables, worstFirst(groups))
	}
	return tables, total
}

func worstFirst(groups map[string]*counts) []*counts {
	return slices.SortedFunc(maps.Values(groups), func(a, b *counts) int {
		return cmp.Or(b.refused-a.refused, b.deny-a.deny, b.warn-a.warn, b.fixable-a.fixable, b.audit-a.audit,
			cmp.Compare(a.group, b.group))
	})
}

// none stands for a group without a name.
const none = "(none)"
