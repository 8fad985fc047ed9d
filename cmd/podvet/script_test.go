package main

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// send PORT PATH FILE WANT posts a review to podvet over TLS, trusting certs/ca.crt, until the answer holds
// the text WANT, for at most 10 s: a server has to start, and a policy to be read again.
func send(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 4 {
		ts.Fatalf("usage: send PORT PATH FILE WANT")
	}
	body := ts.ReadFile(args[2])
	var answer string
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		roots := x509.NewCertPool()
		if !fileExists(ts, "certs/ca.crt") {
			continue
		}
		roots.AppendCertsFromPEM([]byte(ts.ReadFile("certs/ca.crt")))
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
		client := &http.Client{Transport: transport, Timeout: time.Second}
		url := "https://localhost:" + args[0] + args[1]
		resp, err := client.Post(url, "application/json", strings.NewReader(body))
		if err != nil {
			answer = err.Error()
			continue
		}
		text, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if answer = string(text); strings.Contains(answer, args[3]) {
			return
		}
	}
	ts.Fatalf("no answer with %q within 10 s, last: %s", args[3], answer)
}

// waitlog FILE WANT waits until a file holds a text, for at most 10 s.
func waitLog(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: waitlog FILE WANT")
	}
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if fileExists(ts, args[0]) && strings.Contains(ts.ReadFile(args[0]), args[1]) {
			return
		}
	}
	ts.Fatalf("%s does not hold %q within 10 s: %s", args[0], args[1], ts.ReadFile(args[0]))
}

func fileExists(ts *testscript.TestScript, name string) bool {
	_, err := os.Stat(ts.MkAbs(name))
	return err == nil
}
