package console

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

const gap = "  "

// Columns sets rows in columns that begin after an indent and have a gap between them. No line is wider than width,
// unless one word is: the column that breaks best is wrapped first, then the last one.
func Columns(rows [][]string, indent string, width int) string {
	var widths, words []int // of the widest cells, and of the longest words
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths, words = append(widths, 0), append(words, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
			for word := range strings.FieldsSeq(cell) {
				words[i] = max(words[i], utf8.RuneCountInString(word))
			}
		}
	}
	if len(widths) > 0 {
		fit(widths, words, width-len(indent))
	}
	var out strings.Builder
	for _, row := range rows {
		cells := make([][]string, len(row))
		lines := 1
		for i, cell := range row {
			cells[i] = strings.Split(strings.TrimSuffix(Wrap(cell, 0, widths[i], ""), "\n"), "\n")
			lines = max(lines, len(cells[i]))
		}
		for n := range lines {
			var line strings.Builder
			line.WriteString(indent)
			for i := range cells {
				text := ""
				if n < len(cells[i]) {
					text = cells[i][n]
				}
				line.WriteString(text + strings.Repeat(" ", max(widths[i]-utf8.RuneCountInString(text), 0)) + gap)
			}
			out.WriteString(strings.TrimRight(line.String(), " ") + "\n")
		}
	}
	return out.String()
}

// fit makes columns narrower until they have room, none narrower than its longest word.
func fit(widths, words []int, room int) {
	over := len(gap)*(len(widths)-1) - room
	widest, last := 0, len(widths)-1
	for i, w := range widths {
		over += w
		if i < last && w-words[i] > widths[widest]-words[widest] {
			widest = i
		}
	}
	narrow := func(i, least int) {
		if w := widths[i]; over > 0 && w > least {
			widths[i] = max(w-over, least)
			over -= w - widths[i]
		}
	}
	narrow(widest, words[widest])
	narrow(last, words[last])
}

// Numbers sets rows in columns of which all but the first end at the right.
func Numbers(rows [][]string) string {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var out strings.Builder
	for _, row := range rows {
		fmt.Fprintf(&out, "%-*s", widths[0], row[0])
		for i, cell := range row[1:] {
			fmt.Fprintf(&out, "%s%*s", gap, widths[i+1], cell)
		}
		out.WriteByte('\n')
	}
	return out.String()
}
