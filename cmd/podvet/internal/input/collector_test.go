package input

import (
	"math"
	"runtime"
	"runtime/metrics"
	"testing"
	"time"
)

// TestCollector: a heap too large for its room is collected by the percentage, until little lives again. A limit
// that is lower than what lives would have the collector take half of the processors.
func TestCollector(t *testing.T) {
	t.Setenv("GOGC", "")
	t.Setenv("GOMEMLIMIT", "")
	paceCollector()
	expect := func(when string, percent, limit uint64) {
		t.Helper()
		for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
			runtime.GC()
			set := []metrics.Sample{{Name: "/gc/gogc:percent"}, {Name: "/gc/gomemlimit:bytes"}}
			metrics.Read(set)
			if set[0].Value.Uint64() == percent && set[1].Value.Uint64() == limit {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("%s: %d %%, a limit of %d bytes", when, set[0].Value.Uint64(), set[1].Value.Uint64())
			}
		}
	}
	expect("at first", math.MaxUint64, heapRoom) // no percentage
	much := make([]byte, heapRoom)
	expect("with much", collectAt, math.MaxInt64)
	runtime.KeepAlive(much)
	expect("with little again", math.MaxUint64, heapRoom)
}
