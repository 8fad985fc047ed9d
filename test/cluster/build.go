package cluster

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync/atomic"
	"time"
)

// progressEvery is how often a build says how far it is.
var progressEvery = 15 * time.Second

// manifestFile lists, in a cache folder, the size of every binary in bytes.
const manifestFile = "sizes.json"

// Binaries are the paths of the programs of the control plane.
type Binaries struct {
	Etcd, APIServer, ControllerManager, Kubectl string
}

// Build returns the binaries of the control plane. When the user's cache directory lacks them, or holds broken
// ones, it builds them from the modules in test/controlplane, which takes some 8 minutes on 2 cores, and writes
// a line about that to progress at the start, every 15 seconds and at the end. Of several calls at once, in
// whatever process, one builds and the others wait. The error is one line.
func Build(ctx context.Context, progress io.Writer) (Binaries, error) {
	dir, err := buildCached(ctx, "controlplane", controlPlane, progress)
	if err != nil {
		return Binaries{}, err
	}
	return Binaries{
		Etcd:              filepath.Join(dir, "etcd"),
		APIServer:         filepath.Join(dir, "kube-apiserver"),
		ControllerManager: filepath.Join(dir, "kube-controller-manager"),
		Kubectl:           filepath.Join(dir, "kubectl"),
	}, nil
}

// BuildNode returns the folder of the programs that make a machine a node, as Build does those of the control plane:
// kubelet, kube-proxy, kube-scheduler, containerd with its shim and ctr, runc and the CNI plugins. A first build
// takes some 3 minutes more, and needs a C compiler, pkg-config and the headers of libseccomp, for runc.
func BuildNode(ctx context.Context, progress io.Writer) (string, error) {
	return buildCached(ctx, "node", node, progress)
}

// buildCached builds a recipe for the versions that test/controlplane pins, in a cache folder of that name.
func buildCached(
	ctx context.Context, name string, of func(dir string) (*recipe, error), progress io.Writer,
) (string, error) {
	root, err := repository()
	if err != nil {
		return "", err
	}
	r, err := of(filepath.Join(root, "test", "controlplane"))
	if err != nil {
		return "", err
	}
	cache, err := cacheDir(name)
	if err != nil {
		return "", err
	}
	return r.build(ctx, cache, progress)
}

// build returns the folder in cache that holds the recipe's programs, and builds them when they are missing.
func (r *recipe) build(ctx context.Context, cache string, progress io.Writer) (string, error) {
	key, err := r.key(ctx)
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, key)
	unlock, err := lockWhenFree(ctx, dir+".lock", func() {
		fmt.Fprintf(progress, "cluster: another run is building or checking in %s: waiting for it\n", cache)
	})
	if err != nil {
		return "", err
	}
	defer unlock()

	trouble := r.check(ctx, dir)
	if trouble == nil {
		return dir, nil
	}
	if ctx.Err() != nil {
		return "", fmt.Errorf("building was interrupted: %w", ctx.Err())
	}
	if _, err := os.Stat(dir); err == nil {
		fmt.Fprintf(progress, "cluster: the cached programs are broken (%v): building it again\n", trouble)
	}
	if old := olderFolders(cache, dir); len(old) > 0 {
		fmt.Fprintf(progress, "cluster: others are cached too; "+
			"those that no checkout uses any more can be removed: rm -r %s\n", strings.Join(old, " "))
	}
	if err := r.buildInto(ctx, dir, progress); err != nil {
		return "", err
	}
	return dir, nil
}

// key names the cache folder: the version for people, and a hash of all that decides what is built.
func (r *recipe) key(ctx context.Context) (string, error) {
	hash := sha256.New()
	for _, p := range r.programs {
		fmt.Fprintf(hash, "%s %s %q %q %t %s\n", p.name, p.pkg, p.ldflags, p.tags, p.cgo, goFlags)
		for _, file := range []string{"go.mod", "go.sum"} {
			data, err := os.ReadFile(filepath.Join(p.module, file))
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return "", fmt.Errorf("the versions of the control plane are not known: %w", err)
			}
			fmt.Fprintf(hash, "%s %d\n%s", file, len(data), data)
		}
	}
	goEnv := goCommand(ctx, r.programs[0].module, "env", "GOVERSION", "GOOS", "GOARCH", "GOAMD64", "GOARM64",
		"GOEXPERIMENT")
	goEnv.Stdout = hash
	var said bytes.Buffer
	goEnv.Stderr = &said
	if err := runOnLastingThread(goEnv); errors.Is(err, exec.ErrNotFound) {
		return "", errors.New("the go command is not on the PATH: install Go, or add its bin folder to the PATH")
	} else if err != nil {
		return "", fmt.Errorf("go env failed in %s: %w: %s", r.programs[0].module, err, lastLine(said.Bytes()))
	}
	return fmt.Sprintf("%s-%.6x", r.version, hash.Sum(nil)), nil
}

