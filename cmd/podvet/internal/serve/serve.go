// Package serve runs the admission server of podvet serve: where the policy, the certificate and the callers' CAs come
// from, in a cluster and without one. It knows what the flags mean together and must not know how a review is answered
// (package webhook).
package serve

import (
	"context"
	"io"
)

// Run serves until the context ends, and then what is left of open requests. Started is written to out, the log to
// errOut.
func Run(ctx context.Context, o Options, out, errOut io.Writer) error {
	if o.Local {
		return local(ctx, o, out, errOut)
	}
	return inCluster(ctx, o, out, errOut)
}
