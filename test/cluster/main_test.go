package cluster

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"
)

// helperEnv makes the test binary a helper process, see TestMain.
const helperEnv = "PODVET_CLUSTER_TEST_HELPER"

func TestMain(m *testing.M) {
	switch os.Getenv(helperEnv) {
	case "":
		os.Exit(m.Run())
	case "cluster":
		helpWithCluster()
	case "interrupt":
		helpWithInterrupt()
	case "build":
		helpWithBuild()
	}
}

// helped is what a helper process tells about its cluster.
type helped struct {
	Dir, Kubeconfig string
	PIDs            []int
}

// helpWithCluster starts a cluster, tells it and waits to be killed.
func helpWithCluster() {
	c, err := Start(context.Background(), Options{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	json.NewEncoder(os.Stdout).Encode(helped{c.home.dir, c.Kubeconfig, c.pids()})
	time.Sleep(10 * time.Minute)
}

// helpWithInterrupt starts a cluster, waits for a Ctrl-C, and then still uses the cluster before it stops it.
func helpWithInterrupt() {
	interrupted, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	c, err := Start(context.Background(), Options{})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("started")
	<-interrupted.Done()
	_, _, err = c.Kubectl(context.Background(), "get", "pods")
	fmt.Println("kubectl:", err, "stop:", c.Stop())
}

// startHelper runs this test binary again, in a process group of its own, and returns its first line and what follows.
func startHelper(t *testing.T, kind string, env ...string) (cmd *exec.Cmd, line string, rest io.Reader) {
	t.Helper()
	cmd = exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), helperEnv+"="+kind), env...)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	buffered := bufio.NewReader(out)
	line, err = buffered.ReadString('\n')
	if err != nil {
		t.Fatalf("the helper process said nothing: %v", err)
	}
	return cmd, line, buffered
}

func startClusterHelper(t *testing.T) (*exec.Cmd, helped) {
	t.Helper()
	cmd, line, _ := startHelper(t, "cluster")
	var h helped
	if err := json.Unmarshal([]byte(line), &h); err != nil {
		t.Fatalf("%v in %q", err, line)
	}
	t.Cleanup(func() { // its logs would be kept for a day
		cmd.Process.Kill()
		cmd.Wait()
		os.RemoveAll(h.Dir)
	})
	if len(h.PIDs) != 3 {
		t.Fatalf("the helper's cluster has the processes %v, want 3", h.PIDs)
	}
	return cmd, h
}

func startCluster(t *testing.T, o Options) *Cluster {
	t.Helper()
	c, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Stop() })
	return c
}

func (c *Cluster) pids() []int {
	c.mu.Lock()
	defer c.mu.Unlock()
	var pids []int
	for _, p := range c.processes {
		pids = append(pids, p.cmd.Process.Pid)
	}
	return pids
}

// running says whether a process runs. One that has ended and waits to be reaped does not.
func running(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(after, "Z") && !strings.HasPrefix(after, "X")
}

func wantEnded(t *testing.T, pids []int, within time.Duration) {
	t.Helper()
	eventually(t, within, func() error {
		for _, pid := range pids {
			if running(pid) {
				name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
				return fmt.Errorf("process %d (%s) still runs", pid, strings.TrimSpace(string(name)))
			}
		}
		return nil
	})
}

func eventually(t *testing.T, within time.Duration, check func() error) {
	t.Helper()
	for start := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		err := check()
		if err == nil {
			return
		}
		if time.Since(start) > within {
			t.Fatalf("after %v: %v", within, err)
		}
	}
}

// wantLine fails unless the error is one line that contains all the parts.
func wantLine(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one with %q", parts)
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("the error is not one line: %v", err)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("the error %q lacks %q", err, part)
		}
	}
}

func (c *Cluster) mustKubectl(t *testing.T, args ...string) string {
	t.Helper()
	out, _, err := c.Kubectl(t.Context(), args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
