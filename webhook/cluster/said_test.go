package cluster

import "testing"

func TestSaid(t *testing.T) {
	var s said
	if got := s.last(); got != "" {
		t.Errorf("before the first text: %q", got)
	}
	for i, step := range []struct {
		text    string
		changed bool
	}{{"", true}, {"", false}, {"a", true}, {"a", false}, {"b", true}, {"a", true}, {"", true}} {
		if got := s.changed(step.text); got != step.changed {
			t.Errorf("step %d, %q: changed is %v", i, step.text, got)
		}
		if got := s.last(); got != step.text {
			t.Errorf("step %d: the last text is %q, want %q", i, got, step.text)
		}
	}
}
