package cluster

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const version = "v1.37.2"

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

func TestControlPlane(t *testing.T) {
	t.Parallel()
	c := startCluster(t, Options{})

	t.Run("versions", func(t *testing.T) {
		var said struct{ ClientVersion, ServerVersion struct{ GitVersion string } }
		if err := json.Unmarshal([]byte(c.mustKubectl(t, "version", "-o", "json")), &said); err != nil {
			t.Fatal(err)
		}
		if said.ClientVersion.GitVersion != version || said.ServerVersion.GitVersion != version {
			t.Errorf("kubectl version says %+v, want %s twice", said, version)
		}
	})

	t.Run("a Deployment gets a pod", func(t *testing.T) {
		c.mustKubectl(t, "create", "deployment", "web", "--image=example.invalid/web")
		var pods struct {
			Items []struct {
				Metadata struct{ OwnerReferences []struct{ Kind string } }
				Spec     struct{ ServiceAccountName string }
				Status   struct{ Phase string }
			}
		}
		eventually(t, 20*time.Second, func() error {
			out := c.mustKubectl(t, "get", "pods", "-l", "app=web", "-o", "json")
			if err := json.Unmarshal([]byte(out), &pods); err != nil {
				return err
			}
			if len(pods.Items) != 1 {
				return fmt.Errorf("%d pods, want 1", len(pods.Items))
			}
			return nil
		})
		pod := pods.Items[0]
		if pod.Status.Phase != "Pending" || pod.Spec.ServiceAccountName != "default" ||
			len(pod.Metadata.OwnerReferences) != 1 || pod.Metadata.OwnerReferences[0].Kind != "ReplicaSet" {
			t.Errorf("the pod is %+v, want a pending one of a ReplicaSet with the default ServiceAccount", pod)
		}
	})

	t.Run("the audit log records pods", func(t *testing.T) {
		log, err := os.ReadFile(c.AuditLog)
		if err != nil {
			t.Fatal(err)
		}
		created := 0
		for line := range strings.Lines(string(log)) {
			var event struct {
				Level, Verb string
				User        struct{ Username string }
				ObjectRef   struct{ Resource string }
			}
			if err := json.Unmarshal([]byte(line), &event); err != nil {
				t.Fatal(err)
			}
			if event.Level != "Metadata" || event.ObjectRef.Resource != "pods" {
				t.Errorf("event %s", line)
			}
			if event.Verb == "create" && event.User.Username == "system:serviceaccount:kube-system:replicaset-controller" {
				created++
			}
		}
		if created != 1 {
			t.Errorf("%d pods were created by the ReplicaSet controller, want 1, in:\n%s", created, log)
		}
	})

	t.Run("tokens of ServiceAccounts are good", func(t *testing.T) {
		token := strings.TrimSpace(c.mustKubectl(t, "create", "token", "default"))
		who := c.mustKubectl(t, "auth", "whoami", "-o", "jsonpath={.status.userInfo.username}", "--token", token)
		if who != "system:serviceaccount:default:default" {
			t.Errorf("the token is of %q", who)
		}
	})

	t.Run("the kubectl error is one line", func(t *testing.T) {
		_, stderr, err := c.Kubectl(t.Context(), "get", "pod", "none")
		wantLine(t, err, "kubectl get pod none", "exit status 1", `pods "none" not found`)
		if !strings.Contains(stderr, "NotFound") {
			t.Errorf("standard error is %q", stderr)
		}
	})

	t.Run("everything listens on loopback", func(t *testing.T) {
		addresses := listening(t, c.pids())
		if len(addresses) != 1 || "https://"+addresses[0] != c.Config.Host {
			t.Errorf("the processes listen on %v, want only %s", addresses, c.Config.Host)
		}
	})

	t.Run("Stop leaves nothing", func(t *testing.T) {
		watch := c.KubectlCommand(t.Context(), "get", "pods", "--watch", "--no-headers")
		out, err := watch.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := watch.Start(); err != nil {
			t.Fatal(err)
		}
		defer watch.Wait()
		if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || !strings.HasPrefix(line, "web-") {
			t.Fatalf("the watch began with %q, %v", line, err)
		}
		pids, start := c.pids(), time.Now()
		for range 2 {
			if err := c.Stop(); err != nil {
				t.Error(err)
			}
		}
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("Stop took %v", took)
		}
		wantEnded(t, pids, 0)
		if _, err := os.Stat(c.home.dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the folder is left: %v", err)
		}
		if c.Err() != nil {
			t.Errorf("Err after Stop: %v", c.Err())
		}
	})
}

