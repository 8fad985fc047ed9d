// Command podvet vets pods: whether they will start, stay healthy, restart and stop as their author meant.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/podvet/podvet/rules/policy"
)

// Exit statuses: 1 is for what was found, 2 for what could not be done.
const (
	exitFound  = 1
	exitFailed = 2
)

func main() {
	os.Exit(run(os.Args))
}

func run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the process at once
	root := newRoot(filepath.Base(args[0]))
	root.SetArgs(args[1:])
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	switch err.(type) { //nolint:errorlint // only where they are all there is to say
	case policy.Errors, problemList:
		say(err.Error()) // each line starts with its place
	default:
		if errors.Is(err, errFound) {
			return exitFound
		}
		say("podvet: " + err.Error())
	}
	return exitFailed
}

// say writes errors to standard error, on a terminal wrapped to its width.
func say(text string) {
	width := terminal(os.Stderr).Width
	for line := range strings.Lines(text + "\n") {
		if width > 0 {
			line = wrap(line, width, "  ")
		}
		fmt.Fprint(os.Stderr, line)
	}
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
	root.AddCommand(newCheck(), newFix(), newServe(), newExplain(), newRules(), newPolicy(), newVersion())
	return root
}
