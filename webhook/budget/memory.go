package budget

import (
	"math"
	"os"
	"runtime/debug"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

// Unlimited is how many bytes podvet acts as if it had where nothing limits them.
const Unlimited = 512 << 20

// collectAt is by how much more than what lives the heap grows until the collector runs, in percent. Of podvet without
// reviews 3 MB live: it is worth some more not to collect at every hundredth review.
const collectAt = 200

// Memory is how many bytes the process may take: the lower one of its cgroup's limit and GOMEMLIMIT, Unlimited where
// there is neither. It has the collector keep to four fifths of them: the kernel kills at once what the collector is
// late for. GOGC says when the collector runs, as ever.
func Memory() int64 {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(collectAt)
	}
	memory := debug.SetMemoryLimit(-1) // reads GOMEMLIMIT
	if limit, err := memlimit.FromCgroup(); err == nil && limit < uint64(memory) {
		memory = int64(limit)
	}
	if memory == math.MaxInt64 {
		return Unlimited
	}
	debug.SetMemoryLimit(memory / 5 * 4)
	return memory
}