// check returns nil when dir holds every program, whole and of the right version.
func (r *recipe) check(ctx context.Context, dir string) error {
	data, err := os.ReadFile(filepath.Join(dir, manifestFile))
	if err != nil {
		return err
	}
	sizes := map[string]int64{}
	if err := json.Unmarshal(data, &sizes); err != nil {
		return fmt.Errorf("%s: %w", filepath.Join(dir, manifestFile), err)
	}
	for _, p := range r.programs {
		info, err := os.Stat(filepath.Join(dir, p.name))
		if err != nil {
			return err
		}
		if info.Size() != sizes[p.name] {
			return fmt.Errorf("%s has %d bytes, not %d", filepath.Join(dir, p.name), info.Size(), sizes[p.name])
		}
		if err := p.check(ctx, dir); err != nil {
			return err
		}
	}
	return nil
}

// check runs the program in dir to hear its version.
func (p program) check(ctx context.Context, dir string) error {
	path := filepath.Join(dir, p.name)
	cmd := exec.CommandContext(ctx, path, p.ask...)
	cmd.Env = []string{"HOME=" + dir, "KUBERC=off"} // nothing of the user's configuration
	said, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s does not run: %w", path, err)
	}
	if !strings.Contains(string(said), p.says) {
		return fmt.Errorf("%s says %q, not %s", path, lastLine(said), p.says)
	}
	return nil
}

// olderFolders are the cache folders of other keys.
func olderFolders(cache, dir string) []string {
	var old []string
	found, _ := filepath.Glob(filepath.Join(cache, "*", manifestFile))
	for _, path := range found {
		if filepath.Dir(path) != dir {
			old = append(old, filepath.Dir(path))
		}
	}
	return old
}

// buildInto builds in a folder beside dir and renames it at the end: a build that is killed leaves no half
// cache. The caller holds the lock.
func (r *recipe) buildInto(ctx context.Context, dir string, progress io.Writer) error {
	temporary := dir + ".building"
	for _, left := range []string{temporary, dir} {
		if err := os.RemoveAll(left); err != nil {
			return fmt.Errorf("the cache cannot be cleared: %w: remove %s by hand", err, left)
		}
	}
	if err := os.Mkdir(temporary, 0o755); err != nil {
		return fmt.Errorf("the cache cannot be written: %w: set XDG_CACHE_HOME to a folder that can be", err)
	}
	defer os.RemoveAll(temporary)
	fmt.Fprintf(progress, "cluster: building %s; cached in %s\n", r.title, dir)

	start := time.Now()
	sizes, err := r.buildPrograms(ctx, temporary, dir+".log", progress)
	if err != nil {
		return err
	}
	manifest, err := json.Marshal(sizes)
	if err == nil {
		err = os.WriteFile(filepath.Join(temporary, manifestFile), manifest, 0o644)
	}
	if err == nil {
		err = os.Rename(temporary, dir)
	}
	if err != nil {
		return fmt.Errorf("the cache cannot be written: %w: free space or set XDG_CACHE_HOME to another folder", err)
	}
	fmt.Fprintf(progress, "cluster: built in %v\n", time.Since(start).Round(time.Second))
	return nil
}

// buildPrograms builds the programs in dir, checks them and returns their sizes in bytes. All that go says goes to
// the file logPath, and how far it is to progress.
func (r *recipe) buildPrograms(ctx context.Context, dir, logPath string, progress io.Writer) (map[string]int64, error) {
	log, err := os.Create(logPath)
	if err != nil {
		return nil, fmt.Errorf("the cache cannot be written: %w: set XDG_CACHE_HOME to a folder that can be", err)
	}
	defer log.Close()
	start, counted := time.Now(), &counter{to: log}
	var now atomic.Value // name of the program in work
	now.Store(r.programs[0].name)
	stopTicker := every(progressEvery, func() {
		fmt.Fprintf(progress, "cluster: %v: building %v, %d modules downloaded, %d packages compiled so far\n",
			time.Since(start).Round(time.Second), now.Load(), counted.modules.Load(), counted.packages.Load())
	})
	defer stopTicker()
	sizes := map[string]int64{}
	for _, p := range r.programs {
		now.Store(p.name)
		if err := p.build(ctx, dir, counted); err != nil {
			return nil, err
		}
		if err := p.check(ctx, dir); err != nil {
			return nil, fmt.Errorf("what was built is wrong: %w: see %s", err, logPath)
		}
		info, err := os.Stat(filepath.Join(dir, p.name))
		if err != nil {
			return nil, fmt.Errorf("what was built is gone: %w: run again", err)
		}
		sizes[p.name] = info.Size()
	}
	return sizes, nil
}

