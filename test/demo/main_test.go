package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/podvet/podvet/test/podvet"
)

// TestDemo is make demo, a try of one's own, and make demo-stop.
func TestDemo(t *testing.T) {
	t.Chdir("../..")
	dir := t.TempDir()
	binary, served, home := filepath.Join(dir, "demo"), filepath.Join(dir, "podvet"), filepath.Join(dir, "home")
	if err := errors.Join(podvet.Build(t.Context(), served), podvet.Watch(t.Context())); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("go", "build", "-o", binary, "./test/demo").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	demo := func(args ...string) (string, error) {
		var out bytes.Buffer
		flags := []string{"-home", home, "-podvet", served, "-until", strconv.Itoa(os.Getpid())}
		cmd := exec.Command(binary, append(flags, args...)...)
		cmd.Stdout, cmd.Stderr = &out, &out
		err := cmd.Run()
		return out.String(), err
	}
	t.Cleanup(func() { _, _ = demo("stop") })
	out, err := demo()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, want := range []string{
		"[no-readiness-probe]\npod/nginx created",
		`admission webhook "validate.podvet.dev" denied the request`,
		"deployment.apps/web created",
		"ReplicaSet   no-startup-probe/app,prestop-exceeds-grace/app",
		"make demo-stop",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("the demonstration does not show %q:\n%s", want, out)
		}
	}
	if out, err := demo(); err == nil || !strings.Contains(out, "running already") {
		t.Errorf("a second one: %v %s", err, out)
	}
	ready, err := os.ReadFile(shown{home: home}.readyFile())
	if err != nil {
		t.Fatal(err)
	}
	kubectl, kubeconfig, _ := strings.Cut(strings.TrimSpace(string(ready)), "\n")
	own, err := exec.Command(kubectl, "--kubeconfig", kubeconfig, "run", "mine", "--image=i").CombinedOutput()
	if err != nil || !strings.Contains(string(own), "[no-readiness-probe]") {
		t.Errorf("one's own pod: %v %s", err, own)
	}
	if out, err := demo("stop"); err != nil || out != "the demonstration has ended\n" {
		t.Errorf("stop: %v %q", err, out)
	}
	if out, err := exec.Command(kubectl, "--kubeconfig", kubeconfig, "version").CombinedOutput(); err == nil {
		t.Errorf("the API server still answers: %s", out)
	}
	if out, err := demo("stop"); err != nil || out != "the demonstration is not running\n" {
		t.Errorf("a second stop: %v %q", err, out)
	}
}
