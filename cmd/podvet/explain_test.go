package main

import (
	"strings"
	"testing"

	"github.com/podvet/podvet/cmd/podvet/internal/console"
	"github.com/podvet/podvet/rules/catalogue"
)

// TestReadable: on a terminal every page fits, says all it says, and shows no Markdown.
func TestReadable(t *testing.T) {
	for _, rule := range catalogue.All.Rules() {
		page := console.Page(catalogue.Page(rule), 80, false)
		for line := range strings.Lines(page) {
			line = strings.TrimRight(line, "\n")
			// An address is a word that cannot be broken.
			tooLong := len([]rune(line)) > 80 && !strings.HasPrefix(line, "    ") &&
				strings.Contains(strings.TrimSpace(line), " ")
			if tooLong || strings.HasPrefix(line, "#") || strings.Contains(line, "`") {
				t.Errorf("%s: %q", rule.ID, line)
			}
		}
		plain := strings.NewReplacer("`", "", "#", "", "```yaml", "", "](", "] (")
		words := strings.Fields(plain.Replace(catalogue.Page(rule)))
		if got := len(strings.Fields(page)); got < len(words)-10 || got > len(words) {
			t.Errorf("%s: %d words of %d", rule.ID, got, len(words))
		}
	}
}
