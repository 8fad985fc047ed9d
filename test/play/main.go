// Command play builds the page in docs/play: podvet as WebAssembly, the part of Go that runs it, and the examples,
// beside the page's own files. With -serve it shows the page on loopback.
package main

import (
	"bytes"
	"compress/gzip"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// maxPacked is how many bytes of podvet a reader of the page loads at most.
const maxPacked = 5_000_000

func main() {
	out := flag.String("out", "bin/play", "the `FOLDER` to build the page in")
	serves := flag.Bool("serve", false, "show the page on loopback, until Ctrl-C")
	port := flag.Int("port", 0, "the `PORT` to show it on, 0 for any free one")
	flag.Parse()
	err := build(*out)
	if err == nil && *serves {
		err = serve(*out, *port)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "play:", err)
		os.Exit(1)
	}
}

func build(out string) error {
	root, err := output("go", "list", "-m", "-f", "{{.Dir}}", "github.com/podvet/podvet")
	if err != nil {
		return err
	}
	goroot, err := output("go", "env", "GOROOT")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(out, "examples"), 0o755); err != nil {
		return err
	}
	for from, to := range map[string]string{
		filepath.Join(root, "docs/play/*"):             out,
		filepath.Join(root, "examples/*.yaml"):         filepath.Join(out, "examples"),
		filepath.Join(goroot, "lib/wasm/wasm_exec.js"): out,
	} {
		if err := copyAll(from, to); err != nil {
			return err
		}
	}
	return pack(root, filepath.Join(out, "podvet.wasm.gz"))
}

// output is what a command prints, on one line.
func output(name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	return strings.TrimSpace(string(out)), err
}

func copyAll(pattern, folder string) error {
	files, err := filepath.Glob(pattern)
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("there is no %s", pattern)
	}
	for _, file := range files {
		var text []byte
		if text, err = os.ReadFile(file); err == nil {
			err = os.WriteFile(filepath.Join(folder, filepath.Base(file)), text, 0o644)
		}
		if err != nil {
			return err
		}
	}
	return err
}

// pack builds podvet for the page and packs it: the page unpacks it itself, so that it loads as quickly from a file
// server that packs nothing.
func pack(root, to string) error {
	folder, err := os.MkdirTemp("", "podvet-play-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	binary := filepath.Join(folder, "podvet.wasm")
	// Without inlining it is an eighth smaller.
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-gcflags=all=-l",
		"-ldflags", "-s -w -buildid=", "-o", binary, "./cmd/podvet/play")
	build.Dir = root
	build.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm")
	build.Stdout, build.Stderr = os.Stdout, os.Stderr
	if err := build.Run(); err != nil {
		return err
	}
	program, err := os.Open(binary)
	if err != nil {
		return err
	}
	defer program.Close()
	var packed bytes.Buffer
	zip, _ := gzip.NewWriterLevel(&packed, gzip.BestCompression) // the level is one
	if _, err := io.Copy(zip, program); err != nil {
		return err
	}
	if err := zip.Close(); err != nil {
		return err
	}
	if packed.Len() > maxPacked {
		return fmt.Errorf("podvet for the page is %d bytes packed, and %d are the most: what does it import that it "+
			"need not?", packed.Len(), maxPacked)
	}
	return os.WriteFile(to, packed.Bytes(), 0o644)
}

func serve(folder string, port int) error {
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return err
	}
	fmt.Printf("http://%s/\n", l.Addr())
	err = http.Serve(l, http.FileServer(http.Dir(folder)))
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
