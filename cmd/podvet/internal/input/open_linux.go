package input

import (
	"errors"
	"io"
	"os"
	"syscall"
)

// descriptor is a file that is open to be read, by one after the other.
type descriptor int

// openFile opens a file to read. os.Open also finds out whether it can be waited for, and has it closed when nobody
// does, which is six calls of the system more: for thousands of small files a tenth of the time. Not for pipes: reading
// one would hold a thread.
func openFile(name string) (io.ReadCloser, error) {
	n, err := again(func() (int, error) { return syscall.Open(name, syscall.O_RDONLY|syscall.O_CLOEXEC, 0) })
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	return descriptor(n), nil
}

func (d descriptor) Read(p []byte) (int, error) {
	n, err := again(func() (int, error) { return syscall.Read(int(d), p) })
	switch {
	case err != nil:
		return 0, err
	case n == 0 && len(p) > 0:
		return 0, io.EOF
	}
	return n, nil
}

func (d descriptor) Close() error { return syscall.Close(int(d)) }

// again calls until no signal comes between, as may be with a file system over the network (go.dev/issue/11180).
func again(call func() (int, error)) (n int, err error) {
	for {
		if n, err = call(); !errors.Is(err, syscall.EINTR) {
			return n, err
		}
	}
}
