// Package node starts a whole Kubernetes of one node for tests: the control plane, kubelet, kube-proxy, containerd
// and runc, so that pods run, probes probe and Services lead to pods. It needs root, and Linux.
//
// All of it is in namespaces of its own (mount, pid, net, cgroup, uts, ipc): nothing of the machine is touched, nodes
// do not disturb each other, and a node ends with the process that started it, however that ends. There is no
// registry and no name server: images are imported, and pods say imagePullPolicy: Never.
package node

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
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/podvet/podvet/test/cluster"
)

// readyLimit is how long a node may take to be ready. It takes some 5 seconds.
const readyLimit = 2 * time.Minute

// Name is that of the node in Kubernetes, and its host name.
const Name = "node1"

// Options are what a node can be started with. The zero value is good for most tests.
type Options struct {
	// APIServerFlags are added to those of kube-apiserver and win over them. Files are seen as Command sees them.
	APIServerFlags []string
	// Progress is where a build, which takes minutes, says how far it is. Nil is standard error.
	Progress io.Writer
}

// A Node is a running cluster of one node.
type Node struct {
	// Config is for clients in this process, as a member of system:masters.
	Config *rest.Config
	// Client is made from Config.
	Client *kubernetes.Clientset
	// Logs is the folder of the programs' logs, one file each, with the audit log, audit.log, which has every
	// request at level Metadata.
	Logs string

	options      Options
	home         *home
	controlPlane string // folder of its programs
	programs     string // folder of the node's
	init         string // path of process 1
	process      *exec.Cmd
	ended        chan struct{}           // closed when process 1 has ended
	network      atomic.Pointer[os.File] // the network namespace: clients may dial while the node is rebooted
}

// Start starts a node and returns when it is Ready and Services work. Programs that are not yet built are built, see
// cluster.Build and cluster.BuildNode. ctx ends the start, not the node. The error is one line, and nothing is left
// running.
func Start(ctx context.Context, o Options) (*Node, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("a node needs root, for namespaces, mounts and cgroups: " +
			"run this as root, with sudo -E for example")
	}
	o.Progress = cmp.Or[io.Writer](o.Progress, os.Stderr)
	controlPlane, err := cluster.Build(ctx, o.Progress)
	if err != nil {
		return nil, err
	}
	programs, err := cluster.BuildNode(ctx, o.Progress)
	if err != nil {
		return nil, err
	}
	h, err := openHome()
	if err != nil {
		return nil, err
	}
	n := &Node{
		Logs:         h.path("logs"),
		options:      o,
		home:         h,
		controlPlane: filepath.Dir(controlPlane.Kubectl),
		programs:     programs,
		init:         h.path("init"),
	}
	if err = n.prepare(ctx); err == nil {
		err = n.boot(ctx)
	}
	if err != nil {
		h.close(true)
		return nil, err
	}
	if err = n.importOwn(ctx); err != nil {
		n.kill()
		h.close(false)
		return nil, err
	}
	return n, nil
}

// prepare makes what stays over a reboot.
func (n *Node) prepare(ctx context.Context) error {
	token, err := n.home.writeFiles()
	if err != nil {
		return fmt.Errorf("the node's files cannot be written: %w: free space, or set XDG_CACHE_HOME to another folder",
			err)
	}
	n.Config = &rest.Config{
		Host:            "https://" + apiServer,
		BearerToken:     token,
		TLSClientConfig: rest.TLSClientConfig{CAFile: n.home.path(caFile)},
		Dial:            n.Dial,
		QPS:             1000,
		Burst:           2000,
		WarningHandler:  rest.NoWarnings{}, // of thousands of pods, in the output of the tests
	}
	return buildStatic(ctx, n.init, "github.com/podvet/podvet/test/node/init")
}

// boot starts process 1 and returns when the node is ready, or has ended again.
func (n *Node) boot(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, readyLimit, fmt.Errorf("it took longer than %v", readyLimit))
	defer cancel()
	if err := n.startInit(); err != nil {
		return err
	}
	err := n.await(ctx)
	if err == nil {
		return nil
	}
	n.kill()
	return fmt.Errorf("the node was not ready: %w: the logs are in %s", err, n.Logs)
}

func (n *Node) startInit() error {
	cgroups, err := n.home.makeCgroups()
	if err != nil {
		return fmt.Errorf("the node's cgroups cannot be made: %w", err)
	}
	log, err := os.OpenFile(filepath.Join(n.Logs, "init.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(n.init, append([]string{
		"-dir=" + n.home.dir,
		"-control-plane=" + n.controlPlane,
		"-programs=" + n.programs,
		"-cgroups=" + strings.Join(cgroups, ","),
		"--",
	}, n.options.APIServerFlags...)...)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{ // process 1 makes the cgroup namespace, once it is in its cgroups
		Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC,
	}
	if err := cluster.StartChild(cmd); err != nil {
		return fmt.Errorf("the node's process 1 cannot be started: %w", err)
	}
	n.process, n.ended = cmd, make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(n.ended)
	}()
	network, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", cmd.Process.Pid))
	if err != nil {
		n.kill()
		return fmt.Errorf("the node's process 1 is gone: %w: its log is %s", err, log.Name())
	}
	n.network.Store(network)
	return nil
}

