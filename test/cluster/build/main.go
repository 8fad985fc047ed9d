// Command build builds the control plane for tests into the user's cache directory, unless it is there already, and
// with the argument node also what a node runs.
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
	if err := run(ctx, len(os.Args) > 1 && os.Args[1] == "node"); err != nil {
		fmt.Fprintln(os.Stderr, "cluster: "+err.Error())
		os.Exit(1)
	}
}

func run(ctx context.Context, node bool) error {
	binaries, err := cluster.Build(ctx, os.Stderr)
	if err != nil {
		return err
	}
	fmt.Println(filepath.Dir(binaries.Kubectl))
	if !node {
		return nil
	}
	dir, err := cluster.BuildNode(ctx, os.Stderr)
	if err == nil {
		fmt.Println(dir)
	}
	return err
}
