package main

import (
	"strings"
	"testing"

	"github.com/podvet/podvet/cmd/podvet/internal/report"
	"github.com/podvet/podvet/rules"
)

// TestReadable: on a terminal every page fits, says all it says, and shows no Markdown.
func TestReadable(t *testing.T) {
	for _, rule := range rules.Catalogue() {
		page := readable(rule.Page(), report.Options{Width: 80})
		for line := range strings.Lines(page) {
			line = strings.TrimRight(line, "\n")
			if len([]rune(line)) > 80 && !strings.HasPrefix(line, "    ") || strings.HasPrefix(line, "#") || strings.Contains(line, "`") {
				t.Errorf("%s: %q", rule.ID, line)
			}
		}
		words := strings.Fields(strings.NewReplacer("`", "", "#", "", "```yaml", "").Replace(rule.Page()))
		if got := len(strings.Fields(page)); got < len(words)-10 || got > len(words) {
			t.Errorf("%s: %d words of %d", rule.ID, got, len(words))
		}
	}
}