// await returns when the node is ready for pods and Services.
func (n *Node) await(ctx context.Context) error {
	err := n.until(ctx, func() (err error) {
		// Its CA is there once the API server has made it.
		if n.Client, err = kubernetes.NewForConfig(n.Config); err == nil {
			_, err = n.Client.Discovery().RESTClient().Get().AbsPath("/readyz").DoRaw(ctx)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("kube-apiserver: %w", err)
	}
	bootID, err := os.ReadFile(fmt.Sprintf("/proc/%d/root/proc/sys/kernel/random/boot_id", n.process.Process.Pid))
	if err != nil {
		return err
	}
	err = n.until(ctx, func() error {
		node, err := n.Client.CoreV1().Nodes().Get(ctx, Name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if node.Status.NodeInfo.BootID != string(bytes.TrimSpace(bootID)) {
			return errors.New("the kubelet has not told about this boot")
		}
		for _, c := range node.Status.Conditions {
			if c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue {
				return nil
			}
		}
		return errors.New("the node is not Ready")
	})
	if err != nil {
		return fmt.Errorf("kubelet: %w", err)
	}
	if err := n.until(ctx, func() error { return n.proxyLives(ctx) }); err != nil {
		return fmt.Errorf("kube-proxy: %w", err)
	}
	err = n.until(ctx, func() error {
		_, err := n.Client.CoreV1().ServiceAccounts("default").Get(ctx, "default", metav1.GetOptions{})
		return err
	})
	if err != nil {
		return fmt.Errorf("kube-controller-manager: %w", err)
	}
	return nil
}

func (n *Node) proxyLives(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:10256/livez", nil)
	if err != nil {
		return err
	}
	client := &http.Client{Transport: &http.Transport{DialContext: n.Dial, DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return errors.New(response.Status)
	}
	return nil
}

// until tries until there is no error, the node has ended or ctx is done.
func (n *Node) until(ctx context.Context, try func() error) error {
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-n.ended:
			return n.Err()
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", context.Cause(ctx), err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Err is nil as long as the node runs, and else one line about the program of it that ended first.
func (n *Node) Err() error {
	select {
	case <-n.ended:
		said, _ := os.ReadFile(filepath.Join(n.Logs, "init.log"))
		lines := strings.Split(strings.TrimSpace(string(said)), "\n")
		return fmt.Errorf("the node has ended: %s", lines[len(lines)-1])
	default:
		return nil
	}
}

// kill ends process 1, with which the kernel ends all that runs in the node, and waits for that.
func (n *Node) kill() {
	_ = n.process.Process.Kill()
	<-n.ended
	if network := n.network.Load(); network != nil {
		network.Close()
	}
}

// Reboot ends everything at once, as if the power failed, and starts it again with what is on the disk: etcd's data,
// the images and containers, the kubelet's files. It returns when the node is Ready again; pods then start again.
// Clients may go on meanwhile, with errors.
func (n *Node) Reboot(ctx context.Context) error {
	n.kill()
	if err := n.home.removeCgroups(); err != nil {
		return err
	}
	return n.boot(ctx)
}

// Stop ends the node and removes its files. Where a program ended by itself before, the logs are kept, and the error
// says so.
func (n *Node) Stop() error {
	err := n.Err()
	n.kill()
	if err != nil {
		err = fmt.Errorf("%w: the logs are in %s", err, n.Logs)
	}
	return cmp.Or(err, n.home.close(err != nil))
}

// Dial connects to an address in the node's network: the API server, a pod, a Service.
func (n *Node) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	type result struct {
		conn net.Conn
		err  error
	}
	done := make(chan result)
	go func() {
		runtime.LockOSThread() // for good: the thread is in the node's network now, and ends with this function
		err := unix.Setns(int(n.network.Load().Fd()), unix.CLONE_NEWNET)
		if err != nil {
			done <- result{nil, fmt.Errorf("the node's network cannot be entered: %w", err)}
			return
		}
		conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
		done <- result{conn, err}
	}()
	r := <-done
	return r.conn, r.err
}

// Command is a command in the node's namespaces that is yet to be run. KUBECONFIG makes it a member of system:masters.
// The machine's files are seen but for /run and /var; kubectl, ctr and runc are on the PATH.
func (n *Node) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "nsenter", append([]string{
		"--target", strconv.Itoa(n.process.Process.Pid), "--mount", "--pid", "--net", "--uts", "--ipc",
		"--cgroup", "--", name,
	}, args...)...)
	cmd.Env = []string{
		"KUBECONFIG=/run/node/kubeconfig", "KUBERC=off", "HOME=/run/node",
		"PATH=/run/control-plane:/run/programs:/usr/sbin:/usr/bin:/sbin:/bin",
	}
	// nsenter waits for a child that is in the node: both are to end.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	return cmd
}

// Kubectl runs kubectl with a manifest or nothing as standard input, and returns its standard output. The error is one
// line.
func (n *Node) Kubectl(ctx context.Context, stdin string, args ...string) (string, error) {
	cmd := n.Command(ctx, "kubectl", args...)
	var out, said bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &said
	if err := cmd.Run(); err != nil {
		return out.String(), cmp.Or(n.Err(), fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err,
			bytes.TrimSpace(said.Bytes())))
	}
	return out.String(), nil
}

// Import gives the node images from archives in the format of docker save or OCI.
func (n *Node) Import(ctx context.Context, archives ...string) error {
	for _, path := range archives {
		archive, err := os.Open(path)
		if err != nil {
			return fmt.Errorf("there is no image to import: %w", err)
		}
		defer archive.Close()
		cmd := n.Command(ctx, "ctr", "--namespace=k8s.io", "images", "import", "--snapshotter=overlayfs", "-")
		cmd.Stdin = archive
		if said, err := cmd.CombinedOutput(); err != nil {
			return cmp.Or(n.Err(), fmt.Errorf("the image %s cannot be imported: %w: %s", path, err,
				bytes.TrimSpace(said)))
		}
	}
	return nil
}
