package cluster

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"

	"k8s.io/client-go/rest"
)

// Restart ends one of the programs of Binaries, starts it again with the same flags and data, and returns when the API
// server is ready. Clients see what they see of such an outage. One restart at a time.
func (c *Cluster) Restart(ctx context.Context, program string) error {
	c.mu.Lock()
	at := slices.IndexFunc(c.processes, func(p *process) bool { return p.name == filepath.Base(program) })
	if at < 0 || c.stopping || c.err != nil {
		c.mu.Unlock()
		return fmt.Errorf("%s does not run: it cannot be restarted", program)
	}
	old := c.processes[at]
	old.unwanted = true
	c.mu.Unlock()
	old.stop()
	if err := c.run(program, old.args...); err != nil {
		return err
	}
	c.mu.Lock()
	last := len(c.processes) - 1
	c.processes[at] = c.processes[last] // the order in which they are ended stays
	c.processes = c.processes[:last]
	c.mu.Unlock()
	client, err := rest.HTTPClientFor(c.Config)
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	return c.waitFor(ctx, client, "/readyz", old.name+" did not come back")
}
