package certs

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// serveFiles runs a source over a directory, where publishers are given, against the first.
func serveFiles(t *testing.T, dir string, against ...*Publisher) (*Files, *prometheus.Registry) {
	t.Helper()
	metrics := prometheus.NewRegistry()
	f, err := NewFiles(dir, slog.New(slog.DiscardHandler), metrics)
	if err != nil {
		t.Fatal(err)
	}
	if len(against) > 0 {
		f.Against(against[0])
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- f.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return f, metrics
}

func await(t *testing.T, limit time.Duration, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !condition(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", limit, what)
		}
	}
}

// served is the certificate that the files in dir are.
func isServed(t *testing.T, f *Files, dir string) bool {
	t.Helper()
	want, err := tls.LoadX509KeyPair(filepath.Join(dir, CertFile), filepath.Join(dir, KeyFile))
	if err != nil {
		t.Fatal(err)
	}
	got, err := f.GetCertificate(nil)
	return err == nil && got.Leaf.Equal(want.Leaf)
}

func local(t *testing.T, dir string) string {
	t.Helper()
	if err := Local(dir, time.Now()); err != nil {
		t.Fatal(err)
	}
	return dir
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestFilesFaults: a directory without a good certificate is not ready for one clear reason, and heals.
func TestFilesFaults(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		fault, heal func(t *testing.T, dir string)
		says        string
	}{
		"missing": {
			func(*testing.T, string) {}, func(t *testing.T, dir string) { local(t, dir) },
			"no such file or directory: mount the Secret with tls.crt and tls.key there, " +
				"or choose another with --cert-dir",
		},
		"unreadable": { // a link that leads to itself: no permission stops root, who may run this
			func(t *testing.T, dir string) {
				if err := os.Symlink(dir, dir); err != nil {
					t.Fatal(err)
				}
			},
			func(t *testing.T, dir string) { _ = os.Remove(dir); local(t, dir) },
			"too many levels of symbolic links: put a certificate and its key there, or choose another with --cert-dir",
		},
		"another key": {
			func(t *testing.T, dir string) {
				local(t, dir)
				copyFile(t, filepath.Join(local(t, t.TempDir()), KeyFile), filepath.Join(dir, KeyFile))
			},
			func(t *testing.T, dir string) { local(t, dir) },
			"private key does not match public key: tls.key must be the key of tls.crt",
		},
		"garbage": {
			func(t *testing.T, dir string) {
				local(t, dir)
				if err := os.WriteFile(filepath.Join(dir, CertFile), []byte("garbage"), 0o600); err != nil {
					t.Fatal(err)
				}
			},
			func(t *testing.T, dir string) { local(t, dir) },
			"failed to find any PEM data in certificate input: put a certificate and its key there",
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "certs")
			c.fault(t, dir)
			f, _ := serveFiles(t, dir)
			await(t, 5*time.Second, c.says, func() bool {
				err := f.Ready()
				return err != nil && strings.Contains(err.Error(), c.says) && strings.Contains(err.Error(), dir) &&
					!strings.Contains(err.Error(), "\n")
			})
			if _, err := f.GetCertificate(nil); err == nil {
				t.Error("there is a certificate")
			}
			c.heal(t, dir)
			await(t, 5*time.Second, "healed", func() bool { return f.Ready() == nil && isServed(t, f, dir) })
		})
	}
}

// TestFilesExpired: an expired certificate is served, since the API server says best what it is, but is not ready.
func TestFilesExpired(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := Local(dir, time.Now().Add(-2*localValidity)); err != nil {
		t.Fatal(err)
	}
	f, _ := serveFiles(t, dir)
	await(t, 5*time.Second, "expired", func() bool {
		return strings.Contains(f.Ready().Error(), "the serving certificate expired at ")
	})
}

