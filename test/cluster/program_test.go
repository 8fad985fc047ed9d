package cluster

import (
	"testing"
	"time"
)

// TestRestart: the data outlives a restart of etcd and of the API server, and the cluster does not count as ended.
func TestRestart(t *testing.T) {
	t.Parallel()
	c := startCluster(t, Options{})
	c.mustKubectl(t, "create", "configmap", "kept")
	for _, program := range []string{c.Binaries.Etcd, c.Binaries.APIServer} {
		if err := c.Restart(t.Context(), program); err != nil {
			t.Fatal(err)
		}
		eventually(t, 30*time.Second, func() error {
			_, _, err := c.Kubectl(t.Context(), "get", "configmap", "kept")
			return err
		})
	}
	if err := c.Err(); err != nil {
		t.Error(err)
	}
	if err := c.Restart(t.Context(), "no-such"); err == nil {
		t.Error("a program that does not run was restarted")
	}
}
