package input

import (
	"errors"
	"os"
	"syscall"
)

// openFile opens a file to read. os.Open also finds out whether it can be waited for, which takes five calls of the
// system more: for thousands of small files a tenth of the time. Not for pipes: reading one would hold a thread.
func openFile(name string) (*os.File, error) {
	for {
		descriptor, err := syscall.Open(name, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
		switch {
		case err == nil:
			return os.NewFile(uintptr(descriptor), name), nil
		case !errors.Is(err, syscall.EINTR): // as a file system over the network may say (go.dev/issue/11180)
			return nil, &os.PathError{Op: "open", Path: name, Err: err}
		}
	}
}
