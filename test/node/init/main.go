// Command init is process 1 of a node: it lays out the mounts and the network of its namespaces and starts the
// programs. When one of them ends it says so and ends too, and the kernel then kills all that is left in the node.
// Package node starts it.
package main

import (
	"crypto/rand"
	"crypto/tls"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// The cgroup namespace belongs to the thread that made it, and goes over to the program that it executes.
func init() { runtime.LockOSThread() }

func main() {
	dir := flag.String("dir", "", "folder of the node's files, which stay over a reboot")
	controlPlane := flag.String("control-plane", "", "folder of the control plane's programs")
	programs := flag.String("programs", "", "folder of the other programs")
	cgroups := flag.String("cgroups", "", "cgroups to move to, separated by commas")
	flag.Parse() // what follows the flags goes to kube-apiserver
	if *cgroups != "" {
		must(enter(strings.Split(*cgroups, ",")))
	}
	must(mounts(*dir, *controlPlane, *programs))
	must(network())
	n := &node{names: map[int]string{}}
	go n.startAll(flag.Args())
	n.reap()
}

func must(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

// enter moves this process to its cgroups, makes them the roots that it sees, and starts this program again there.
func enter(cgroups []string) error {
	for _, dir := range cgroups {
		if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte("0"), 0); err != nil {
			return fmt.Errorf("the cgroup cannot be entered: %w", err)
		}
	}
	if err := unix.Unshare(unix.CLONE_NEWCGROUP); err != nil {
		return fmt.Errorf("no cgroup namespace: %w", err)
	}
	args := make([]string, 0, len(os.Args))
	for _, arg := range os.Args {
		if !strings.HasPrefix(arg, "-cgroups=") {
			args = append(args, arg)
		}
	}
	return syscall.Exec("/proc/self/exe", args, os.Environ())
}

// mounts gives the node a /proc, /sys, /run and /var of its own. The node's files are in /run/node and the programs
// in /run/control-plane and /run/programs, wherever the machine has them.
func mounts(dir, controlPlane, programs string) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("the mounts cannot be made private: %w", err)
	}
	binds := []struct{ from, to string }{
		{dir, "/run/node"},
		{filepath.Join(dir, "var"), "/var"},
		{controlPlane, "/run/control-plane"},
		{programs, "/run/programs"},
	}
	for i, bind := range binds { // held open, as they may be in a folder that is covered below
		fd, err := unix.Open(bind.from, unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("%s: %w", bind.from, err)
		}
		defer unix.Close(fd)
		binds[i].from = fmt.Sprintf("/proc/self/fd/%d", fd)
	}
	v1 := v1Hierarchies()
	for _, m := range []struct{ kind, to, options string }{
		{"proc", "/proc", ""},
		{"sysfs", "/sys", ""},
		{"tmpfs", "/run", "mode=755"},
	} {
		if err := mount(m.kind, m.to, m.options); err != nil {
			return err
		}
	}
	for _, bind := range binds {
		if err := os.MkdirAll(bind.to, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(bind.from, bind.to, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("%s cannot be mounted: %w", bind.to, err)
		}
	}
	if err := mountCgroups(v1); err != nil {
		return err
	}
	if err := ownSysctls(); err != nil {
		return err
	}
	return unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, "") // volumes reach pods that are running
}

func mount(kind, to, options string) error {
	if err := unix.Mount(kind, to, kind, 0, options); err != nil {
		return fmt.Errorf("%s cannot be mounted at %s: %w", kind, to, err)
	}
	return nil
}

// v1Hierarchies are the controllers of each cgroup v1 hierarchy of the machine, none where it has v2.
func v1Hierarchies() []string {
	var fs unix.Statfs_t
	if unix.Statfs("/sys/fs/cgroup", &fs) == nil && fs.Type == unix.CGROUP2_SUPER_MAGIC {
		return nil
	}
	var all []string
	text, _ := os.ReadFile("/proc/self/cgroup")
	for line := range strings.Lines(string(text)) {
		if fields := strings.SplitN(line, ":", 3); len(fields) == 3 && fields[1] != "" {
			all = append(all, fields[1])
		}
	}
	return all
}

func mountCgroups(v1 []string) error {
	const root = "/sys/fs/cgroup"
	if v1 == nil {
		if err := mount("cgroup2", root, ""); err != nil {
			return err
		}
		return delegate(root)
	}
	if err := mount("tmpfs", root, "mode=755"); err != nil {
		return err
	}
	for _, controllers := range v1 {
		dir, options := filepath.Join(root, strings.TrimPrefix(controllers, "name=")), controllers
		if strings.HasPrefix(controllers, "name=") {
			options = "none," + controllers
		}
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
		if err := mount("cgroup", dir, options); err != nil {
			return err
		}
	}
	return nil
}

// delegate lets cgroups below root have controllers: in v2 root must have no processes of its own then.
func delegate(root string) error {
	own := filepath.Join(root, "init")
	controllers, err := os.ReadFile(filepath.Join(root, "cgroup.controllers"))
	if err == nil {
		err = os.Mkdir(own, 0o755)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(own, "cgroup.procs"), []byte("0"), 0)
	}
	if err == nil {
		all := "+" + strings.Join(strings.Fields(string(controllers)), " +")
		err = os.WriteFile(filepath.Join(root, "cgroup.subtree_control"), []byte(all), 0)
	}
	return err
}

