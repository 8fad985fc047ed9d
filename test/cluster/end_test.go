package cluster

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func TestNothingIsLeftWithoutStop(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(pid int) error{
		"kill -9": func(pid int) error { return syscall.Kill(pid, syscall.SIGKILL) },
		// A terminal sends it to the group.
		"Ctrl-C": func(pid int) error { return syscall.Kill(-pid, syscall.SIGINT) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd, h := startClusterHelper(t)
			for _, pid := range h.PIDs {
				if !running(pid) {
					t.Fatalf("process %d does not run", pid)
				}
			}
			if err := end(cmd.Process.Pid); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Wait(); err == nil {
				t.Fatal("the helper process ended well")
			}
			wantEnded(t, h.PIDs, 5*time.Second)
			sweep(filepath.Dir(h.Dir)) // as the next Start does
			if _, err := os.Stat(filepath.Join(h.Dir, "work")); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the data is left: %v", err)
			}
		})
	}
}

// A Ctrl-C reaches the process that started the cluster, not the cluster: the process decides what to do first.
func TestCtrlCIsForTheCaller(t *testing.T) {
	t.Parallel()
	cmd, _, rest := startHelper(t, "interrupt")
	if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	said, err := io.ReadAll(rest)
	if err != nil || string(said) != "kubectl: <nil> stop: <nil>\n" {
		t.Errorf("the helper said %q, %v", said, err)
	}
}

// The kernel sends the parent-death signal when the thread ends that started the child.
func TestProcessOutlivesTheCallersThread(t *testing.T) {
	t.Parallel()
	ended, bothStarted := make(chan error, 2), make(chan struct{})
	var started sync.WaitGroup
	started.Add(2)
	for range 2 { // two threads, because the first thread of a process does not end
		cmd := exec.Command("sleep", "1")
		cmd.SysProcAttr = endsWithParent(nil, os.Kill)
		go func() {
			runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
			if err := startOnLastingThread(cmd); err != nil {
				t.Error(err)
			}
			go func() { ended <- cmd.Wait() }()
			started.Done()
			<-bothStarted
		}()
	}
	started.Wait()
	close(bothStarted)
	for range 2 {
		if err := <-ended; err != nil {
			t.Errorf("a process ended: %v", err)
		}
	}
}

func TestSweep(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	folder := func(name string) *home {
		h := &home{}
		if err := h.take(filepath.Join(base, name)); err != nil {
			t.Fatal(err)
		}
		for _, dir := range []string{h.work(), h.logs()} {
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
		}
		return h
	}
	folder("killed").unlock()
	folder("old").unlock()
	longAgo := time.Now().Add(-keepLogs - time.Hour)
	if err := os.Chtimes(filepath.Join(base, "old"), longAgo, longAgo); err != nil {
		t.Fatal(err)
	}
	defer folder("running").unlock()
	if err := os.Mkdir(filepath.Join(base, "half"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(base, "half", "removed"), "")
	sweep(base)
	left, err := filepath.Glob(filepath.Join(base, "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range left {
		left[i] = strings.TrimPrefix(left[i], base+"/")
	}
	want := "killed/cluster.lock killed/logs running/cluster.lock running/logs running/work"
	if got := strings.Join(left, " "); got != want {
		t.Errorf("left are %s, want %s", got, want)
	}
	if entries, _ := os.ReadDir(base); len(entries) != 2 {
		t.Errorf("left are %v, want killed and running", entries)
	}
}

func TestAProcessEndsWhileInUse(t *testing.T) {
	t.Parallel()
	for i, name := range []string{"etcd", "kube-apiserver", "kube-controller-manager"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			c := startCluster(t, Options{Dir: dir})
			if c.Err() != nil {
				t.Fatal(c.Err())
			}
			pids := c.pids()
			syscall.Kill(pids[i], syscall.SIGKILL)
			select {
			case <-c.Ended():
			case <-time.After(5 * time.Second):
				t.Fatal("Ended is not closed")
			}
			wants := []string{name + " ended (signal: killed)", filepath.Join(dir, "logs", name+".log"),
				"start another"}
			wantLine(t, c.Err(), wants...)
			wantEnded(t, pids, 5*time.Second) // clients are not left waiting
			_, _, err := c.Kubectl(t.Context(), "get", "pods")
			wantLine(t, err, wants...)
			wantLine(t, c.Stop(), wants...)
			if _, err := os.Stat(filepath.Join(dir, "logs", name+".log")); err != nil {
				t.Errorf("the log that the error names is gone: %v", err)
			}
		})
	}
}

func TestAProcessEndsAtTheStart(t *testing.T) {
	t.Parallel()
	dir, start := t.TempDir(), time.Now()
	_, err := Start(t.Context(), Options{Dir: dir, APIServerFlags: []string{"--no-such-flag"}})
	wantLine(t, err, "kube-apiserver ended (exit status 1)", filepath.Join(dir, "logs", "kube-apiserver.log"),
		"unknown flag: --no-such-flag", "start again")
	if took := time.Since(start); took > readyLimit/2 {
		t.Errorf("the error took %v, as if it were waited for", took)
	}
}
