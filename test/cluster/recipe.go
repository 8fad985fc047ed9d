package cluster

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// A recipe says what is built. Every change of it, of a go.mod or go.sum it names or of the Go version gives
// another cache folder.
type recipe struct {
	title    string // for people: what this builds and how long it takes
	version  string // starts the name of the cache folder
	programs []program
}

type program struct {
	name    string   // of the file
	module  string   // folder of the go.mod that pins it
	pkg     string   // import path of its main package
	ldflags string   // of the linker
	tags    string   // build tags, separated by commas
	cgo     bool     // it holds C
	ask     []string // arguments that make it say its version
	says    string   // what it must then say
}

// repository is the folder of podvet's go.mod, found from the working directory upwards.
func repository() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("the working directory cannot be told: %w", err)
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && regexp.MustCompile(`(?m)^module github\.com/podvet/podvet$`).Match(mod) {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("%s is not inside podvet's repository, "+
				"whose test/controlplane pins the control plane: run this from inside it", start)
		}
	}
}

// cacheDir makes and returns the folder for a kind of files in the user's cache directory.
func cacheDir(kind string) (string, error) {
	user, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("there is no cache directory (%w): set HOME or XDG_CACHE_HOME", err)
	}
	dir := filepath.Join(user, "podvet", kind)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("the cache directory cannot be made: %w: "+
			"set XDG_CACHE_HOME to a folder that can be written", err)
	}
	return dir, nil
}

// controlPlane is the recipe for the versions that the modules in dir pin.
func controlPlane(dir string) (*recipe, error) {
	etcd := filepath.Join(dir, "etcd") // etcd needs a module graph of its own
	kubernetes, err := pinned(dir, "k8s.io/kubernetes")
	if err != nil {
		return nil, err
	}
	etcdVersion, err := pinned(etcd, "go.etcd.io/etcd/server/v3")
	if err != nil {
		return nil, err
	}
	return &recipe{
		title: "the Kubernetes " + strings.TrimPrefix(kubernetes, "v") +
			" control plane for tests, once: about 8 minutes on 2 cores",
		version: kubernetes,
		programs: []program{
			{name: "etcd", module: etcd, pkg: "go.etcd.io/etcd/server/v3", ldflags: "-s -w", ask: []string{"--version"},
				says: strings.TrimPrefix(etcdVersion, "v")},
			ofKubernetes("kube-apiserver", dir, kubernetes, "--version"),
			ofKubernetes("kube-controller-manager", dir, kubernetes, "--version"),
			ofKubernetes("kubectl", dir, kubernetes, "version", "--client"),
		},
	}, nil
}

func ofKubernetes(name, module, version string, ask ...string) program {
	return program{
		name: name, module: module, pkg: "k8s.io/kubernetes/cmd/" + name,
		ldflags: "-s -w -X k8s.io/component-base/version.gitVersion=" + version, ask: ask, says: version,
	}
}

// node is the recipe for what a node runs besides the control plane.
func node(dir string) (*recipe, error) {
	runtime := filepath.Join(dir, "containerd") // containerd needs a module graph of its own too
	kubernetes, err := pinned(dir, "k8s.io/kubernetes")
	if err != nil {
		return nil, err
	}
	const containerdModule, runcModule, pluginsModule = "github.com/containerd/containerd/v2",
		"github.com/opencontainers/runc", "github.com/containernetworking/plugins"
	versions := map[string]string{}
	for _, module := range []string{containerdModule, runcModule, pluginsModule} {
		if versions[module], err = pinned(runtime, module); err != nil {
			return nil, err
		}
	}
	containerd := func(name string) program {
		return program{
			name: name, module: runtime, pkg: containerdModule + "/cmd/" + name,
			ldflags: "-s -w -X " + containerdModule + "/version.Version=" + versions[containerdModule],
			tags:    "no_btrfs,no_devmapper,no_zfs", // overlayfs is enough
			ask:     []string{"-v"}, says: versions[containerdModule],
		}
	}
	plugin := func(path string) program {
		return program{
			name: filepath.Base(path), module: runtime, pkg: pluginsModule + "/plugins/" + path,
			ldflags: "-s -w -X " + pluginsModule + "/pkg/utils/buildversion.BuildVersion=" + versions[pluginsModule],
			says:    versions[pluginsModule], // without CNI_COMMAND it says its version
		}
	}
	return &recipe{
		title: "a node of Kubernetes " + strings.TrimPrefix(kubernetes, "v") +
			" for tests, once: about 3 minutes on 2 cores",
		version: kubernetes,
		programs: []program{
			ofKubernetes("kubelet", dir, kubernetes, "--version"),
			ofKubernetes("kube-proxy", dir, kubernetes, "--version"),
			ofKubernetes("kube-scheduler", dir, kubernetes, "--version"),
			containerd("containerd"),
			containerd("containerd-shim-runc-v2"),
			containerd("ctr"),
			{
				name: "runc", module: runtime, pkg: runcModule, ldflags: "-s -w",
				cgo:  true,
				tags: "seccomp", // else no pod starts: "seccomp not supported"
				ask:  []string{"--version"}, says: strings.TrimPrefix(versions[runcModule], "v"),
			},
			plugin("main/ptp"),
			plugin("main/loopback"),
			plugin("ipam/host-local"),
		},
	}, nil
}

// pinned is the version of a module that the go.mod in dir requires.
func pinned(dir, module string) (string, error) {
	path := filepath.Join(dir, "go.mod")
	mod, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("the versions of the control plane are not known: %w", err)
	}
	found := regexp.MustCompile(`(?m)^(?:require)?\s+` + regexp.QuoteMeta(module) + ` (v\S+)`).FindSubmatch(mod)
	if found == nil {
		return "", fmt.Errorf("%s does not require %s: restore it from the repository", path, module)
	}
	return string(found[1]), nil
}
