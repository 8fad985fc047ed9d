package console

import (
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// Progress tells a person at a terminal who has waited for two seconds how far each stage is, until done. stage begins
// one and returns what counts its documents.
func Progress(w io.Writer) (stage func(name string) func(), done func()) {
	if _, ok := terminal(w); !ok {
		return func(string) func() { return func() {} }, func() {}
	}
	var documents atomic.Int64
	var now atomic.Pointer[string]
	stop, stopped := make(chan struct{}), make(chan struct{})
	stage = func(name string) func() {
		documents.Store(0)
		now.Store(&name)
		return func() { documents.Add(1) }
	}
	stage("read")
	go func() {
		defer close(stopped)
		for wait, said := 2*time.Second, false; ; wait, said = time.Second/2, true {
			select {
			case <-stop:
				if said {
					_, _ = fmt.Fprint(w, "\r\x1b[K")
				}
				return
			case <-time.After(wait): // whether documents come or not
				_, _ = fmt.Fprintf(w, "\r\x1b[K%d documents %s", documents.Load(), *now.Load())
			}
		}
	}()
	return stage, sync.OnceFunc(func() { close(stop); <-stopped })
}
