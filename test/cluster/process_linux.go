package cluster

import (
	"os"
	"syscall"
)

// endsWithParent makes the kernel send a child the signal when this process ends, even by kill -9. The child
// has a process group of its own: a Ctrl-C reaches this process only, which decides what becomes of the child.
func endsWithParent(signal os.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: signal.(syscall.Signal)}
}
