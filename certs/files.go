package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/certwatcher"
)

// filesRetry is how often a directory without a good certificate is looked at.
const filesRetry = time.Second

// Files serves tls.crt and tls.key of a directory and follows every change of them, the kubelet's swap of a
// symbolic link included. A bad change leaves the last good certificate in use.
type Files struct {
	dir string
	log *slog.Logger

	publisher *Publisher // of the bundles that callers verify by, to read them; nil when they are not known

	mu      sync.Mutex
	watcher *certwatcher.CertWatcher // nil until the directory was good once
	reading lastError                // why there is no watcher
	inForce inForce
}

// NewFiles serves from dir, whose content may still be missing. The error is that its metrics are registered
// already.
func NewFiles(dir string, log *slog.Logger, metrics prometheus.Registerer) (*Files, error) {
	f := &Files{dir: dir, log: log}
	f.reading.err = fmt.Errorf("the certificate directory %s has not been read yet", dir)
	return f, metrics.Register(collector(func() inForce {
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.inForce
	}))
}

// Against makes Ready verify the certificate by what webhook configurations carry. Others publish there: nothing is
// written.
func (f *Files) Against(p *Publisher) { f.publisher = p }

// Run follows the directory until ctx ends, and returns nil. Trouble with its files does not end it: Ready tells of
// that, and they are read again.
func (f *Files) Run(ctx context.Context) error {
	if f.publisher != nil {
		following := sync.WaitGroup{}
		defer following.Wait()
		following.Go(func() { f.publisher.Run(ctx) }) // it has no CA in force, so it only watches
	}
	for {
		watcher, err := certwatcher.New(filepath.Join(f.dir, CertFile), filepath.Join(f.dir, KeyFile))
		f.found(watcher, err)
		if err == nil {
			watcher.RegisterCallback(f.rotated)
			// It ends before ctx only when the files vanish at once, before it could watch them.
			err = watcher.Start(ctx)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(filesRetry):
			if err != nil {
				f.log.Debug("the certificate directory is read again", "dir", f.dir, "error", err)
			}
		}
	}
}

// found notes what a first reading of the directory gave, and says each trouble once.
func (f *Files) found(watcher *certwatcher.CertWatcher, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err == nil {
		f.watcher = watcher
	} else {
		err = filesError(f.dir, err)
	}
	if f.reading.becomes(err) {
		f.log.Error("no certificate", "error", err)
	}
}

// filesError names the directory, what is wrong in it and the remedy in one line.
func filesError(dir string, err error) error {
	remedy := "put a certificate and its key there, or choose another with --cert-dir"
	switch {
	case errors.Is(err, fs.ErrNotExist):
		remedy = "mount the Secret with " + CertFile + " and " + KeyFile + " there, or choose another with --cert-dir"
	case errors.Is(err, fs.ErrPermission):
		remedy = "let podvet's user read it (fsGroup, defaultMode), or choose another with --cert-dir"
	case strings.Contains(err.Error(), "private key"): // crypto/tls has no type for it
		remedy = KeyFile + " must be the key of " + CertFile
	}
	return fmt.Errorf("the certificate directory %s cannot be used: %w: %s", dir, err, remedy)
}

// rotated is called with each new certificate.
func (f *Files) rotated(certificate tls.Certificate) {
	now := inForce{leaf: certificate.Leaf, rotated: time.Now()}
	// cert-manager and the kubelet put the CA beside the certificate. Without it there is no metric about it.
	if ca, err := os.ReadFile(filepath.Join(f.dir, CAFile)); err == nil {
		now.cas = certificates(ca)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.inForce = now
	f.log.Info("certificate in use", "dir", f.dir, "expires", certificate.Leaf.NotAfter)
}

// GetCertificate is the last good certificate, an expired one too: the API server says of that what it is. It is for
// tls.Config.
func (f *Files) GetCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	f.mu.Lock()
	watcher, err := f.watcher, f.reading.err
	f.mu.Unlock() // the watcher has a lock of its own, and holds it when it first calls rotated
	if watcher == nil {
		return nil, err
	}
	return watcher.GetCertificate(hello)
}

// Ready says in one line why no certificate is served that callers can verify, and what to do, else it is nil.
func (f *Files) Ready() error {
	certificate, err := f.GetCertificate(nil)
	if err != nil {
		return err
	}
	if err := valid(certificate.Leaf, time.Now()); err != nil {
		return fmt.Errorf("%w: renew it in %s", err, f.dir)
	}
	if f.publisher == nil {
		return nil
	}
	published, err := f.publisher.Published()
	if err != nil {
		return err
	}
	_, err = published.Verify(certificate.Leaf, time.Now(), intermediates(certificate)...)
	return err
}

// intermediates are what is sent after the leaf.
func intermediates(certificate *tls.Certificate) []*x509.Certificate {
	var between []*x509.Certificate
	for _, der := range certificate.Certificate[1:] {
		if c, err := x509.ParseCertificate(der); err == nil { // else the API server does not use it either
			between = append(between, c)
		}
	}
	return between
}
