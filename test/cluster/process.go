package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// stopGrace is how long a process may take to end after SIGTERM before it is killed. The API server takes 1 second,
// but up to a minute while a client watches; nothing is lost then, as its data is thrown away.
const stopGrace = 2 * time.Second

// A process is one running program of a cluster.
type process struct {
	name string
	log  string // path of what it says
	args []string
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
	how  error         // once done: how it ended, nil for status 0

	unwanted bool // it is being restarted, so its end is nobody's loss; the cluster's mu guards it
}

// run starts a program in dir. It sees nothing of the caller's environment: etcd and the API server take
// settings and proxies from there.
func run(program, dir, logs string, args ...string) (*process, error) {
	name := filepath.Base(program)
	// A program that is restarted goes on with its log.
	log, err := os.OpenFile(filepath.Join(logs, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o666)
	if err != nil {
		return nil, fmt.Errorf("the log of %s cannot be written: %w", name, err)
	}
	defer log.Close()
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	cmd.Env = []string{"HOME=" + dir, "TMPDIR=" + dir}
	cmd.Stdout, cmd.Stderr = log, log
	if err := StartChild(cmd); err != nil {
		return nil, fmt.Errorf("%s cannot be started: %w", name, err)
	}
	p := &process{name: name, log: log.Name(), args: args, cmd: cmd, done: make(chan struct{})}
	go func() {
		p.how = cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// stop ends the process and returns when it has ended.
func (p *process) stop() {
	p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(stopGrace):
		p.cmd.Process.Kill()
		<-p.done
	}
}

// lastWords is the last line of the process's log.
func (p *process) lastWords() string {
	text, err := os.ReadFile(p.log)
	if err != nil || lastLine(text) == "" {
		return "it said nothing"
	}
	return lastLine(text)
}

// lastingThread runs functions on one thread that lives as long as this process: Linux sends a child its
// parent-death signal when the thread that started it ends, and other threads come and go.
var lastingThread = sync.OnceValue(func() chan<- func() {
	work := make(chan func())
	go func() {
		runtime.LockOSThread()
		for do := range work {
			do()
		}
	}()
	return work
})

// runOnLastingThread starts a program there and waits for its end.
func runOnLastingThread(cmd *exec.Cmd) error {
	if err := startOnLastingThread(cmd); err != nil {
		return err
	}
	return cmd.Wait()
}

// StartChild starts a program that ends with this process, however that ends (on Linux).
func StartChild(cmd *exec.Cmd) error {
	cmd.SysProcAttr = endsWithParent(cmd.SysProcAttr, os.Kill)
	return startOnLastingThread(cmd)
}

func startOnLastingThread(cmd *exec.Cmd) error {
	started := make(chan error)
	lastingThread() <- func() { started <- cmd.Start() }
	return <-started
}

var errLocked = errors.New("locked by another")

// Lock takes the lock file at path, which it makes when there is none, or fails at once. The system frees the lock
// when this process ends, however it ends.
func Lock(path string) (unlock func(), err error) {
	return lock(path, true)
}

// lock takes the lock file at path, or returns errLocked at once. With create it makes the file when there is none.
// The system frees the lock when this process ends, however it ends.
func lock(path string, create bool) (unlock func(), err error) {
	flags := os.O_RDWR
	if create {
		flags |= os.O_CREATE
	}
	file, err := os.OpenFile(path, flags, 0o644)
	if err != nil {
		return nil, fmt.Errorf("the lock cannot be opened: %w: use a folder that can be written", err)
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return func() { file.Close() }, nil
	}
	file.Close()
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, errLocked
	}
	return nil, fmt.Errorf("the lock %s cannot be taken: %w", path, err)
}

// lockWhenFree waits for the lock file at path and calls waiting once when that takes more than 2 seconds.
func lockWhenFree(ctx context.Context, path string, waiting func()) (unlock func(), err error) {
	told := false
	for start := time.Now(); ; {
		unlock, err := lock(path, true)
		if !errors.Is(err, errLocked) {
			return unlock, err
		}
		if !told && time.Since(start) > 2*time.Second {
			waiting()
			told = true
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for the lock %s was interrupted: %w", path, ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
}
