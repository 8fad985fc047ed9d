package cluster

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

const tinyMain = `package main

import "fmt"

var version = "unset"

func main() { fmt.Println("tiny", version) }
`

// tiny is a recipe for a program that says its version, in a module of its own.
func tiny(t *testing.T, source string) *recipe {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "go.mod"), "module example.invalid/tiny\n\ngo 1.26.0\n")
	write(t, filepath.Join(dir, "main.go"), source)
	return tinyIn(dir)
}

func tinyIn(dir string) *recipe {
	return &recipe{title: "a tiny program", version: "v1", programs: []program{
		{name: "tiny", module: dir, pkg: "example.invalid/tiny", ldflags: "-X main.version=v1.2.3",
			says: "tiny v1.2.3"},
	}}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// mustBuild returns the cache folder and what was said about the progress.
func mustBuild(t *testing.T, r *recipe, cache string) (dir, said string) {
	t.Helper()
	var progress bytes.Buffer
	dir, err := r.build(t.Context(), cache, &progress)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.check(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	return dir, progress.String()
}

// wantSaid fails unless these lines were said, and between them at most how far the build was.
func wantSaid(t *testing.T, said string, lines ...string) {
	t.Helper()
	got := slices.DeleteFunc(strings.Split(strings.TrimSuffix(said, "\n"), "\n"), func(line string) bool {
		return strings.HasSuffix(line, " packages compiled so far")
	})
	if len(got) != len(lines) {
		t.Fatalf("said:\n%swant %d lines: %q", said, len(lines), lines)
	}
	for i := range got {
		if !strings.HasPrefix(got[i], "cluster: ") || !strings.Contains(got[i], lines[i]) {
			t.Errorf("line %d is %q, want %q in it", i+1, got[i], lines[i])
		}
	}
}

func TestBuildOnce(t *testing.T) {
	t.Parallel()
	r, cache := tiny(t, tinyMain), t.TempDir()
	dir, said := mustBuild(t, r, cache)
	wantSaid(t, said, "building a tiny program; cached in "+dir, "built in ")
	again, said := mustBuild(t, r, cache)
	if again != dir || said != "" {
		t.Errorf("the second build is in %s, not in %s, and said %q", again, dir, said)
	}
	if left, _ := filepath.Glob(filepath.Join(cache, "*.building")); left != nil {
		t.Errorf("left: %v", left)
	}
}

// Whatever decides what is built names another folder.
func TestStaleCacheIsNotUsed(t *testing.T) {
	t.Parallel()
	cache := t.TempDir()
	first, _ := mustBuild(t, tiny(t, tinyMain), cache)
	for name, change := range map[string]func(r *recipe){
		"go.mod": func(r *recipe) {
			write(t, filepath.Join(r.programs[0].module, "go.mod"), "module example.invalid/tiny\n\ngo 1.26\n")
		},
		"go.sum": func(r *recipe) {
			write(t, filepath.Join(r.programs[0].module, "go.sum"),
				"example.invalid/m v1.0.0 h1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n")
		},
		"flags":   func(r *recipe) { r.programs[0].ldflags += " -s" },
		"tags":    func(r *recipe) { r.programs[0].tags = "extra" },
		"version": func(r *recipe) { r.version = "v2" },
	} {
		t.Run(name, func(t *testing.T) {
			r := tiny(t, tinyMain)
			change(r)
			dir, said := mustBuild(t, r, cache)
			if dir == first {
				t.Errorf("the folder is the same")
			}
			if !strings.Contains(said, "building a tiny program") ||
				!strings.Contains(said, "can be removed: rm -r ") || !strings.Contains(said, first) {
				t.Errorf("said:\n%s", said)
			}
		})
	}
}

func TestBrokenCacheIsBuiltAgain(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(dir string) error{
		"truncated": func(dir string) error { return os.Truncate(filepath.Join(dir, "tiny"), 100_000) },
		"truncated where it still runs": func(dir string) error {
			info, err := os.Stat(filepath.Join(dir, "tiny"))
			if err != nil {
				return err
			}
			return os.Truncate(filepath.Join(dir, "tiny"), info.Size()-1)
		},
		"missing": func(dir string) error { return os.Remove(filepath.Join(dir, "tiny")) },
		"no manifest": func(dir string) error {
			return os.Remove(filepath.Join(dir, manifestFile))
		},
		"bad manifest": func(dir string) error { return os.Truncate(filepath.Join(dir, manifestFile), 3) },
		"cannot be run": func(dir string) error {
			return os.Chmod(filepath.Join(dir, "tiny"), 0o644)
		},
		"another program": func(dir string) error {
			info, err := os.Stat(filepath.Join(dir, "tiny"))
			if err != nil {
				return err
			}
			script := "#!/bin/sh\necho tiny v1.2.2\nexit\n"
			return os.WriteFile(filepath.Join(dir, "tiny"),
				[]byte(script+strings.Repeat("#", int(info.Size())-len(script))), 0o755)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, cache := tiny(t, tinyMain), t.TempDir()
			dir, _ := mustBuild(t, r, cache)
			if err := damage(dir); err != nil {
				t.Fatal(err)
			}
			again, said := mustBuild(t, r, cache)
			wantSaid(t, said, "the cached programs are broken (", "building a tiny program", "built in ")
			if again != dir || !strings.Contains(said, dir) {
				t.Errorf("built in %s, want %s, and that said in:\n%s", again, dir, said)
			}
		})
	}
}

func TestBuildsAtOnce(t *testing.T) {
	t.Parallel()
	r, cache := tiny(t, tinyMain), t.TempDir()
	var said [4]bytes.Buffer
	var group sync.WaitGroup
	for i := range said {
		group.Go(func() {
			if _, err := r.build(t.Context(), cache, &said[i]); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	built := 0
	for i := range said {
		built += strings.Count(said[i].String(), "building a tiny program")
	}
	if built != 1 {
		t.Errorf("built %d times, want once", built)
	}
}

func TestWaitingForAnotherBuild(t *testing.T) {
	t.Parallel()
	r, cache := tiny(t, tinyMain), t.TempDir()
	dir, _ := mustBuild(t, r, cache)
	unlock, err := lock(dir+".lock", true)
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(3*time.Second, unlock)
	_, said := mustBuild(t, r, cache)
	wantSaid(t, said, "another run is building or checking in "+cache)
}

func TestBuildSaysHowFarItIs(t *testing.T) {
	old := progressEvery
	progressEvery = time.Millisecond
	defer func() { progressEvery = old }()
	_, said := mustBuild(t, tiny(t, tinyMain), t.TempDir())
	if !strings.Contains(said, "cluster: 0s: building tiny, 0 modules downloaded, ") {
		t.Errorf("said:\n%s", said)
	}
	lines := strings.Split(strings.TrimSpace(said), "\n")
	if last := lines[len(lines)-1]; !strings.Contains(last, "built in ") {
		t.Errorf("the last line is %q", last)
	}
}

func TestCounter(t *testing.T) {
	t.Parallel()
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	c := &counter{to: log}
	fmt.Fprint(c, "go: downloading k8s.io/kubernetes v1.37.2\nk8s.io/api/core/v1\nfmt\n# k8s.io/api\nsome error\n\n")
	if c.modules.Load() != 1 || c.packages.Load() != 2 {
		t.Errorf("%d modules and %d packages, want 1 and 2", c.modules.Load(), c.packages.Load())
	}
}

func TestBuildErrors(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		source string
		parts  []string
	}{
		"does not compile": {"package main\n\nfunc main() { undefined() }\n",
			[]string{"go build of tiny failed", "undefined: undefined", ".log"}},
		"wrong version": {"package main\n\nfunc main() { println(\"tiny v0\") }\n",
			[]string{"what was built is wrong", `says "tiny v0", not tiny v1.2.3`, ".log"}},
		"does not run": {"package main\n\nfunc main() { panic(1) }\n",
			[]string{"what was built is wrong", "does not run: exit status 2"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cache := t.TempDir()
			_, err := tiny(t, test.source).build(t.Context(), cache, &bytes.Buffer{})
			wantLine(t, err, test.parts...)
			if left, _ := filepath.Glob(filepath.Join(cache, "v1-*", "tiny")); left != nil {
				t.Errorf("left: %v", left)
			}
		})
	}
}

// A build without a network and with an empty module cache.
func TestNoNetwork(t *testing.T) {
	mod := "module example.invalid/tiny\n\ngo 1.26.0\n\nrequire golang.org/x/text v0.42.0\n"
	for name, proxy := range map[string]string{"refused": "http://127.0.0.1:1", "off": "off"} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("GOPROXY", proxy)
			t.Setenv("GOMODCACHE", t.TempDir())
			r, cache := tiny(t, "package main\n\nimport _ \"golang.org/x/text/width\"\n\nfunc main() {}\n"), t.TempDir()
			dir := r.programs[0].module
			write(t, filepath.Join(dir, "go.mod"), mod)
			write(t, filepath.Join(dir, "go.sum"),
				"golang.org/x/text v0.42.0 h1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"+
					"golang.org/x/text v0.42.0/go.mod h1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n")
			_, err := r.build(t.Context(), cache, &bytes.Buffer{})
			wantLine(t, err, "no route to the Go module proxy for golang.org/x/text@v0.42.0:",
				"connect, or fill the module cache with `go mod download` in "+dir, cache, ".log")
		})
	}
}

