// Package env is what the tests in test/e2e and in the folders below it stand on: a control plane, a podvet built for
// them, namespaces, and kubectl as a user has it. There is one of each in the process of a package's tests. It knows
// none of the tests.
package env

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/podvet/podvet/test/cluster"
	"github.com/podvet/podvet/test/podvet"
)

// API is the control plane, and Binary is podvet, which panics where an annotation asks it to.
var (
	API    *cluster.Cluster
	Binary string
)

// tag is the build tag with which podvet panics there.
const tag = "panicrule"

// Main is for TestMain: it builds podvet, starts the control plane, runs the tests, ends everything and returns the
// exit status. setUp may start more, with files in dir, and returns what ends it; it may be nil.
func Main(m *testing.M, setUp func(ctx context.Context, dir string) (tearDown func(), err error)) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	dir, err := os.MkdirTemp("", "podvet-e2e-*")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if err := start(ctx, dir); err != nil {
		fmt.Fprintln(os.Stderr, "e2e: "+err.Error())
		return 1
	}
	defer API.Stop()
	tearDown := func() {}
	if setUp != nil {
		if tearDown, err = setUp(ctx, dir); err != nil {
			fmt.Fprintln(os.Stderr, "e2e: "+err.Error())
			return 1
		}
	}
	defer tearDown()
	finished := make(chan struct{})
	go func() { // Ctrl-C: let nothing stay
		select {
		case <-finished:
		case <-API.Ended(): // every test would fail, and say something else
			tearDown()
			fmt.Fprintln(os.Stderr, "e2e: "+API.Err().Error()+": run the tests again")
			os.Exit(1)
		case <-ctx.Done():
			tearDown()
			API.Stop()
			os.RemoveAll(dir)
			os.Exit(130)
		}
	}()
	code := m.Run()
	close(finished)
	if err := API.Err(); err != nil {
		fmt.Fprintln(os.Stderr, "e2e: "+err.Error())
		code = 1
	}
	return code
}

func start(ctx context.Context, dir string) (err error) {
	Binary = filepath.Join(dir, "podvet")
	if err := podvet.Build(ctx, Binary, tag); err != nil {
		return err
	}
	API, err = cluster.Start(ctx, cluster.Options{})
	return err
}
