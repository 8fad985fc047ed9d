package image

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

const root = "../.."

// makeImage runs make image-archive in a copy of what the image is made from: so neither the folder nor the
// repository's state may matter.
func makeImage(t *testing.T) string {
	t.Helper()
	source, out := t.TempDir(), filepath.Join(t.TempDir(), "podvet.tar")
	for _, name := range []string{"Makefile", "go.mod", "go.sum", "cmd", "webhook", "certs", "rules", "test/image"} {
		from, to := filepath.Join(root, name), filepath.Join(source, name)
		if info, err := os.Stat(from); err != nil {
			t.Fatal(err)
		} else if info.IsDir() {
			if err := os.CopyFS(to, os.DirFS(from)); err != nil {
				t.Fatal(err)
			}
			continue
		}
		data, err := os.ReadFile(from)
		if err == nil {
			err = os.WriteFile(to, data, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("make", "image-archive", "VERSION=v1.2.3", "REVISION=0123abc", "CREATED=1700000000", "OUT="+out)
	cmd.Dir = source
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	return out
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func open(t *testing.T, path string) (v1.Image, *v1.ConfigFile) {
	t.Helper()
	image, err := tarball.ImageFromPath(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	return image, config
}

func TestImageOfPodvet(t *testing.T) {
	t.Parallel()
	path := makeImage(t)
	if info, err := os.Stat(path); err != nil || info.Size() > 16<<20 {
		t.Errorf("%v, %d bytes, want at most 16 MiB", err, info.Size())
	}
	image, config := open(t, path)
	if config.OS != "linux" || config.Architecture != runtime.GOARCH ||
		!config.Created.Equal(time.Unix(1700000000, 0)) {
		t.Errorf("it is for %s/%s, made %v", config.OS, config.Architecture, config.Created)
	}
	if user := config.Config.User; user != "65532:65532" {
		t.Errorf("its user is %q", user)
	}
	labels := config.Config.Labels
	if labels["org.opencontainers.image.version"] != "v1.2.3" ||
		labels["org.opencontainers.image.revision"] != "0123abc" ||
		labels["org.opencontainers.image.created"] != "2023-11-14T22:13:20Z" {
		t.Errorf("its labels are %v", labels)
	}

	dockerfileSaysTheSame(t, config)

	// The binary is all there is, and what the entrypoint runs.
	files, dir := mutate.Extract(image), t.TempDir()
	defer files.Close()
	var names []string
	for archive := tar.NewReader(files); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, "/"+header.Name)
		if header.Uid != 0 || header.Mode != 0o755 {
			t.Errorf("%s is user %d's, mode %o", header.Name, header.Uid, header.Mode)
		}
		data, err := io.ReadAll(archive)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, header.Name), data, 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(data) > 44<<20 {
			t.Errorf("%s has %d bytes, want at most 44 MiB", header.Name, len(data))
		}
	}
	if !slices.Equal(names, config.Config.Entrypoint) {
		t.Fatalf("it holds %v and runs %v", names, config.Config.Entrypoint)
	}
	said, err := exec.Command(filepath.Join(dir, names[0]), "version").CombinedOutput()
	if err != nil || !strings.HasPrefix(string(said), "podvet v1.2.3, ") {
		t.Errorf("%v: %s", err, said)
	}
	startsSoon(t, filepath.Join(dir, names[0]))
	// A static binary needs no interpreter, which an image from scratch does not have.
	if strings.Contains(string(read(t, filepath.Join(dir, names[0]))[:4096]), "/ld-linux") {
		t.Error("the binary is not static")
	}
	if again := makeImage(t); !bytes.Equal(read(t, path), read(t, again)) {
		t.Error("built again it is not the same")
	}
}

// startsSoon bounds what each start of the binary costs before main runs, whatever the command: the initialisation of
// its packages, by what they allocate. The times depend on the machine, this hardly does.
func startsSoon(t *testing.T, binary string) {
	t.Helper()
	cmd := exec.Command(binary, "version")
	cmd.Env = append(os.Environ(), "GODEBUG=inittrace=1")
	said, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	bytes, allocations := 0, 0
	for _, found := range regexp.MustCompile(`(?m)^init .* (\d+) bytes, (\d+) allocs$`).FindAllSubmatch(said, -1) {
		n, _ := strconv.Atoi(string(found[1]))
		m, _ := strconv.Atoi(string(found[2]))
		bytes, allocations = bytes+n, allocations+m
	}
	if bytes == 0 || bytes > 5<<20 || allocations > 40_000 {
		t.Errorf("a start allocates %d bytes in %d allocations, want at most 5 MiB in 40,000", bytes, allocations)
	}
}

// dockerfile is the stage that builds and the last one, with lines that are continued joined.
func dockerfile(t *testing.T) (build, last string) {
	t.Helper()
	text := strings.ReplaceAll(string(read(t, filepath.Join(root, "cmd/podvet/Dockerfile"))), "\\\n", " ")
	build, last, found := strings.Cut(text, "\nFROM ${BASE}\n")
	if !found {
		t.Fatal("the Dockerfile has no stage from BASE")
	}
	return build, last
}

func dockerfileSaysTheSame(t *testing.T, config *v1.ConfigFile) {
	_, last := dockerfile(t)
	value := func(instruction string) string {
		found := regexp.MustCompile(`(?m)^` + instruction + ` (.*)$`).FindStringSubmatch(last)
		if found == nil {
			t.Fatalf("the Dockerfile has no %s", instruction)
		}
		return found[1]
	}
	var entrypoint []string
	if err := json.Unmarshal([]byte(value("ENTRYPOINT")), &entrypoint); err != nil ||
		!slices.Equal(entrypoint, config.Config.Entrypoint) {
		t.Errorf("it runs %v (%v), the other %v", entrypoint, err, config.Config.Entrypoint)
	}
	if user := value("USER"); user != config.Config.User {
		t.Errorf("its user is %s, the other's %s", user, config.Config.User)
	}
	expand := strings.NewReplacer("$VERSION", "v1.2.3", "$REVISION", "0123abc", "$CREATED", "2023-11-14T22:13:20Z")
	labels := map[string]string{}
	for _, label := range regexp.MustCompile(`(\S+)="([^"]*)"`).FindAllStringSubmatch(value("LABEL"), -1) {
		labels[label[1]] = expand.Replace(label[2])
	}
	if !maps.Equal(labels, config.Config.Labels) {
		t.Errorf("its labels are %v, the other's %v", labels, config.Config.Labels)
	}
}

func TestDockerfileBuildsTheSame(t *testing.T) {
	t.Parallel()
	build, _ := dockerfile(t)
	makefile := string(read(t, filepath.Join(root, "Makefile")))
	for _, flags := range []string{"CGO_ENABLED=0 GOOS=linux GOARCH=", " -trimpath -buildvcs=false ",
		"-s -w -buildid= -X main.stamped="} {
		if !strings.Contains(build, flags) || !strings.Contains(makefile, flags) {
			t.Errorf("the Dockerfile or the Makefile builds without %q", flags)
		}
	}
	list := exec.Command("go", "list", "-deps", "./cmd/podvet")
	list.Dir = root
	packages, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	for pkg := range strings.Lines(string(packages)) {
		if path, ours := strings.CutPrefix(strings.TrimSpace(pkg), "github.com/podvet/podvet/"); ours {
			dir, _, _ := strings.Cut(path, "/")
			if !strings.Contains(build, "\nCOPY "+dir+" "+dir+"\n") {
				t.Errorf("the Dockerfile does not copy %s, which %s is in", dir, strings.TrimSpace(pkg))
			}
		}
	}
}

func TestWrite(t *testing.T) {
	t.Parallel()
	binary, out := filepath.Join(t.TempDir(), "app"), filepath.Join(t.TempDir(), "app.tar")
	if err := os.WriteFile(binary, []byte("a program"), 0o600); err != nil {
		t.Fatal(err)
	}
	o := Options{Binary: binary, Arch: "arm64", Name: "localhost/app:1", Entrypoint: []string{"/app"}}
	if err := Write(out, o); err != nil {
		t.Fatal(err)
	}
	if _, config := open(t, out); config.Architecture != "arm64" || config.Config.User != "65532:65532" {
		t.Errorf("it is for %s and user %s", config.Architecture, config.Config.User)
	}
	for name, change := range map[string]func(*Options){
		`"Not A Name" is no name for an image`: func(o *Options) { o.Name = "Not A Name" },
		"there is no binary for the image":     func(o *Options) { o.Binary = "/nowhere" },
	} {
		o := o
		change(&o)
		if err := Write(out, o); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%v, want %s", err, name)
		}
	}
}