func TestGoSettingsDoNotMatter(t *testing.T) {
	r, cache := tiny(t, tinyMain), t.TempDir()
	before, err := r.key(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"GOFLAGS": "-mod=vendor -o=/nowhere", "GOWORK": "/no/go.work",
		"GO111MODULE": "off", "GOOS": "plan9", "GOARCH": "arm"} {
		t.Setenv(name, value)
	}
	dir, _ := mustBuild(t, r, cache)
	if filepath.Base(dir) != before {
		t.Errorf("the folder is %s, not %s", dir, before)
	}
}

func TestNoGo(t *testing.T) {
	t.Setenv("PATH", "/nonexistent")
	_, err := tiny(t, tinyMain).build(t.Context(), t.TempDir(), &bytes.Buffer{})
	wantLine(t, err, "the go command is not on the PATH")
}

// helpWithBuild builds, which takes long because Go's build cache is empty.
func helpWithBuild() {
	fmt.Println("begun")
	_, err := tinyIn(os.Getenv("TINY")).build(context.Background(), os.Getenv("CACHE"), os.Stderr)
	fmt.Println("built", err)
}

// A build whose process is killed leaves no process and nothing that a later build would take for whole.
func TestKilledBuild(t *testing.T) {
	t.Parallel()
	r, cache := tiny(t, tinyMain), t.TempDir()
	cmd, _, _ := startHelper(t, "build", "TINY="+r.programs[0].module, "CACHE="+cache, "GOCACHE="+t.TempDir())
	var building []string
	eventually(t, 10*time.Second, func() error {
		building, _ = filepath.Glob(filepath.Join(cache, "*.building"))
		if len(building) != 1 || len(withEnv("GOTMPDIR="+building[0])) < 2 {
			return fmt.Errorf("go build and its compiler do not run in %s: %v", cache, building)
		}
		return nil
	})
	cmd.Process.Kill()
	cmd.Wait()
	eventually(t, 15*time.Second, func() error {
		if pids := withEnv("GOTMPDIR=" + building[0]); len(pids) > 0 {
			return fmt.Errorf("processes %v are left", pids)
		}
		return nil
	})
	if _, err := os.Stat(filepath.Join(building[0], "tiny")); err == nil {
		t.Error("go build went on to its end")
	}
	dir, said := mustBuild(t, r, cache)
	wantSaid(t, said, "building a tiny program", "built in ")
	if dir+".building" != building[0] {
		t.Errorf("built in %s, not where the killed build was: %s", dir, building[0])
	}
	if _, err := os.Stat(building[0]); err == nil {
		t.Errorf("%s is left", building[0])
	}
}