// ownSysctls puts files in the place of what the kubelet would set for the whole machine, and a boot ID of this boot.
func ownSysctls() error {
	for name, value := range map[string]string{
		"vm/overcommit_memory":  "1",
		"vm/panic_on_oom":       "0",
		"kernel/panic":          "10",
		"kernel/panic_on_oops":  "1",
		"kernel/random/boot_id": newUUID(),
	} {
		file := filepath.Join("/run", "sysctl-"+filepath.Base(name))
		if err := os.WriteFile(file, []byte(value+"\n"), 0o644); err != nil {
			return err
		}
		if err := unix.Mount(file, filepath.Join("/proc/sys", name), "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("/proc/sys/%s cannot be covered: %w", name, err)
		}
	}
	return nil
}

func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// network gives the node its name and its address, on a bridge without ports, and a default route: a packet to a
// Service's address needs one before it gets that of a pod.
func network() error {
	if err := unix.Sethostname([]byte("node1")); err != nil {
		return fmt.Errorf("the host name cannot be set: %w", err)
	}
	for _, command := range []string{
		"link set lo up",
		"link add node0 type bridge",
		"addr add 172.30.0.1/24 dev node0",
		"link set node0 up",
		"route add default dev node0 src 172.30.0.1",
	} {
		if said, err := exec.Command("ip", strings.Fields(command)...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %s: %w: %s", command, err, strings.TrimSpace(string(said)))
		}
	}
	return os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0)
}

// A node is the programs that run.
type node struct {
	mu    sync.Mutex
	names map[int]string // by process ID
}

func (n *node) startAll(apiServerFlags []string) {
	n.start("/run/programs/containerd", "--config=/run/node/containerd.toml")
	n.start("/run/control-plane/etcd",
		"--data-dir=/run/node/etcd",
		"--listen-client-urls=http://127.0.0.1:2379",
		"--advertise-client-urls=http://127.0.0.1:2379",
		"--listen-peer-urls=http://127.0.0.1:2380",
		"--unsafe-no-fsync", // the machine does not go down, only the node
		"--log-format=console",
	)
	n.start("/run/control-plane/kube-apiserver", append([]string{
		"--etcd-servers=http://127.0.0.1:2379",
		"--advertise-address=172.30.0.1",
		"--secure-port=6443",
		"--cert-dir=/run/node/certs", // it makes a certificate for all its addresses there
		"--token-auth-file=/run/node/tokens.csv",
		"--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction",
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file=/run/node/serviceaccount.key",
		"--service-account-signing-key-file=/run/node/serviceaccount.key",
		"--service-cluster-ip-range=10.96.0.0/24",
		"--allow-privileged",
		"--kubelet-preferred-address-types=InternalIP", // no name server knows the node's name
		"--audit-policy-file=/run/node/audit-policy.yaml",
		"--audit-log-path=/run/node/logs/audit.log",
	}, apiServerFlags...)...)
	awaitReady("https://127.0.0.1:6443/readyz")
	n.start("/run/control-plane/kube-controller-manager",
		"--kubeconfig=/run/node/kube-controller-manager.kubeconfig",
		"--service-account-private-key-file=/run/node/serviceaccount.key",
		"--root-ca-file=/run/node/certs/apiserver.crt",
		"--use-service-account-credentials", // each controller is its own user, as kubeadm has it
		"--service-cluster-ip-range=10.96.0.0/24",
		"--flex-volume-plugin-dir=/run/node/volume-plugins",
		"--leader-elect=false",
		// Its start makes hundreds of requests: 1 second instead of 5.
		"--kube-api-qps=500",
		"--kube-api-burst=1000",
	)
	n.start("/run/programs/kube-scheduler", "--kubeconfig=/run/node/kube-scheduler.kubeconfig", "--leader-elect=false")
	n.start("/run/programs/kubelet",
		"--config=/run/node/kubelet.yaml",
		"--kubeconfig=/run/node/kubelet.kubeconfig",
		"--hostname-override=node1",
		"--node-ip=172.30.0.1",
		"-v=2",
	)
	n.start("/run/programs/kube-proxy", "--config=/run/node/kube-proxy.yaml", "--hostname-override=node1")
}

// start runs a program, whose log goes on over reboots.
func (n *node) start(program string, args ...string) {
	name := filepath.Base(program)
	log, err := os.OpenFile(filepath.Join("/run/node/logs", name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	must(err)
	defer log.Close()
	null, err := os.Open(os.DevNull)
	must(err)
	defer null.Close()
	n.mu.Lock()
	defer n.mu.Unlock()
	process, err := os.StartProcess(program, append([]string{program}, args...), &os.ProcAttr{
		Dir:   "/run/node",
		Env:   []string{"HOME=/run/node", "PATH=/run/programs:/usr/sbin:/usr/bin:/sbin:/bin"},
		Files: []*os.File{null, log, log},
	})
	must(err)
	n.names[process.Pid] = name
}

// awaitReady asks the API server until it is ready. It asks nobody else: who waits for the node has a limit.
func awaitReady(url string) {
	// It has just made its certificate.
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	for {
		if response, err := client.Get(url); err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// reap waits for the node's programs and for whatever lost its parent, until a program ends.
func (n *node) reap() {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		switch err {
		case nil:
		case syscall.ECHILD: // nothing is started yet
			time.Sleep(time.Millisecond)
			continue
		default: // interrupted
			continue
		}
		n.mu.Lock()
		name := n.names[pid]
		n.mu.Unlock()
		if name != "" {
			fmt.Printf("%s ended (exit status %d, signal %d): its log is logs/%s.log\n", name, status.ExitStatus(),
				status.Signal(), name)
			os.Exit(1)
		}
	}
}
