package certs_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/podvet/podvet/test/e2e/env"
	"github.com/podvet/podvet/test/podvet"
)

// process starts `podvet serve` as it runs in a pod of the site, which must have its policy's rights. It returns once
// podvet is ready.
func (s *site) process(t *testing.T, kubeconfig string, args ...string) *podvet.Server {
	t.Helper()
	args = append([]string{"--policy-configmap", s.namespace + "/policy", "--address", "127.0.0.1",
		"--shutdown-delay", "3s"}, args...)
	p, err := podvet.Start(t.Context(), env.Binary, t.TempDir(), []string{"KUBECONFIG=" + kubeconfig}, args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Kill()
		if log, err := os.ReadFile(p.Log); t.Failed() && err == nil {
			t.Logf("log of process %d at %s: %s", p.Process.Pid, p.Address(), log)
		}
	})
	awaitReady(t, p)
	return p
}

// awaitReady waits until processes are ready.
func awaitReady(t *testing.T, processes ...*podvet.Server) {
	t.Helper()
	for _, p := range processes {
		var err error
		if !podvet.Await(t.Context(), time.Minute, func() bool { _, err = podvet.Fetch(p.Ready); return err == nil }) {
			t.Fatalf("not ready: %v", err)
		}
	}
}

// selfManaged is process with certificates of its own, for the name localhost too.
func (s *site) selfManaged(t *testing.T, kubeconfig string, args ...string) *podvet.Server {
	t.Helper()
	return s.process(t, kubeconfig, append([]string{"--tls", "self-managed",
		"--ca-secret", s.namespace + "/" + caSecret, "--webhook-configuration", s.configuration,
		"--dns-name", "podvet." + s.namespace + ".svc", "--dns-name", "localhost"}, args...)...)
}

// inUse is how many certificates replicas have served so far.
func inUse(t *testing.T, replicas ...*podvet.Server) int {
	t.Helper()
	sum := 0
	for _, p := range replicas {
		log, err := os.ReadFile(p.Log)
		if err != nil {
			t.Fatal(err)
		}
		sum += strings.Count(string(log), "certificate in use")
	}
	return sum
}

// handshake is what call needs of a replica.
func handshake(replicas ...*podvet.Server) []*replica {
	var all []*replica
	for _, p := range replicas {
		all = append(all, &replica{address: p.Address()})
	}
	return all
}
