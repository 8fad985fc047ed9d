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
		paceNext(false)
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

// paceNext has the collector set by what the next collection leaves, and so on. byPercent is how it is set.
func paceNext(byPercent bool) {
	type garbage struct{ _ *byte } // with a pointer, so that it shares its place with nothing that lives
	runtime.AddCleanup(&garbage{}, func(byPercent bool) {
		live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		metrics.Read(live)
		much := live[0].Value.Uint64() > heapRoom/3 // then the percentage needs no less than the room
		switch {
		case much && !byPercent:
			usePercent()
		case !much && byPercent:
			useRoom()
		}
		paceNext(much)
	}, byPercent)
}
