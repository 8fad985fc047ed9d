package webhook

import "testing"

func TestSaid(t *testing.T) {
	var last said
	for i, step := range []struct {
		text    string
		changed bool
	}{{"", true}, {"", false}, {"a", true}, {"a", false}, {"b", true}, {"a", true}, {"", true}} {
		if got := last.changed(step.text); got != step.changed {
			t.Errorf("step %d, %q: changed is %v", i, step.text, got)
		}
	}
}
