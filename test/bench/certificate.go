package main

import (
	"os"
	"path/filepath"
	"time"

	"github.com/podvet/podvet/certs"
	"github.com/podvet/podvet/test/authority"
)

// writeCertificate makes a CA and a certificate for names, as files of a folder.
func writeCertificate(folder string, names ...string) error {
	ca, err := authority.New(nil, -time.Minute, 48*time.Hour, "bench")
	if err != nil {
		return err
	}
	served, err := authority.New(ca, -time.Minute, 48*time.Hour, names...)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	for name, text := range map[string][]byte{
		certs.CAFile: ca.PEM(), certs.CertFile: served.PEM(), certs.KeyFile: served.KeyPEM()} {
		if err := os.WriteFile(filepath.Join(folder, name), text, 0o600); err != nil {
			return err
		}
	}
	return nil
}
