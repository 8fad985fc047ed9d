// Package cluster builds and starts a Kubernetes control plane for tests and demonstrations: etcd,
// kube-apiserver and kube-controller-manager, with kubectl to talk to it. It has no nodes: pods stay Pending.
//
// Everything listens on 127.0.0.1 or on sockets in the cluster's folder. Clusters do not disturb each other, in
// one process or in several. A cluster ends with the process that started it, however that ends (on Linux).
package cluster

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"k8s.io/client-go/rest"
)

// readyLimit is how long a control plane may take to be ready.
const readyLimit = 2 * time.Minute

// startAttempts is how often a cluster is started on another port when a free port was taken meanwhile.
const startAttempts = 5

// defaultAuditPolicy records who did what to pods, with the annotations of webhooks.
const defaultAuditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
  resources:
  - group: ""
    resources: [pods, pods/*]
- level: None
`

// Options are what a cluster can be started with. The zero value is good for tests.
type Options struct {
	// Port of the API server on 127.0.0.1. 0 is any free one.
	Port int
	// Dir is the folder for the cluster's files: a new one, an empty one or one that an earlier cluster used. Stop
	// leaves the logs in it. Empty is a new folder in the user's cache directory, which Stop removes.
	Dir string
	// APIServerFlags are added to those of kube-apiserver and win over them.
	APIServerFlags []string
	// AuditPolicy is an audit.k8s.io/v1 Policy in YAML. Empty records pods at level Metadata.
	AuditPolicy string
	// Progress is where a build, which takes minutes, says how far it is. Nil is standard error.
	Progress io.Writer
}

// A Cluster is a running control plane.
type Cluster struct {
	// Config is for clients, as a member of system:masters, without a limit of requests per second that matters.
	Config *rest.Config
	// Kubeconfig is the path of the same for kubectl. With Options.Dir it is the same at every start.
	Kubeconfig string
	// Binaries are the programs that run.
	Binaries Binaries
	// Logs is the folder of the programs' logs, one file each.
	Logs string
	// AuditLog is the path of the audit log: one audit.k8s.io/v1 Event in JSON on each line.
	AuditLog string

	home     *home
	stopOnce sync.Once
	stopErr  error

	mu        sync.Mutex
	processes []*process // in the order of their start
	ready     bool
	stopping  bool
	away      *process      // the API server that StopAPIServer ended
	err       error         // what Err returns
	ended     chan struct{} // closed when err is set
}

// Start starts a control plane and returns when it is ready: the API server serves and the controllers have made
// the ServiceAccount of the namespace default, without which no pod can be created. That takes some 4 seconds,
// and some 8 minutes more when the binaries have to be built (see Build). ctx ends the start, not the cluster.
// The error is one line, and nothing is left running.
func Start(ctx context.Context, o Options) (*Cluster, error) {
	if o.Progress == nil {
		o.Progress = os.Stderr
	}
	if o.AuditPolicy == "" {
		o.AuditPolicy = defaultAuditPolicy
	}
	binaries, err := Build(ctx, o.Progress)
	if err != nil {
		return nil, err
	}
	for attempt := 1; ; attempt++ {
		c, err := start(ctx, binaries, o)
		if err == nil {
			return c, nil
		}
		if !errors.Is(err, errPortTaken) || o.Port != 0 || attempt == startAttempts {
			return nil, err
		}
	}
}

var errPortTaken = errors.New("taken")

func portTaken(port int) error {
	return fmt.Errorf("port %d on 127.0.0.1 is %w: stop the program that listens on it (ss -ltnp names it), "+
		"or choose another port, or 0 for a free one",
		port, errPortTaken)
}

// choosePort returns the port that is asked for, or a free one for 0. Another program can still take it before
// the API server does, which then says so and ends.
var choosePort = func(port int) (int, error) {
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	switch {
	case err != nil && strings.Contains(err.Error(), "address already in use"):
		return 0, portTaken(port)
	case err != nil:
		return 0, fmt.Errorf("the API server's port cannot be used: %w: choose another port", err)
	}
	return listener.Addr().(*net.TCPAddr).Port, listener.Close()
}

func start(ctx context.Context, binaries Binaries, o Options) (*Cluster, error) {
	port, err := choosePort(o.Port)
	if err != nil {
		return nil, err
	}
	h, err := openHome(ctx, o.Dir)
	if err != nil {
		return nil, err
	}
	c := &Cluster{
		Kubeconfig: h.kubeconfig(),
		Binaries:   binaries,
		Logs:       h.logs(),
		AuditLog:   h.auditLog(),
		home:       h,
		ended:      make(chan struct{}),
	}
	if err := c.bringUp(ctx, port, o); err != nil {
		c.end()
		if c.apiServerSaid("address already in use") {
			err = portTaken(port)
		}
		h.close(!errors.Is(err, errPortTaken)) // other errors name a log
		return nil, err
	}
	return c, nil
}

func (c *Cluster) bringUp(ctx context.Context, port int, o Options) error {
	access, err := c.home.writeFiles(port, o.AuditPolicy)
	if err != nil {
		return fmt.Errorf("the cluster's files cannot be written: %w: free space, or choose another folder", err)
	}
	c.Config = access
	client, err := rest.HTTPClientFor(c.Config)
	if err != nil {
		return fmt.Errorf("no client can be made for the API server: %w", err)
	}
	defer client.CloseIdleConnections()
	ctx, cancel := context.WithTimeoutCause(ctx, readyLimit, fmt.Errorf("it took longer than %v", readyLimit))
	defer cancel()

	if err := c.run(c.Binaries.Etcd, etcdFlags()...); err != nil {
		return err
	}
	flags := append(apiServerFlags(port, c.AuditLog), o.APIServerFlags...)
	if err := c.run(c.Binaries.APIServer, flags...); err != nil {
		return err
	}
	if err := c.waitFor(ctx, client, "/readyz", "kube-apiserver was not ready"); err != nil {
		return err
	}
	if err := c.run(c.Binaries.ControllerManager, controllerManagerFlags()...); err != nil {
		return err
	}
	if err := c.waitFor(ctx, client, "/api/v1/namespaces/default/serviceaccounts/default",
		"kube-controller-manager did not make the default ServiceAccount"); err != nil {
		return err
	}
	c.mu.Lock()
	c.ready = true
	c.mu.Unlock()
	return nil
}

// The flags name files and sockets relative to the folder that the programs run in: the path of a Unix socket may
// have 107 bytes only. With sockets etcd takes no port that another program could take or use.
const etcdSocket = "unix://etcd.sock"

func etcdFlags() []string {
	return []string{
		"--data-dir=etcd",
		"--listen-client-urls=" + etcdSocket,
		"--advertise-client-urls=" + etcdSocket,
		"--listen-peer-urls=unix://peer.sock",
		"--unsafe-no-fsync", // the data does not outlive the cluster
		"--log-format=console",
	}
}

func apiServerFlags(port int, auditLog string) []string {
	return []string{
		"--etcd-servers=" + etcdSocket,
		"--bind-address=127.0.0.1",
		"--secure-port=" + strconv.Itoa(port),
		// Else it looks for a default route, and a machine without one cannot start it. Endpoints must not be
		// loopback addresses, so the Service kubernetes gets none; without nodes nothing uses it.
		"--advertise-address=127.0.0.1",
		"--endpoint-reconciler-type=none",
		"--tls-cert-file=" + certFile,
		"--tls-private-key-file=" + keyFile,
		"--token-auth-file=" + tokensFile,
		"--authorization-mode=Node,RBAC",
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file=" + serviceAccountKeyFile,
		"--service-account-signing-key-file=" + serviceAccountKeyFile,
		"--service-cluster-ip-range=10.0.0.0/24",
		"--allow-privileged",
		"--audit-policy-file=" + auditPolicyFile,
		"--audit-log-path=" + auditLog,
	}
}

func controllerManagerFlags() []string {
	return []string{
		"--kubeconfig=" + controllerKubeconfigFile,
		"--service-account-private-key-file=" + serviceAccountKeyFile,
		"--root-ca-file=" + certFile,
		"--use-service-account-credentials", // each controller is its own user, as kubeadm has it
		"--leader-elect=false",
		"--bind-address=127.0.0.1",
		"--secure-port=0",
		"--flex-volume-plugin-dir=flexvolume", // else it makes one in /usr/libexec
		// Its start makes hundreds of requests: 1 second instead of 5.
		"--kube-api-qps=500",
		"--kube-api-burst=1000",
	}
}

// run starts a program of the cluster. When it ends before it is stopped, the cluster is ended.
func (c *Cluster) run(program string, flags ...string) error {
	p, err := run(program, c.home.work(), c.Logs, flags...)
	if err != nil {
		return err
	}
	c.mu.Lock()
	c.processes = append(c.processes, p)
	c.mu.Unlock()
	go func() {
		<-p.done
		c.lost(p)
	}()
	return nil
}

// lost notes that a process ended. Unless that was wanted, the others are killed: without etcd the API server
// would let its clients wait for minutes.
func (c *Cluster) lost(p *process) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopping || c.err != nil || p == c.away || p.unwanted {
		return
	}
	how := "status 0"
	if p.how != nil {
		how = p.how.Error()
	}
	if c.ready {
		c.err = fmt.Errorf("%s ended (%s) while the cluster was in use: its log is %s; "+
			"stop this cluster and start another", p.name, how, p.log)
	} else {
		c.err = fmt.Errorf("%s ended (%s): the last line of its log %s is: %s; put that right and start again", p.name,
			how, p.log, p.lastWords())
	}
	close(c.ended)
	for _, other := range c.processes {
		other.cmd.Process.Kill()
	}
}

// waitFor asks the API server for a path until the answer is 200.
func (c *Cluster) waitFor(ctx context.Context, client *http.Client, path, otherwise string) error {
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.Config.Host+path, nil)
		if err != nil {
			return err
		}
		response, err := client.Do(request)
		if err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-c.ended:
			return c.Err()
		case <-ctx.Done():
			return fmt.Errorf("%s: %w: the logs are in %s", otherwise, context.Cause(ctx), c.Logs)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (c *Cluster) apiServerSaid(what string) bool {
	log, err := os.ReadFile(filepath.Join(c.Logs, filepath.Base(c.Binaries.APIServer)+".log"))
	return err == nil && bytes.Contains(log, []byte(what))
}

// Ended is closed when a process of the cluster ended without Stop. Err then says which.
func (c *Cluster) Ended() <-chan struct{} {
	return c.ended
}

// Err is nil as long as all processes run or Stop ended them, and else one line: which process ended first, how,
// and where its log is. The cluster is of no more use then.
func (c *Cluster) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Stop ends the cluster and removes its files: all of them, or with Options.Dir, or after Err, all but the logs.
// It takes 1 to 2 seconds. It returns what Err says, or what could not be removed. Further calls return the same.
func (c *Cluster) Stop() error {
	c.stopOnce.Do(func() {
		c.end()
		c.stopErr = cmp.Or(c.Err(), c.home.close(c.Err() != nil))
	})
	return c.stopErr
}

// end ends the processes, the last started first.
func (c *Cluster) end() {
	c.mu.Lock()
	c.stopping = true
	processes := c.processes
	c.mu.Unlock()
	for _, p := range slices.Backward(processes) {
		p.stop()
	}
}

// KubectlCommand is a kubectl command for this cluster that is yet to be run, for those who want its standard
// input or output. It reads nothing of the user's kubectl configuration and caches.
func (c *Cluster) KubectlCommand(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, c.Binaries.Kubectl, args...)
	cmd.Env = append(os.Environ(),
		"KUBECONFIG="+c.Kubeconfig, "KUBERC=off", "KUBECACHEDIR="+filepath.Join(c.home.work(), "kubectl"))
	return cmd
}

// Kubectl runs kubectl and returns its standard output and standard error. The error is one line.
func (c *Cluster) Kubectl(ctx context.Context, args ...string) (stdout, stderr string, err error) {
	cmd := c.KubectlCommand(ctx, args...)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	err = cmd.Run()
	switch {
	case err != nil && c.Err() != nil:
		err = c.Err()
	case err != nil:
		err = fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, lastLine(said.Bytes()))
	}
	return out.String(), said.String(), err
}
