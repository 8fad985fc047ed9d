package budget

import (
	"runtime/debug"
	"testing"
)

// TestMemory: the collector keeps to four fifths of what podvet has. That the cgroup's limit counts too is tested in
// one (test/node/hostile).
func TestMemory(t *testing.T) {
	const limit = 100 << 20 // lower than what any machine for tests has
	before := debug.SetMemoryLimit(limit)
	t.Cleanup(func() { debug.SetMemoryLimit(before) })
	if got := Memory(); got != limit {
		t.Errorf("%d MiB", got>>20)
	}
	if got := debug.SetMemoryLimit(-1); got != limit/5*4 {
		t.Errorf("the collector's limit is %d MiB", got>>20)
	}
}
