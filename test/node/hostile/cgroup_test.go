package hostile

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// limit is the chart's default memory limit in bytes.
const limit = 256 << 20

// memoryCgroup makes a cgroup with the limit, below this process's own with cgroup v1 and below the root with v2.
func memoryCgroup(t *testing.T) (dir string) {
	t.Helper()
	root, files := "/sys/fs/cgroup", map[string]int{"memory.max": limit, "memory.swap.max": 0}
	var fs unix.Statfs_t
	if err := unix.Statfs(root, &fs); err != nil {
		t.Fatal(err)
	}
	if fs.Type != unix.CGROUP2_SUPER_MAGIC {
		files = map[string]int{"memory.limit_in_bytes": limit}
		own, err := os.ReadFile("/proc/self/cgroup")
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(own)) {
			if fields := strings.SplitN(strings.TrimSpace(line), ":", 3); len(fields) == 3 && fields[1] == "memory" {
				root = filepath.Join(root, "memory", fields[2])
			}
		}
	} else if err := os.WriteFile(filepath.Join(root, "cgroup.subtree_control"), []byte("+memory"), 0); err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp(root, "podvet-hostile-") //nolint:usetesting // a folder there is a cgroup
	if err != nil {
		t.Fatalf("a cgroup needs root: %v", err)
	}
	t.Cleanup(func() { // the kernel needs a moment to see that it is empty
		for range 100 {
			if unix.Rmdir(dir) == nil {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
		t.Errorf("%s is left", dir)
	})
	for name, value := range files {
		err := os.WriteFile(filepath.Join(dir, name), []byte(strconv.Itoa(value)), 0)
		if err != nil && name != "memory.swap.max" { // a kernel without swap has no such file
			t.Fatal(err)
		}
	}
	return dir
}

// peak is the most memory that the cgroup ever took, in bytes; 0 where the kernel does not say.
func peak(cgroup string) int64 {
	for _, name := range []string{"memory.peak", "memory.max_usage_in_bytes"} {
		if text, err := os.ReadFile(filepath.Join(cgroup, name)); err == nil {
			n, _ := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
			return n
		}
	}
	return 0
}

// victim is podvet in a cgroup of the chart's limit.
type victim struct {
	address string // HOST:PORT
	health  string
	metrics string
	cgroup  string
	roots   *x509.CertPool
	log     *bytes.Buffer
	died    chan struct{} // closed when it has ended
}

// start runs podvet with the environment's GOMEMLIMIT as the chart sets it: not at all.
func start(t *testing.T) *victim {
	t.Helper()
	dir := t.TempDir()
	v := &victim{address: freeAddress(t), health: freeAddress(t), metrics: freeAddress(t), cgroup: memoryCgroup(t),
		log: &bytes.Buffer{}, died: make(chan struct{})}
	_, port, _ := net.SplitHostPort(v.address)
	// The shell enters the cgroup before podvet is there.
	cmd := exec.Command("sh", "-c", `echo $$ >"$0/cgroup.procs" && exec "$@"`, v.cgroup, binary, "serve", "--local",
		"--cert-dir", dir, "--port", port, "--health-address", v.health, "--metrics-address", v.metrics)
	cmd.Env = append(os.Environ(), os.Getenv("HOSTILE_ENV"))
	cmd.Stdout, cmd.Stderr = v.log, v.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = cmd.Wait()
		close(v.died)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-v.died
	})
	ready := func() bool {
		resp, err := http.Get("http://" + v.health + "/readyz")
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	}
	for !ready() {
		if !v.lives() || t.Context().Err() != nil {
			t.Fatalf("podvet does not serve: %s", v.log)
		}
		time.Sleep(20 * time.Millisecond)
	}
	ca, err := os.ReadFile(filepath.Join(dir, "ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	v.roots = x509.NewCertPool()
	v.roots.AppendCertsFromPEM(ca)
	return v
}

func (v *victim) lives() bool {
	select {
	case <-v.died:
		return false
	default:
		return true
	}
}

// dial connects from an address of this machine, 127.0.0.N.
func (v *victim) dial(ctx context.Context, n int, address string) (net.Conn, error) {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(n))}, Timeout: 30 * time.Second}
	return dialer.DialContext(ctx, "tcp", address)
}

// client calls from 127.0.0.N.
func (v *victim) client(n int) *http.Client {
	return &http.Client{Timeout: time.Minute, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			return v.dial(ctx, n, address)
		},
		TLSClientConfig: &tls.Config{RootCAs: v.roots}, ForceAttemptHTTP2: true,
	}}
}

// connect is a TLS connection from 127.0.0.N on which HTTP/1.1 is written by hand.
func (v *victim) connect(ctx context.Context, n int) (*tls.Conn, error) {
	plain, err := v.dial(ctx, n, v.address)
	if err != nil {
		return nil, err
	}
	conn := tls.Client(plain, &tls.Config{RootCAs: v.roots, ServerName: "127.0.0.1"})
	_ = plain.SetDeadline(time.Now().Add(30 * time.Second))
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = plain.Close()
		return nil, err
	}
	_ = plain.SetDeadline(time.Time{})
	return conn, nil
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// post sends a body, and returns the HTTP status, 0 where there was no answer.
func post(client *http.Client, url string, body []byte) (code int, err error) {
	resp, err := client.Post(url, "application/json", bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	var said bytes.Buffer
	_, _ = said.ReadFrom(resp.Body)
	if resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %.300s", resp.Status, said.String())
	}
	return resp.StatusCode, err
}
