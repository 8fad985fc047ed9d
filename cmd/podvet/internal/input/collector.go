package input

import (
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// Little of what is read lives on. Go's percentage follows what lives, and collecting so small a heap again and again
// took a tenth of the time. So the heap may fill a room first, which is as large as its peak was.
const (
	heapRoom  = 30 << 20 // bytes, of all that Go's runtime takes
	collectAt = 150      // percent of what lives, where too much lives for the room
)

// paceCollector sets the collector, now and after each collection. Whoever has set GOGC or GOMEMLIMIT knows better.
func paceCollector() {
	if os.Getenv("GOGC") == "" && os.Getenv("GOMEMLIMIT") == "" {
		useRoom()
		paceNext(pace{})
	}
}

// useRoom has the heap collected when the room is full.
func useRoom() {
	debug.SetMemoryLimit(heapRoom)
	debug.SetGCPercent(-1)
}

// usePercent has it collected by how much has come since the last time.
func usePercent() {
	debug.SetGCPercent(collectAt)
	debug.SetMemoryLimit(math.MaxInt64)
}

// pace is how the collector is set, and what its last run left.
type pace struct{ byPercent, much bool }

// paceNext has the collector set by what the next run leaves, and so on. What comes while it runs counts as left, so
// that it was much once may be chance.
func paceNext(last pace) {
	type garbage struct{ _ *byte } // with a pointer, so that it shares its place with nothing that lives
	runtime.AddCleanup(&garbage{}, func(last pace) {
		live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		metrics.Read(live)
		// With more than a third of the room the percentage needs no less than the room.
		now := pace{last.byPercent, live[0].Value.Uint64() > heapRoom/3}
		switch {
		case now.much && last.much && !last.byPercent:
			usePercent()
			now.byPercent = true
		case !now.much && last.byPercent:
			useRoom()
			now.byPercent = false
		}
		paceNext(now)
	}, last)
}
