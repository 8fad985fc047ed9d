package cluster

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"syscall"

	"k8s.io/client-go/rest"
)

// apiServer is the one that was started last, nil for none.
func (c *Cluster) apiServer() *process {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range slices.Backward(c.processes) {
		if p.name == filepath.Base(c.Binaries.APIServer) {
			return p
		}
	}
	return nil
}

// SignalAPIServer sends the API server a signal that does not end it: SIGSTOP and SIGCONT.
func (c *Cluster) SignalAPIServer(signal syscall.Signal) error {
	return c.apiServer().cmd.Process.Signal(signal)
}

// StopAPIServer ends the API server, and nothing else of the cluster.
func (c *Cluster) StopAPIServer() {
	p := c.apiServer()
	c.mu.Lock()
	c.away = p
	c.mu.Unlock()
	p.stop()
}

// StartAPIServer starts the API server that was stopped, with the same flags and data, and returns once it is ready.
func (c *Cluster) StartAPIServer(ctx context.Context) error {
	p := c.apiServer()
	select {
	case <-p.done:
	default:
		return errors.New("the API server runs: stop it first")
	}
	client, err := rest.HTTPClientFor(c.Config)
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	if err := c.run(p.cmd.Path, p.cmd.Args[1:]...); err != nil {
		return err
	}
	return c.waitFor(ctx, client, "/readyz", "kube-apiserver was not ready")
}