// withEnv are the processes with a variable in their environment.
func withEnv(variable string) []string {
	var pids []string
	paths, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, path := range paths {
		env, err := os.ReadFile(path)
		if err == nil && bytes.Contains(env, []byte(variable)) {
			pids = append(pids, filepath.Base(filepath.Dir(path)))
		}
	}
	return pids
}

func TestInterruptedBuild(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := tiny(t, tinyMain).build(ctx, t.TempDir(), &bytes.Buffer{})
	wantLine(t, err, "context canceled")
}

// The repository is found from inside test/controlplane too, which has a go.mod of its own.
func TestRecipes(t *testing.T) {
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	controlplane := filepath.Join(filepath.Dir(here), "controlplane")
	t.Chdir(filepath.Join(controlplane, "etcd"))
	root, err := repository()
	if err != nil || root != filepath.Dir(filepath.Dir(here)) {
		t.Fatalf("the repository is %q, %v", root, err)
	}
	r, err := controlPlane(controlplane)
	if err != nil {
		t.Fatal(err)
	}
	if r.version != version || !strings.Contains(r.title, "Kubernetes 1.37.2") || len(r.programs) != 4 {
		t.Errorf("the recipe is %+v", r)
	}
	r, err = node(controlplane)
	if err != nil {
		t.Fatal(err)
	}
	if says := r.programs[len(r.programs)-1].says; r.version != version || says != "v1.9.1" || len(r.programs) != 10 {
		t.Errorf("the recipe is %+v", r)
	}
	t.Chdir("/")
	_, err = repository()
	wantLine(t, err, "not inside podvet's repository")
}
