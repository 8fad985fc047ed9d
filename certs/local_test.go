package certs

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func read(t *testing.T, dir, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestLocal(t *testing.T) {
	dir, now := filepath.Join(t.TempDir(), "new", "folder"), time.Now()
	if err := Local(dir, now); err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, CertFile), filepath.Join(dir, KeyFile))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(read(t, dir, CAFile)))
	for name, good := range map[string]bool{"localhost": true, "127.0.0.1": true, "example.com": false} {
		if _, err := pair.Leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: roots}); (err == nil) != good {
			t.Errorf("%s: %v", name, err)
		}
	}
	if info, err := os.Stat(filepath.Join(dir, KeyFile)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key's mode: %v %v", info.Mode(), err)
	}
	before := read(t, dir, CertFile)
	if err := Local(dir, now); err != nil || read(t, dir, CertFile) != before {
		t.Errorf("a good certificate is not kept: %v", err)
	}
	if err := Local(dir, now.Add(localValidity)); err != nil || read(t, dir, CertFile) == before {
		t.Errorf("an expired certificate is kept: %v", err)
	}
}

func TestLocalRepairsWhatIsBroken(t *testing.T) {
	other := t.TempDir()
	if err := Local(other, time.Now()); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{CAFile, CertFile, KeyFile} {
		texts := map[string]string{"garbage": "garbage", "another's": read(t, other, file), "missing": ""}
		for what, text := range texts {
			dir := t.TempDir()
			if err := Local(dir, time.Now()); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, file)
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if text == "" {
				_ = os.Remove(path)
			}
			if err := Local(dir, time.Now()); err != nil || !localIsGood(dir, time.Now()) {
				t.Errorf("%s %s is not repaired: %v", what, file, err)
			}
		}
	}
}

// TestLocalSaysWhereItCannotWrite: below a file there can be no folder, and no file takes the place of a folder.
func TestLocalSaysWhereItCannotWrite(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "taken", CertFile, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	for where, named := range map[string]string{
		filepath.Join(file, "certs"): file,
		filepath.Join(dir, "taken"):  filepath.Join(dir, "taken", CertFile),
	} {
		err := Local(where, time.Now())
		if err == nil || !strings.Contains(err.Error(), named) || strings.Contains(err.Error(), "\n") ||
			!strings.HasPrefix(err.Error(), "the certificate directory cannot be written: ") ||
			!strings.HasSuffix(err.Error(), ": choose another with --cert-dir") {
			t.Errorf("%v", err)
		}
	}
	left, err := filepath.Glob(filepath.Join(dir, "taken", ".new-*"))
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}