// listening are the TCP addresses that the processes listen on.
func listening(t *testing.T, pids []int) []string {
	t.Helper()
	inodes := map[string]bool{}
	for _, pid := range pids {
		links, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
		if err != nil || len(links) == 0 {
			t.Fatalf("the files of process %d: %v, %v", pid, links, err)
		}
		for _, link := range links {
			target, _ := os.Readlink(link) // a file may be closed meanwhile
			if inode, ok := strings.CutPrefix(target, "socket:["); ok {
				inodes[strings.TrimSuffix(inode, "]")] = true
			}
		}
	}
	var addresses []string
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, err := os.ReadFile(table)
		if err != nil && !errors.Is(err, os.ErrNotExist) { // no IPv6
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			const local, state, inode, listen = 1, 3, 9, "0A"
			field := strings.Fields(line)
			if len(field) <= inode || field[state] != listen || !inodes[field[inode]] {
				continue
			}
			host, port, _ := strings.Cut(field[local], ":")
			ip, err := hex.DecodeString(host)
			if err != nil {
				t.Fatal(err)
			}
			number, err := strconv.ParseUint(port, 16, 16)
			if err != nil {
				t.Fatal(err)
			}
			if len(ip) == 4 { // in the byte order of the machine: little endian
				ip[0], ip[1], ip[2], ip[3] = ip[3], ip[2], ip[1], ip[0]
			}
			addresses = append(addresses, net.JoinHostPort(net.IP(ip).String(), strconv.FormatUint(number, 10)))
		}
	}
	return addresses
}

// Two clusters in this process and one in another, all at the same time.
func TestClustersDoNotDisturbEachOther(t *testing.T) {
	t.Parallel()
	other := make(chan helped)
	go func() {
		defer close(other)
		_, h := startClusterHelper(t)
		other <- h
	}()
	second := make(chan *Cluster)
	go func() {
		defer close(second)
		second <- startCluster(t, Options{})
	}()
	first := startCluster(t, Options{})
	clusters := []*Cluster{first, <-second}
	if h := <-other; h.Dir != "" {
		clusters = append(clusters, &Cluster{Kubeconfig: h.Kubeconfig, Binaries: first.Binaries, home: &home{dir: t.TempDir()}})
	}
	if len(clusters) != 3 || clusters[1] == nil {
		t.FailNow()
	}
	for i, c := range clusters {
		c.mustKubectl(t, "create", "configmap", fmt.Sprintf("of-%d", i))
	}
	for i, c := range clusters {
		got := c.mustKubectl(t, "get", "configmaps", "-o", "name", "--field-selector=metadata.name!=kube-root-ca.crt")
		if want := fmt.Sprintf("configmap/of-%d\n", i); got != want {
			t.Errorf("cluster %d has %q, want %q", i, got, want)
		}
	}
	if err := first.Stop(); err != nil {
		t.Error(err)
	}
	for _, c := range clusters[1:] {
		c.mustKubectl(t, "get", "--raw", "/readyz")
	}
}

