package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestDemo(t *testing.T) {
	t.Chdir("..")
	var out bytes.Buffer
	err := run(t.Context(), &out)
	t.Log(out.String())
	if err != nil {
		t.Fatal(err)
	}
	for _, words := range []string{
		"Liveness probe failed",
		"Killing: Container app failed liveness probe, will be restarted",
		"with-podvet     slow-boot: podvet repaired the pod: no-startup-probe/app",
		"with-podvet     slow-boot: the pod is Ready, its container was restarted 0 times",
		`admission webhook "validate.podvet.dev" denied the request`,
		"without-podvet  prestop: the container ended with exit code 137",
		"with-podvet     prestop: the container ended with exit code 0",
	} {
		if !strings.Contains(out.String(), words) {
			t.Errorf("it does not say %s", words)
		}
	}
}
