// Package podvet runs `podvet serve` beside a real control plane and registers it there. It knows podvet by its command
// line, its log and its endpoints alone, and no test.
package podvet

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/podvet/podvet/certs"
	"github.com/podvet/podvet/test/cluster"
)

// Build builds podvet with build tags, in the way of the tests, so that nothing is compiled once more. It must be
// called from within the repository.
func Build(ctx context.Context, binary string, tags ...string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-ldflags=-s -w", "-tags", strings.Join(tags, ","), "-o",
		binary, "github.com/podvet/podvet/cmd/podvet")
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cluster.StartChild(cmd); err != nil {
		return err
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("building podvet: %w: %s", err, said.Bytes())
	}
	return nil
}

// ownFiles lists what podvet is built of, of this repository. Its go.mod names all else.
const ownFiles = `{{if and .Module .Module.Main}}{{.Module.GoMod}}
{{$dir := .Dir}}{{range .GoFiles}}{{$dir}}/{{.}}
{{end}}{{range .EmbedFiles}}{{$dir}}/{{.}}
{{end}}{{end}}`

// Watch looks at what podvet is built of with build tags, from within a test. Go runs a test again where a file has
// changed that the test has looked at; what a program was built of that it runs go does not know.
func Watch(ctx context.Context, tags ...string) error {
	files, err := exec.CommandContext(ctx, "go", "list", "-deps", "-tags", strings.Join(tags, ","), "-f", ownFiles,
		"github.com/podvet/podvet/cmd/podvet").Output()
	if err != nil {
		return fmt.Errorf("listing the files of podvet: %w", err)
	}
	for file := range strings.FieldsSeq(string(files)) {
		if _, err := os.Stat(file); err != nil {
			return err
		}
	}
	return nil
}

// Server is a running `podvet serve`.
type Server struct {
	URL     string
	CA      []byte // PEM; nil where it makes none
	Metrics string // URL of its metrics
	Ready   string // URL of its readiness
	Log     string // file of its standard error
	Process *os.Process

	cmd *exec.Cmd
}

// Serve starts podvet without a cluster, with its files in dir, and returns once it serves. policyFile may be empty.
func Serve(ctx context.Context, binary, dir, policyFile string) (*Server, error) {
	args := []string{"--local", "--cert-dir", filepath.Join(dir, "certs")}
	if policyFile != "" {
		args = append(args, "--policy", policyFile)
	}
	return Start(ctx, binary, dir, nil, args...)
}

// ServeInCluster starts podvet as in a pod of the cluster that a kubeconfig names, with a certificate for localhost and
// further flags. It returns once podvet serves, which may be before it is ready.
func ServeInCluster(ctx context.Context, binary, dir, kubeconfig, policyConfigMap string, args ...string) (
	*Server, error) {
	if err := certs.Local(filepath.Join(dir, "certs"), time.Now()); err != nil {
		return nil, err
	}
	return Start(ctx, binary, dir, []string{"KUBECONFIG=" + kubeconfig}, append([]string{
		"--policy-configmap", policyConfigMap, "--tls", "files", "--cert-dir", filepath.Join(dir, "certs"),
		"--address", "127.0.0.1", "--shutdown-delay", "0s"}, args...)...)
}

// startLimit is how long podvet may take until it serves.
const startLimit = 2 * time.Minute

// Start runs `podvet serve` with free ports, an environment beside this process's and further flags, and returns once
// it serves. Its log is in dir.
func Start(ctx context.Context, binary, dir string, env []string, args ...string) (*Server, error) {
	var ports [3]string // of reviews, metrics, health
	for i := range ports {
		port, err := FreePort(ctx)
		if err != nil {
			return nil, err
		}
		ports[i] = strconv.Itoa(port)
	}
	args = append([]string{"serve", "--port", ports[0], "--metrics-address", net.JoinHostPort("127.0.0.1", ports[1]),
		"--health-address", net.JoinHostPort("127.0.0.1", ports[2])}, args...)
	log, err := os.OpenFile(filepath.Join(dir, "podvet.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close() // podvet has its own
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Stderr, cmd.Env = log, append(os.Environ(), env...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cluster.StartChild(cmd); err != nil {
		return nil, err
	}
	limit := time.AfterFunc(startLimit, func() { _ = cmd.Process.Kill() })
	defer limit.Stop()
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		_ = cmd.Wait()
		said, _ := os.ReadFile(log.Name())
		return nil, fmt.Errorf("podvet did not start: %s", bytes.TrimSpace(said))
	}
	ca, err := os.ReadFile(filepath.Join(dir, "certs", certs.CAFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // it makes one with --local only
		return nil, err
	}
	return &Server{
		URL:     "https://127.0.0.1:" + ports[0],
		CA:      ca,
		Metrics: "http://127.0.0.1:" + ports[1] + "/metrics",
		Ready:   "http://127.0.0.1:" + ports[2] + "/readyz",
		Log:     log.Name(),
		Process: cmd.Process,
		cmd:     cmd,
	}, nil
}

// Stop ends podvet as the kubelet would and waits for it.
func (p *Server) Stop() error {
	if err := p.Process.Signal(syscall.SIGTERM); errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return p.cmd.Wait()
}

// Wait returns once podvet has ended, with how.
func (p *Server) Wait() error { return p.cmd.Wait() }

// Kill ends podvet at once and waits for it.
func (p *Server) Kill() {
	_ = p.Process.Kill()
	_ = p.cmd.Wait()
}

// Address is where podvet takes reviews.
func (p *Server) Address() string { return strings.TrimPrefix(p.URL, "https://") }

var takenPorts sync.Map

// FreePort is a port that nobody listens on. Those that the system gives it also gives to outgoing connections, before
// whoever asked for one comes to listen on it: so it is below these (Linux: 32768), and given once.
func FreePort(ctx context.Context) (int, error) {
	var err error
	for range 100 {
		port := 10_000 + rand.IntN(20_000)
		if _, taken := takenPorts.LoadOrStore(port, true); taken {
			continue
		}
		var listener net.Listener
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		if listener, err = (&net.ListenConfig{}).Listen(ctx, "tcp", address); err == nil {
			return port, listener.Close()
		}
	}
	return 0, fmt.Errorf("no free port: %w", err)
}
