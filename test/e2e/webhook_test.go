package e2e

import (
	"crypto/tls"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admission/v1"

	"github.com/podvet/podvet/certs"
)

// webhook is one of a test's own.
type webhook struct {
	url string
	ca  []byte // in PEM
}

// serveWebhook answers each review under a path as it is told.
func serveWebhook(t *testing.T, answer func(path string, body []byte) *admissionv1.AdmissionResponse) webhook {
	t.Helper()
	ca, certificate := localCertificate(t, t.TempDir())
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{certificate}})
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var review admissionv1.AdmissionReview
		if json.Unmarshal(body, &review) != nil || review.Request == nil {
			http.Error(w, "no review", http.StatusBadRequest)
			return
		}
		review.Response = answer(r.URL.Path, body)
		review.Response.UID, review.Request = review.Request.UID, nil
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(review)
	})}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return webhook{"https://" + listener.Addr().String(), ca}
}

// localCertificate is a certificate for loopback, and the CA that it is of.
func localCertificate(t *testing.T, dir string) (ca []byte, certificate tls.Certificate) {
	t.Helper()
	if err := certs.Local(dir, time.Now()); err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(filepath.Join(dir, certs.CAFile))
	if err != nil {
		t.Fatal(err)
	}
	certificate, err = tls.LoadX509KeyPair(filepath.Join(dir, certs.CertFile), filepath.Join(dir, certs.KeyFile))
	if err != nil {
		t.Fatal(err)
	}
	return ca, certificate
}
