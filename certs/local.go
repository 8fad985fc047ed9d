package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// The files of a certificate directory.
const (
	CAFile   = "ca.crt"
	CertFile = "tls.crt"
	KeyFile  = "tls.key"
)

const (
	localValidity  = 365 * 24 * time.Hour
	localRemaining = 24 * time.Hour // with less left, a new one is made
)

// Local makes sure that dir holds a CA certificate and a certificate and key for localhost and 127.0.0.1 that
// it signed, for serving without a cluster. What is there is kept while it is good. The CA's key is thrown
// away, so nothing else can ever be signed with it. The error is one line that names the directory.
func Local(dir string, now time.Time) error {
	if localIsGood(dir, now) {
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("the certificate directory cannot be written: %w: choose another with --cert-dir", err)
	}
	ca, leaf, key, err := issue(now)
	if err != nil {
		return fmt.Errorf("making a certificate: %w", err)
	}
	for _, file := range []struct {
		name string
		data []byte
		mode os.FileMode
	}{{KeyFile, key, 0o600}, {CertFile, leaf, 0o644}, {CAFile, ca, 0o644}} {
		if err := replaceFile(filepath.Join(dir, file.name), file.data, file.mode); err != nil {
			return fmt.Errorf("the certificate directory cannot be written: %w: choose another with --cert-dir", err)
		}
	}
	return nil
}

func localIsGood(dir string, now time.Time) bool {
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, CertFile), filepath.Join(dir, KeyFile))
	if err != nil {
		return false
	}
	ca, err := os.ReadFile(filepath.Join(dir, CAFile))
	if err != nil {
		return false
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	for _, name := range []string{"localhost", "127.0.0.1"} {
		want := x509.VerifyOptions{DNSName: name, Roots: roots, CurrentTime: now.Add(localRemaining)}
		if _, err := pair.Leaf.Verify(want); err != nil {
			return false
		}
	}
	return true
}

// issue makes a CA and a leaf below it, as PEM.
func issue(now time.Time) (ca, leaf, key []byte, err error) {
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, nil, err
	}
	leafKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, nil, err
	}
	authority := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "podvet local CA"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(localValidity),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	server := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "podvet"},
		NotBefore: authority.NotBefore, NotAfter: authority.NotAfter,
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	caDER, err := x509.CreateCertificate(rand.Reader, authority, authority, caKey.Public(), caKey)
	if err != nil {
		return nil, nil, nil, err
	}
	leafDER, err := x509.CreateCertificate(rand.Reader, server, authority, leafKey.Public(), caKey)
	if err != nil {
		return nil, nil, nil, err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(leafKey)
	if err != nil {
		return nil, nil, nil, err
	}
	block := func(kind string, der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}) }
	return block("CERTIFICATE", caDER), block("CERTIFICATE", leafDER), block("PRIVATE KEY", keyDER), nil
}

func serial() *big.Int {
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		panic(err) // crypto/rand does not fail since Go 1.24
	}
	return n
}

// replaceFile writes a file so that a reader sees the old or the new one, never half of it.
func replaceFile(path string, data []byte, mode os.FileMode) error {
	temp, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temp.Name()) }() // gone already when all went well
	if _, err := temp.Write(data); err != nil {
		return err
	}
	if err := temp.Chmod(mode); err != nil {
		return err
	}
	if err := temp.Close(); err != nil {
		return err
	}
	return os.Rename(temp.Name(), path)
}