// TestFilesSwap: the kubelet puts the files of a new Secret into a folder and moves the link ..data to it. What
// goes bad leaves the last good certificate in use.
func TestFilesSwap(t *testing.T) {
	t.Parallel()
	mount := t.TempDir()
	for _, file := range []string{CertFile, KeyFile, CAFile} {
		if err := os.Symlink(filepath.Join("..data", file), filepath.Join(mount, file)); err != nil {
			t.Fatal(err)
		}
	}
	former := ""
	swap := func(name string) string {
		dir := local(t, filepath.Join(mount, name))
		temporary := filepath.Join(mount, "..data_tmp")
		if err := os.Symlink(name, temporary); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(temporary, filepath.Join(mount, "..data")); err != nil {
			t.Fatal(err)
		}
		if former != "" {
			if err := os.RemoveAll(former); err != nil {
				t.Fatal(err)
			}
		}
		former = dir
		return dir
	}
	first := swap("..1")
	f, metrics := serveFiles(t, mount)
	await(t, 5*time.Second, "the first", func() bool { return f.Ready() == nil && isServed(t, f, first) })
	for _, name := range []string{"..2", "..3", "..4"} {
		dir := swap(name)
		// At once by inotify, else by the library's look every 10 s.
		start := time.Now()
		await(t, 12*time.Second, name, func() bool { return isServed(t, f, dir) })
		t.Logf("%s is served after %v", name, time.Since(start).Round(time.Millisecond))
	}
	families := map[string]float64{}
	await(t, time.Second, "metrics", func() bool {
		gathered, err := metrics.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, family := range gathered {
			families[family.GetName()] = family.Metric[0].GetGauge().GetValue()
		}
		return len(families) == 3
	})
	for _, name := range []string{"podvet_certificate_expiry_timestamp_seconds", "podvet_ca_expiry_timestamp_seconds"} {
		if left := families[name] - float64(time.Now().Unix()); left < 364*24*3600 || left > 366*24*3600 {
			t.Errorf("%s: %v", name, families[name])
		}
	}
	ago := float64(time.Now().Unix()) - families["podvet_certificate_rotation_timestamp_seconds"]
	if ago < 0 || ago > 60 {
		t.Errorf("rotated %v s ago", ago)
	}
	if err := os.WriteFile(filepath.Join(former, KeyFile), []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	time.Sleep(200 * time.Millisecond)
	if err := f.Ready(); err != nil {
		t.Errorf("after a bad change: %v", err)
	}
}

// TestFilesAgainst: with the webhook configurations known, the certificate must be one that each of them verifies, by
// way of the intermediates in tls.crt. Nothing is ever written there.
func TestFilesAgainst(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	root := newCA(t, time.Hour, nil)
	between := newCA(t, time.Hour, root)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := between.sign(&x509.Certificate{PublicKey: key.Public(), DNSNames: []string{testServer}}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
	for name, data := range map[string][]byte{CertFile: encode(leaf, between.certificate), KeyFile: keyPEM} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := newFakeCluster(t)
	c.install(t, nil)
	publisher, _ := c.publisher(t)
	f, _ := serveFiles(t, dir, publisher)
	for _, bundle := range []struct {
		ca   *testCA
		says string // "" for ready
	}{
		{newCA(t, time.Hour, nil), "the CA bundle of webhook mutate.podvet.dev (1 certificates) does not verify"},
		{root, ""},
		{between, ""},
		{newCA(t, time.Hour, root), "does not verify"},
	} {
		c.setBundles(t, encode(bundle.ca.certificate))
		await(t, 5*time.Second, bundle.says, func() bool {
			err := f.Ready()
			return err == nil && bundle.says == "" ||
				err != nil && bundle.says != "" && strings.Contains(err.Error(), bundle.says)
		})
	}
	if n := c.applies(); n != 0 {
		t.Errorf("%d writes", n)
	}
}

// TestFilesUnwatched: as long as the webhook configurations are not known, Ready says so.
func TestFilesUnwatched(t *testing.T) {
	t.Parallel()
	c := newFakeCluster(t)
	c.deny("list", "*")
	publisher, _ := c.publisher(t)
	f, _ := serveFiles(t, local(t, t.TempDir()), publisher)
	await(t, 5*time.Second, "a reason", func() bool {
		return strings.Contains(f.Ready().Error(), "podvet-hooks cannot be watched: ")
	})
}

// TestFilesLog: a directory without a good certificate is looked at again and again, and said once.
func TestFilesLog(t *testing.T) {
	log := &testLog{}
	f, err := NewFiles("some/dir", log.logger(), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	says(t, "at first", f.Ready(), "the certificate directory some/dir has not been read yet")
	for _, err := range []error{fs.ErrNotExist, fs.ErrNotExist, fs.ErrPermission, fs.ErrNotExist} {
		f.found(nil, err)
		says(t, "then", f.Ready(), "the certificate directory some/dir cannot be used: "+err.Error())
	}
	if n := log.count(`level=ERROR msg="no certificate" error="the certificate directory some/dir `); n != 3 {
		t.Errorf("logged %d times", n)
	}
}

// TestFilesMetrics: there is one source to a registry.
func TestFilesMetrics(t *testing.T) {
	metrics := prometheus.NewRegistry()
	for i := range 2 {
		if _, err := NewFiles("dir", slog.New(slog.DiscardHandler), metrics); (err == nil) != (i == 0) {
			t.Errorf("%d: %v", i, err)
		}
	}
	if all := gather(t, metrics); len(all) != 0 {
		t.Errorf("of nothing: %v", all)
	}
}
