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
		paceNext(0)
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

// paceNext has the collector set by what its next run leaves, and so on; the runs before it that left much in a row are
// counted. What comes while it runs counts as left, so that it was much once may be chance.
func paceNext(before int) {
	type garbage struct{ _ *byte } // with a pointer, so that it shares its place with nothing that lives
	runtime.AddCleanup(&garbage{}, func(before int) {
		live, much := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}, 0
		metrics.Read(live)
		if live[0].Value.Uint64() > heapRoom/3 { // then the percentage needs no less than the room
			much = before + 1
		}
		switch {
		case much == 2:
			usePercent()
		case much == 0 && before >= 2:
			useRoom()
		}
		paceNext(much)
	}, before)
}
