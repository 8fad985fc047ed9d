// Command podvet vets pods: whether they will start, stay healthy, restart and stop as their author meant.
package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/podvet/podvet/cmd/podvet/internal/report"
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
	root := newRoot(filepath.Base(args[0]))
	root.SetArgs(args[1:])
	err := root.Execute()
	if err == nil {
		return 0
	}
	switch list := err.(type) { //nolint:errorlint // only where they are all there is to say
	case policy.Errors:
		say(strings.Lines(err.Error())) // each line starts with its place
	case problemList:
		say(func(yield func(string) bool) { list(func(p error) bool { return yield(p.Error()) }) })
	default:
		if errors.Is(err, errFound) {
			return exitFound
		}
		say(strings.Lines("podvet: " + err.Error()))
	}
	return exitFailed
}

// say writes lines to standard error, on a terminal wrapped to its width.
func say(lines iter.Seq[string]) {
	width := terminal(os.Stderr).Width
	for line := range lines {
		line = report.Printable(strings.TrimSuffix(line, "\n")) + "\n"
		if width > 0 {
			line = wrap(line, width, "  ")
		}
		fmt.Fprint(os.Stderr, line)
	}
}

// untilSignal lets a command that serves end in order at the first signal, and at once at the second. Signals end all
// others at once.
func untilSignal(cmd *cobra.Command) *cobra.Command {
	serve := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		context.AfterFunc(ctx, stop)
		cmd.SetContext(ctx)
		return serve(cmd, args)
	}
	return cmd
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
	root.AddCommand(newCheck(), newFix(), untilSignal(newServe()), newExplain(), newRules(), newPolicy(), newDoctor(), newVersion())
	return root
}
