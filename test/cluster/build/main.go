// Command build builds the control plane for tests into the user's cache directory, unless it is there already.
// Run it before go test: a first build takes some 8 minutes, and go test hides its progress and gives up after 10.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/podvet/podvet/test/cluster"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	binaries, err := cluster.Build(ctx, os.Stderr)
	if err != nil {
		fmt.Fprintln(os.Stderr, "cluster: "+err.Error())
		os.Exit(1)
	}
	fmt.Println(filepath.Dir(binaries.Kubectl))
}
