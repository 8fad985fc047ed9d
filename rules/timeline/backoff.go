package timeline

import "time"

const (
	backOffInitial = 10 * time.Second
	backOffMax     = 300 * time.Second // crashLoopBackOff.maxContainerRestartPeriod may lower it on a node
	backOffExpires = 600 * time.Second // K pkg/kubelet/kubelet.go HasExpiredFunc
	housekeeping   = 2 * time.Second   // which drops entries that have expired (K pkg/kubelet/kubelet_pods.go)
)

// backOff is how long the kubelet waits before it restarts a container that has ended
// (k8s.io/client-go/util/flowcontrol Backoff, without jitter). The zero value is no entry.
type backOff struct {
	wait    time.Duration
	updated time.Duration // when the container was last restarted
}

// blocks tells whether a container that ended at a time may not be restarted yet.
func (b *backOff) blocks(ended, now time.Duration) bool {
	return b.wait > 0 && ended-b.updated <= backOffExpires && now-ended < b.wait
}

// restart makes the next wait longer. The first restart waits for nothing: it only makes the entry.
func (b *backOff) restart(ended, now time.Duration) {
	if b.wait == 0 || ended-b.updated > backOffExpires {
		b.wait = backOffInitial
	} else {
		b.wait = min(2*b.wait, backOffMax)
	}
	b.updated = now
}

// clean drops the entry if housekeeping found it expired: also while the container waits.
func (b *backOff) clean(cleaned time.Duration) {
	if cleaned-b.updated > backOffExpires {
		*b = backOff{}
	}
}
