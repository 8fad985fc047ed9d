package node

import (
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"embed"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/podvet/podvet/test/cluster"
)

const (
	apiServer = "172.30.0.1:6443"     // in the node's network
	caFile    = "certs/apiserver.crt" // which the API server makes
)

// inNode is where the node itself sees the folder of its files.
const inNode = "/run/node"

//go:embed config
var config embed.FS

// A home is the folder of a node's files, and its cgroups, which have the folder's name.
type home struct {
	dir    string
	unlock func()
}

func (h *home) path(name string) string { return filepath.Join(h.dir, name) }

// keepLogs is how long the logs of nodes are kept that failed or whose process was killed.
const keepLogs = 24 * time.Hour

// openHome makes and locks a folder in the user's cache directory, and removes what nodes left whose process was
// killed.
func openHome() (*home, error) {
	user, err := os.UserCacheDir()
	if err != nil {
		return nil, fmt.Errorf("there is no cache directory (%w): set HOME or XDG_CACHE_HOME", err)
	}
	base := filepath.Join(user, "podvet", "nodes")
	if err := os.MkdirAll(base, 0o755); err != nil {
		return nil, fmt.Errorf("the node's folder cannot be made: %w: "+
			"set XDG_CACHE_HOME to a folder that can be written", err)
	}
	left, _ := filepath.Glob(filepath.Join(base, "*.lock"))
	for _, path := range left {
		unlock, err := cluster.Lock(path)
		if err != nil {
			continue // in use
		}
		dead := &home{strings.TrimSuffix(path, ".lock"), unlock}
		info, err := os.Stat(dead.dir)
		_ = dead.close(err == nil && time.Since(info.ModTime()) < keepLogs) // of another run: not this one's trouble
	}
	h := &home{dir: filepath.Join(base, "podvet-node-"+strings.ToLower(rand.Text()[:8]))}
	if h.unlock, err = cluster.Lock(h.dir + ".lock"); err != nil {
		return nil, err
	}
	if err := os.Mkdir(h.dir, 0o755); err != nil {
		return nil, fmt.Errorf("the node's folder cannot be made: %w: "+
			"free space, or set XDG_CACHE_HOME to another folder", err)
	}
	return h, nil
}

// close removes the node's cgroups and files, but for the logs when they are to be kept.
func (h *home) close(withLogs bool) error {
	err := h.removeCgroups()
	if withLogs {
		entries, _ := os.ReadDir(h.dir)
		for _, entry := range entries {
			if entry.Name() != "logs" {
				err = cmp.Or(err, os.RemoveAll(h.path(entry.Name())))
			}
		}
	} else {
		err = cmp.Or(err, os.RemoveAll(h.dir), os.Remove(h.dir+".lock"))
	}
	h.unlock()
	if err != nil {
		return fmt.Errorf("what the node left cannot be removed: %w: remove %s by hand", err, h.dir)
	}
	return nil
}

// writeFiles writes the configuration of the node's programs, and returns the token of the admin.
func (h *home) writeFiles() (token string, err error) {
	for _, dir := range []string{"logs", "cni", "volume-plugins", "static-pods", "var/log", "var/lib", "var/tmp"} {
		err = cmp.Or(err, os.MkdirAll(h.path(dir), 0o755))
	}
	err = cmp.Or(err, os.Symlink("/run", h.path("var/run")))
	names, _ := fs.Glob(config, "config/*")
	for _, name := range names {
		text, readErr := config.ReadFile(name)
		err = cmp.Or(err, readErr, os.WriteFile(h.path(filepath.Base(name)), text, 0o644))
	}
	err = cmp.Or(err, os.Rename(h.path("cni.conflist"), h.path("cni/10-pods.conflist")), h.writeServiceAccountKey())

	// Everyone has the user and the groups that a real cluster gives him, so that RBAC means what it does there.
	var tokens strings.Builder
	for _, user := range []struct{ file, name, groups string }{
		{"kubeconfig", "admin", "system:masters"},
		{"kube-controller-manager.kubeconfig", "system:kube-controller-manager", ""},
		{"kube-scheduler.kubeconfig", "system:kube-scheduler", ""},
		{"kube-proxy.kubeconfig", "system:kube-proxy", ""},
		{"kubelet.kubeconfig", "system:node:" + Name, "system:nodes"},
	} {
		secret := rand.Text()
		if user.name == "admin" {
			token = secret
		}
		fmt.Fprintf(&tokens, "%s,%s,%s,%s\n", secret, user.name, user.name, user.groups)
		access := clientcmdapi.NewConfig()
		access.Clusters["node"] = &clientcmdapi.Cluster{Server: "https://" + apiServer,
			CertificateAuthority: filepath.Join(inNode, caFile)}
		access.AuthInfos[user.name] = &clientcmdapi.AuthInfo{Token: secret}
		access.Contexts["node"] = &clientcmdapi.Context{Cluster: "node", AuthInfo: user.name}
		access.CurrentContext = "node"
		err = cmp.Or(err, clientcmd.WriteToFile(*access, h.path(user.file)))
	}
	return token, cmp.Or(err, os.WriteFile(h.path("tokens.csv"), []byte(tokens.String()), 0o600))
}

func (h *home) writeServiceAccountKey() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	return os.WriteFile(h.path("serviceaccount.key"),
		pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), 0o600)
}

// cgroups are the paths of the node's cgroup: one for each hierarchy of cgroup v1, below this process's own, or the one
// of v2.
func (h *home) cgroups() ([]string, error) {
	const root = "/sys/fs/cgroup"
	var fs unix.Statfs_t
	if err := unix.Statfs(root, &fs); err != nil {
		return nil, fmt.Errorf("%s: %w: mount the cgroups there", root, err)
	}
	name := filepath.Base(h.dir)
	if fs.Type == unix.CGROUP2_SUPER_MAGIC {
		return []string{filepath.Join(root, name)}, nil // only at the root may processes be beside it
	}
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil, err
	}
	var paths []string
	for line := range strings.Lines(string(text)) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) == 3 && fields[1] != "" {
			paths = append(paths, filepath.Join(root, strings.TrimPrefix(fields[1], "name="), fields[2], name))
		}
	}
	return paths, nil
}

func (h *home) makeCgroups() ([]string, error) {
	paths, err := h.cgroups()
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		if err := os.Mkdir(path, 0o755); err != nil {
			return nil, err
		}
		// A new cpuset of v1 is empty, and takes no process.
		for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
			if own, err := os.ReadFile(filepath.Join(filepath.Dir(path), file)); err == nil {
				if err := os.WriteFile(filepath.Join(path, file), own, 0); err != nil {
					return nil, err
				}
			}
		}
	}
	return paths, nil
}

// removeCgroups removes the node's cgroups and those in it, the innermost first. The kernel needs a moment to see that
// they are empty.
func (h *home) removeCgroups() error {
	paths, err := h.cgroups()
	if err != nil {
		return err
	}
	for _, path := range paths {
		for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			err := removeCgroup(path)
			if err == nil {
				break
			}
			if time.Now().After(deadline) {
				return err
			}
		}
	}
	return nil
}

func removeCgroup(path string) error {
	entries, err := os.ReadDir(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, entry := range entries {
		if entry.IsDir() {
			err = cmp.Or(err, removeCgroup(filepath.Join(path, entry.Name())))
		}
	}
	return cmp.Or(err, unix.Rmdir(path)) // not os.Remove: that tries to unlink first
}

// buildStatic builds one of this module's programs.
func buildStatic(ctx context.Context, out, pkg string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", out, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building %s: %w: %s", pkg, err, strings.TrimSpace(string(said)))
	}
	return nil
}