func TestNothingIsLeftWithoutStop(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(pid int) error{
		"kill -9": func(pid int) error { return syscall.Kill(pid, syscall.SIGKILL) },
		"Ctrl-C":  func(pid int) error { return syscall.Kill(-pid, syscall.SIGINT) }, // a terminal sends it to the group
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
	if got, want := strings.Join(left, " "), "killed/cluster.lock killed/logs running/cluster.lock running/logs running/work"; got != want {
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
			wants := []string{name + " ended (signal: killed)", filepath.Join(dir, "logs", name+".log"), "start another"}
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
	wantLine(t, err, "kube-apiserver ended (exit status 1)", filepath.Join(dir, "logs", "kube-apiserver.log"), "unknown flag: --no-such-flag", "start again")
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("the error took %v", took)
	}
}

func TestStartIsInterrupted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
	defer cancel()
	_, err := Start(ctx, Options{Dir: dir})
	wantLine(t, err, context.DeadlineExceeded.Error())
	if _, err := os.Stat(filepath.Join(dir, "work")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the data is left: %v", err)
	}
}

func TestPortIsTaken(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	taken := listener.Addr().(*net.TCPAddr).Port
	line := fmt.Sprintf("port %d on 127.0.0.1 is taken: stop the program", taken)

	_, err = Start(t.Context(), Options{Port: taken})
	wantLine(t, err, line)

	// Taken after it was chosen: the API server says so.
	choose := choosePort
	defer func() { choosePort = choose }()
	calls := 0
	choosePort = func(port int) (int, error) {
		calls++
		if calls == 1 || port != 0 {
			return taken, nil
		}
		return choose(0)
	}
	_, err = Start(t.Context(), Options{Port: taken})
	wantLine(t, err, line)
	calls = 0
	startCluster(t, Options{})
	if calls != 2 {
		t.Errorf("%d ports were chosen, want 2", calls)
	}
}

func TestSameFolderAgain(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), strings.Repeat("a-long-name-", 10)) // longer than a Unix socket's path
	first := startCluster(t, Options{Dir: dir})

	_, err := Start(t.Context(), Options{Dir: dir})
	wantLine(t, err, dir, "is in use by a running cluster")

	first.mustKubectl(t, "create", "configmap", "of-the-first")
	if err := first.Stop(); err != nil {
		t.Fatal(err)
	}
	var left []string
	filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			left = append(left, strings.TrimPrefix(path, dir+"/"))
		}
		return err
	})
	if got, want := strings.Join(left, " "), "cluster.lock logs/audit.log logs/etcd.log logs/kube-apiserver.log logs/kube-controller-manager.log"; got != want {
		t.Errorf("Stop left %s, want %s", got, want)
	}

	second := startCluster(t, Options{Dir: dir})
	if second.Kubeconfig != first.Kubeconfig {
		t.Errorf("the kubeconfig moved from %s to %s", first.Kubeconfig, second.Kubeconfig)
	}
	if got := second.mustKubectl(t, "get", "configmaps", "-o", "name"); strings.Contains(got, "of-the-first") {
		t.Errorf("the second cluster has the first one's data: %s", got)
	}
}

func TestForeignFolderIsLeftAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	logs := filepath.Join(dir, "logs")
	if err := os.Mkdir(logs, 0o755); err != nil {
		t.Fatal(err)
	}
	_, err := Start(t.Context(), Options{Dir: dir})
	wantLine(t, err, dir, "holds other files")
	if _, err := os.Stat(logs); err != nil {
		t.Error(err)
	}
}

func TestAuditPolicy(t *testing.T) {
	t.Parallel()
	c := startCluster(t, Options{AuditPolicy: `apiVersion: audit.k8s.io/v1
kind: Policy
rules:
- {level: Request, namespaces: [default], resources: [{group: "", resources: [configmaps]}]}
- {level: None}
`})
	c.mustKubectl(t, "create", "configmap", "seen", "--from-literal=a=b")
	log, err := os.ReadFile(c.AuditLog)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(log), `"requestObject"`) {
		t.Errorf("the audit log is:\n%s", log)
	}
}
