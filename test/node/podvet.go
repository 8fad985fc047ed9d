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
	"strconv"
	"strings"
	"sync"
)

// podvetImage is what the chart calls podvet's image.
const podvetImage = "ghcr.io/podvet/podvet"

// podvetArchives are the images of podvet that this process has made, by version.
var podvetArchives = struct {
	sync.Mutex
	made   map[string][]byte
	binary []byte // of one of them
}{made: map[string][]byte{}}

// ImportPodvet gives the node podvet's image as make image-archive writes it, with a version stamped into it that is
// also its tag.
func (n *Node) ImportPodvet(ctx context.Context, version string) error {
	file := n.home.path("images/podvet-" + version + ".tar")
	podvetArchives.Lock()
	err := n.makePodvet(ctx, version, file)
	podvetArchives.Unlock()
	if err != nil {
		return err
	}
	return n.Import(ctx, file)
}

func (n *Node) makePodvet(ctx context.Context, version, file string) error {
	binary := n.home.path("images/podvet")
	if archive := podvetArchives.made[version]; archive != nil {
		return errors.Join(os.WriteFile(file, archive, 0o644), os.WriteFile(binary, podvetArchives.binary, 0o755))
	}
	root, err := repository()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "make", "--no-print-directory", "-C", root, "image-archive", "VERSION="+version,
		"IMAGE="+podvetImage+":"+version,
		"OUT="+file, "BINARY="+binary) // not the repository's: another process may make it at the same time
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("podvet's image cannot be made: %w: %s", err, bytes.TrimSpace(said))
	}
	if podvetArchives.binary, err = os.ReadFile(binary); err != nil {
		return err
	}
	podvetArchives.made[version], err = os.ReadFile(file)
	return err
}

// Helm runs Helm 4 as an administrator of the node, with YAML or nothing as values. CHART among the arguments is
// podvet's chart, which gets the image of a version that was imported. It returns what Helm says on both outputs.
func (n *Node) Helm(ctx context.Context, version, values string, args ...string) (string, error) {
	helm, err := helmBinary()
	if err != nil {
		return "", err
	}
	root, err := repository()
	if err != nil {
		return "", err
	}
	for i, arg := range args {
		if arg == "CHART" {
			args[i] = filepath.Join(root, "charts", "podvet")
			args = append(args, "--values=-", "--set=image.tag="+version, "--set=image.pullPolicy=Never")
			break
		}
	}
	// In the node's network alone: the chart may be in a folder that the node does not see.
	cmd := exec.CommandContext(ctx, "nsenter",
		append([]string{"--target", strconv.Itoa(n.process.Process.Pid), "--net", "--", helm}, args...)...)
	cmd.Env = []string{
		"HOME=" + n.home.dir, "PATH=" + os.Getenv("PATH"),
		"HELM_KUBEAPISERVER=" + n.Config.Host, "HELM_KUBETOKEN=" + n.Config.BearerToken,
		"HELM_KUBECAFILE=" + n.Config.CAFile,
	}
	cmd.Stdin = strings.NewReader(values)
	said, err := cmd.CombinedOutput()
	if err != nil {
		return string(said), cmp.Or(n.Err(), fmt.Errorf("helm %s: %w: %s", strings.Join(args, " "), err,
			bytes.TrimSpace(said)))
	}
	return string(said), nil
}

// repository is the folder of podvet's repository, which this module is in.
var repository = sync.OnceValues(func() (string, error) {
	out, err := exec.Command("go", "list", "-m", "-f={{.Dir}}", "github.com/podvet/podvet").Output()
	if err != nil {
		return "", fmt.Errorf("podvet's repository is not found: %w: run this in test/node", said(err))
	}
	return strings.TrimSpace(string(out)), nil
})

// helmBinary builds Helm 4 from the module that test/chart pins: two minutes the first time. Go's build cache keeps it.
var helmBinary = sync.OnceValues(func() (string, error) {
	root, err := repository()
	if err != nil {
		return "", err
	}
	cmd := exec.Command("go", "tool", "-n", "helm.sh/helm/v4/cmd/helm")
	cmd.Dir = filepath.Join(root, "test", "chart")
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("Helm 4 cannot be built: %w", said(err))
	}
	return strings.TrimSpace(string(out)), nil
})

// said is the error of a program that failed, with what it said.
func said(err error) error {
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		return fmt.Errorf("%w: %s", err, bytes.TrimSpace(exit.Stderr))
	}
	return err
}
