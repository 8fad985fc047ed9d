//go:build unix

package certs

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestFilesUnreadable is about permissions. They do not stop root, who runs it as somebody else.
func TestFilesUnreadable(t *testing.T) {
	if os.Getuid() == 0 {
		asNobody(t)
		return
	}
	dir := local(t, t.TempDir())
	if err := os.Chmod(filepath.Join(dir, KeyFile), 0); err != nil {
		t.Fatal(err)
	}
	f, _ := serveFiles(t, dir)
	await(t, 5*time.Second, "not ready", func() bool {
		return strings.Contains(f.Ready().Error(), "let podvet's user read it")
	})
}

// asNobody runs the test in a process of another user's, who may not look into the folder of the test's binary.
func asNobody(t *testing.T) {
	t.Helper()
	dir, err := os.MkdirTemp("", "podvet") //nolint:usetesting // its parent would be closed to others
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := os.Chmod(dir, 0o755); err != nil { // others are to read it
		t.Fatal(err)
	}
	binary := filepath.Join(dir, "test")
	copyBinary(t, binary, os.Args[0])
	cmd := exec.Command(binary, "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Dir, cmd.Env = dir, []string{"HOME=" + dir}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("as nobody: %v\n%s", err, out)
	}
}

func copyBinary(t *testing.T, to, from string) {
	t.Helper()
	r, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	w, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o755) // it is to be run
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(w, r); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}
