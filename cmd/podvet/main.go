// Command podvet vets pods: whether they will start, stay healthy, restart and stop as their author meant.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/podvet/podvet/rules/policy"
)

// exitFailed is the exit status when podvet could not do what it was asked.
const exitFailed = 2

func main() {
	os.Exit(run(os.Args))
}

func run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := newRoot(filepath.Base(args[0]))
	root.SetArgs(args[1:])
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	if mistakes, ok := err.(policy.Errors); ok { //nolint:errorlint // only where they are all there is to say
		fmt.Fprintln(os.Stderr, mistakes) // each line starts with its place
	} else {
		fmt.Fprintln(os.Stderr, "podvet: "+err.Error())
	}
	return exitFailed
}

func newRoot(name string) *cobra.Command {
	root := &cobra.Command{
		Use:           "podvet",
		Short:         "Vet pods: will they start, stay healthy, restart and stop as their author meant?",
		SilenceUsage:  true,
		SilenceErrors: true,
		// Without this an unknown command would print the help and succeed.
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	if name == "kubectl-podvet" {
		root.Annotations = map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl podvet"}
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w: %s --help lists the flags", err, cmd.CommandPath())
	})
	root.AddCommand(newServe(), newExplain(), newRules(), newPolicy(), newVersion())
	return root
}
