package cluster

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

const version = "v1.37.2"

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
			if event.Verb == "create" &&
				event.User.Username == "system:serviceaccount:kube-system:replicaset-controller" {
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
		clusters = append(clusters, &Cluster{Kubeconfig: h.Kubeconfig, Binaries: first.Binaries,
			home: &home{dir: t.TempDir()}})
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
	want := "cluster.lock logs/audit.log logs/etcd.log logs/kube-apiserver.log logs/kube-controller-manager.log"
	if got := strings.Join(left, " "); got != want {
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
