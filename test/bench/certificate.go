package main

import (
	"os"
	"path/filepath"
	"time"

	"github.com/podvet/podvet/certs"
	"github.com/podvet/podvet/test/authority"
)

// certify puts a certificate for Services into the folder certs of another, and returns the CA.
func certify(folder string, services ...string) (ca []byte, err error) {
	issuer, err := authority.New(nil, -time.Minute, 48*time.Hour, "bench")
	if err != nil {
		return nil, err
	}
	names := []string{"localhost", "127.0.0.1"}
	for _, service := range services {
		names = append(names, service+".default.svc")
	}
	served, err := authority.New(issuer, -time.Minute, 48*time.Hour, names...)
	if err != nil {
		return nil, err
	}
	folder = filepath.Join(folder, "certs")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	for name, text := range map[string][]byte{
		certs.CAFile: issuer.PEM(), certs.CertFile: served.PEM(), certs.KeyFile: served.KeyPEM()} {
		if err := os.WriteFile(filepath.Join(folder, name), text, 0o600); err != nil {
			return nil, err
		}
	}
	return issuer.PEM(), nil
}
