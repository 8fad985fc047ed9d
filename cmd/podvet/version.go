package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// stamped is set when a release is built: -ldflags "-X main.stamped=v1.2.3".
var stamped string

// version is the release, or what the Go toolchain knows of the build.
func version() string {
	if stamped != "" {
		return stamped
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version, and the Kubernetes version whose behaviour podvet models",
		Args:  usage.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return printVersion(cmd) },
	}
}

func printVersion(cmd *cobra.Command) error {
	_, err := fmt.Fprintf(cmd.OutOrStdout(), "podvet %s, models Kubernetes 1.37, %s %s/%s\n",
		version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}
