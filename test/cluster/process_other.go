//go:build unix && !linux

package cluster

import (
	"os"
	"syscall"
)

// endsWithParent does nothing: only Linux can tie a child's life to its parent's. The child stays in the process
// group, so that a Ctrl-C ends it too; after a kill -9 it has to be ended by hand.
func endsWithParent(attr *syscall.SysProcAttr, _ os.Signal) *syscall.SysProcAttr {
	return attr
}
