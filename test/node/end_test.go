package node

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/podvet/podvet/test/cluster"
)

// What a program ended by itself says where to look.
func TestProgramEnds(t *testing.T) {
	t.Parallel()
	n := start(t)
	kill := `kill -9 $(cat /proc/[0-9]*/stat | sed -n 's/^\([0-9]*\) (kube-scheduler) .*/\1/p')`
	out, killed := n.Command(t.Context(), "sh", "-c", kill).CombinedOutput() // the node may take the shell along
	eventually(t, func() error {
		if n.Err() == nil {
			return fmt.Errorf("it runs on: %w: %s", cmp.Or(killed, errors.New("the shell ended")), out)
		}
		return nil
	})
	err := n.Stop()
	t.Cleanup(func() { os.RemoveAll(n.home.dir); os.Remove(n.home.dir + ".lock") })
	if err == nil || !strings.Contains(err.Error(), "kube-scheduler ended (exit status -1, signal 9): "+
		"its log is logs/kube-scheduler.log: the logs are in "+n.Logs) {
		t.Errorf("the error is %v", err)
	}
	if _, err := os.Stat(filepath.Join(n.Logs, "kube-scheduler.log")); err != nil {
		t.Error(err)
	}
}

// machine is what a node must not change.
func machine(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, name := range []string{"vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops",
		"kernel/random/boot_id",
		"net/ipv4/ip_forward", "net/ipv4/conf/all/forwarding"} {
		value, err := os.ReadFile("/proc/sys/" + name)
		fmt.Fprintf(&all, "%s: %s, %v\n", name, bytes.TrimSpace(value), err)
	}
	for _, path := range []string{"/etc/cni", "/opt/cni", "/run/containerd", "/run/netns", "/run/node",
		"/usr/libexec/kubernetes", "/var/lib/cni",
		"/var/lib/containerd", "/var/lib/kubelet", "/var/log/containers", "/var/log/pods"} {
		_, err := os.Stat(path)
		fmt.Fprintf(&all, "%s: %v\n", path, err)
	}
	for _, command := range []string{"ip -oneline link", "ip route", "nft list ruleset", "hostname",
		"cat /proc/self/mounts"} {
		fields := strings.Fields(command)
		out, err := exec.Command(fields[0], fields[1:]...).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v: %s", command, err, out)
		}
		fmt.Fprintf(&all, "%s:\n%s\n", command, out)
	}
	return all.String()
}

// left are the processes in the cgroups or with the mounts of a node, its cgroups and its files, all known by its name.
func left(t *testing.T, name string) []string {
	t.Helper()
	var all []string
	cgroups, _ := filepath.Glob("/proc/[0-9]*/cgroup")
	for _, path := range cgroups {
		if text, err := os.ReadFile(path); err == nil && bytes.Contains(text, []byte(name)) {
			all = append(all, path)
		}
	}
	infos, _ := filepath.Glob("/proc/[0-9]*/mountinfo")
	for _, path := range infos {
		if text, err := os.ReadFile(path); err == nil && bytes.Contains(text, []byte(name)) {
			all = append(all, path)
		}
	}
	filepath.WalkDir("/sys/fs/cgroup", func(path string, _ os.DirEntry, _ error) error {
		if filepath.Base(path) == name {
			all = append(all, path)
		}
		return nil
	})
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	files, _ := filepath.Glob(filepath.Join(cache, "podvet", "nodes", name+"*"))
	return append(all, files...)
}

// networks are the network namespaces of all processes.
func networks(t *testing.T) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	links, _ := filepath.Glob("/proc/[0-9]*/ns/net")
	for _, link := range links {
		if target, err := os.Readlink(link); err == nil {
			all[target] = true
		}
	}
	return all
}

func TestStopLeavesNothing(t *testing.T) {
	before := machine(t)
	n := start(t)
	ns := namespace(t, n)
	kubectl(t, n, probedPod, "apply", "-n", ns, "-f", "-")
	kubectl(t, n, "", "wait", "-n", ns, "pod/probed", "--for=condition=Ready", inTime)
	if during := machine(t); during != before {
		t.Errorf("the machine was\n%s\nand with the node it is\n%s", before, during)
	}
	name := filepath.Base(n.home.dir)
	if found := left(t, name); len(found) < 20 {
		t.Fatalf("of a running node only this is found: %v", found)
	}
	own, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", n.process.Process.Pid))
	if err != nil || !networks(t)[own] {
		t.Fatalf("the network %q of a running node is not found: %v", own, err)
	}
	begin := time.Now()
	if err := n.Stop(); err != nil {
		t.Fatal(err)
	}
	t.Logf("stopped in %v", time.Since(begin).Round(10*time.Millisecond))
	if found := left(t, name); found != nil {
		t.Errorf("left: %v", found)
	}
	if networks(t)[own] {
		t.Error("the network is left")
	}
	if after := machine(t); after != before {
		t.Errorf("the machine was\n%s\nand is\n%s", before, after)
	}
}

func helper() {
	n, err := Start(context.Background(), Options{})
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	fmt.Println(n.home.dir)
	time.Sleep(10 * time.Minute)
}

// A process that is killed takes its node along, and the next node clears what was left but the logs.
func TestKilledProcess(t *testing.T) {
	t.Parallel()
	share(t, ownNode)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), helperEnv+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cluster.StartChild(cmd); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 1000)
	read, err := out.Read(line)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Base(strings.TrimSpace(string(line[:read])))
	if !strings.HasPrefix(name, "podvet-node-") {
		t.Fatalf("the helper said %s", line[:read])
	}
	cmd.Process.Kill()
	cmd.Wait()
	eventually(t, func() error {
		for _, path := range left(t, name) {
			if strings.HasPrefix(path, "/proc/") {
				return fmt.Errorf("%s is left", path)
			}
		}
		return nil
	})
	h, err := openHome()
	if err != nil {
		t.Fatal(err)
	}
	if err := h.close(false); err != nil {
		t.Error(err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(cache, "podvet", "nodes", name)
	eventually(t, func() error { // the node of another test may be at it
		if found := left(t, name); !slices.Equal(found, []string{dir, dir + ".lock"}) {
			return fmt.Errorf("left: %v", found)
		}
		entries, err := os.ReadDir(dir)
		if err == nil && (len(entries) != 1 || entries[0].Name() != "logs") {
			err = fmt.Errorf("left: %v", entries)
		}
		return err
	})
	if err := errors.Join(os.RemoveAll(dir), os.Remove(dir+".lock")); err != nil {
		t.Error(err)
	}
}
