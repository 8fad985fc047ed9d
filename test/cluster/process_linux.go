package cluster

import (
	"os"
	"syscall"
)

// endsWithParent makes the kernel send a child the signal when this process ends, even by kill -9. The child
// has a process group of its own: a Ctrl-C reaches this process only, which decides what becomes of the child.
// Other attributes stay as they are.
func endsWithParent(attr *syscall.SysProcAttr, signal os.Signal) *syscall.SysProcAttr {
	if attr == nil {
		attr = &syscall.SysProcAttr{}
	}
	attr.Setpgid, attr.Pdeathsig = true, signal.(syscall.Signal)
	return attr
}