// build runs go build. The output also goes to log, whose path is in the error.
func (p program) build(ctx context.Context, dir string, log *counter) error {
	cmd := goCommand(ctx, p.module, "build", "-v", "-buildvcs=false", "-ldflags", p.ldflags, "-tags", p.tags, "-o",
		filepath.Join(dir, p.name), p.pkg)
	cmd.Env = append(cmd.Env, "GOTMPDIR="+dir) // so that nothing is left elsewhere after a kill
	if p.cgo {
		cmd.Env = append(cmd.Env, "CGO_ENABLED=1")
	}
	var said bytes.Buffer
	cmd.Stderr = io.MultiWriter(log, &said)
	cmd.Stdout = cmd.Stderr
	err := runOnLastingThread(cmd)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("building %s was interrupted: %w", p.name, ctx.Err())
	}
	if module := notDownloaded(said.String()); module != "" {
		return fmt.Errorf("no route to the Go module proxy for %s: connect, or fill the module cache "+
			"with `go mod download` in %s where there is a network, then run again; all go said is in %s",
			module, p.module, log.to.Name())
	}
	return fmt.Errorf("go build of %s failed in %s: %w: %s; all go said is in %s",
		p.name, p.module, err, lastLine(said.Bytes()), log.to.Name())
}

var (
	downloadFailed = regexp.MustCompile(`(?m)^.*(?:Get "|reading )https?://.*$` +
		`|^.*module lookup disabled by GOPROXY=off.*$|^.*unable to access .*$`)
	moduleAtV   = regexp.MustCompile(`[\w.~-]+(?:/[\w.~-]+)+@v[\w.+-]+`)
	downloading = regexp.MustCompile(`(?m)^go: downloading (\S+) (\S+)$`)
)

// notDownloaded is the module that go could not download, or "" when the build failed for another reason.
func notDownloaded(said string) string {
	line := downloadFailed.FindString(said)
	if line == "" {
		return ""
	}
	if module := moduleAtV.FindString(line); module != "" {
		return module
	}
	// With GOPROXY=off the line does not name it: it is among those that go began.
	if begun := downloading.FindAllStringSubmatch(said, -1); begun != nil {
		last := begun[len(begun)-1]
		return last[1] + "@" + last[2]
	}
	return "a module"
}

// goFlags are those of the Makefile, as far as they decide how packages are compiled: then what is compiled for the
// control plane serves for podvet and its tests too.
const goFlags = "-mod=readonly -trimpath"

// goCommand is the go command in a module's folder, with nothing of the user's settings that would change what
// is built. Interrupted, it gets the signal of a Ctrl-C, upon which it cleans up and ends.
func goCommand(ctx context.Context, dir string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PWD="+dir, "GOFLAGS="+goFlags, "GOWORK=off", "GO111MODULE=on",
		"GOOS="+runtime.GOOS, "GOARCH="+runtime.GOARCH, "CGO_ENABLED=0",
		"GOGC=400") // a compiler ends before its memory matters, and this takes it a tenth less time
	cmd.SysProcAttr = endsWithParent(nil, os.Interrupt)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

// A counter writes go's output to a file and counts the modules and packages it names.
type counter struct {
	to                *os.File
	modules, packages atomic.Int64
}

func (c *counter) Write(data []byte) (int, error) {
	for line := range strings.Lines(string(data)) {
		switch {
		case strings.HasPrefix(line, "go: downloading "):
			c.modules.Add(1)
		case len(line) > 1 && !strings.Contains(line, " "):
			c.packages.Add(1)
		}
	}
	return c.to.Write(data)
}

// every calls do at each interval until the returned function is called.
func every(interval time.Duration, do func()) (stop func()) {
	ticker, quit, ended := time.NewTicker(interval), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-ticker.C:
				do()
			case <-quit:
				return
			}
		}
	}()
	return func() {
		ticker.Stop()
		close(quit)
		<-ended // so that nothing is written afterwards
	}
}

// lastLine is the last line that says something, cut to 300 bytes.
func lastLine(text []byte) string {
	text = bytes.TrimSpace(text)
	line := bytes.TrimSpace(text[bytes.LastIndexByte(text, '\n')+1:])
	if len(line) > 300 {
		line = append(line[:300:300], "..."...)
	}
	return string(line)
}
