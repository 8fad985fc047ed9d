package webhook

import (
	"sync"
	"time"

	"github.com/podvet/podvet/webhook/budget"
)

// loading is held while a policy is loaded.
type loading struct {
	one    sync.Mutex
	memory *budget.Shares
	taken  int64
}

// policyFollowed is a caller of its own: the cluster's policy is loaded whoever else calls.
const policyFollowed = "policy"

// Lock waits for its turn, and up to ten seconds for memory: a policy in force matters more than to be careful then.
func (l *loading) Lock() {
	l.one.Lock()
	for range 500 {
		if l.memory.Take(policyFollowed, l.memory.Most()/2) {
			l.taken = l.memory.Most() / 2
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// Unlock lets the next one load.
func (l *loading) Unlock() {
	l.memory.Release(policyFollowed, l.taken)
	l.taken = 0
	l.one.Unlock()
}
