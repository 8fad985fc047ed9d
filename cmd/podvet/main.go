// Command podvet vets pods: whether they will start, stay healthy, restart and stop as their author meant.
package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/podvet/podvet/cmd/podvet/internal/console"
	"github.com/podvet/podvet/cmd/podvet/internal/manifest"
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
	var err error
	if slices.ContainsFunc(args, func(arg string) bool { return arg == "--help" || arg == "-h" }) {
		_, err = commandOf(root, args[1:]) // with either cobra does not look at the rest
	}
	if err == nil {
		err = root.Execute()
	}
	if err == nil {
		return 0
	}
	switch list := err.(type) { //nolint:errorlint // only where they are all there is to say
	case policy.Errors, manifest.Problem:
		console.Say(os.Stderr, strings.Lines(err.Error())) // each line starts with its place
	case problemList:
		console.Say(os.Stderr, func(yield func(string) bool) {
			list(func(p error) bool { return yield(p.Error()) })
		})
	default:
		if errors.Is(err, errFound) {
			return exitFound
		}
		console.Say(os.Stderr, strings.Lines("podvet: "+err.Error()))
	}
	return exitFailed
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
		Args: usage.NoArgs,
	}
	// Not cobra's own: its template links text/template, which keeps every method there is: 27 MB more.
	asked := root.Flags().Bool("version", false, "print the version, as podvet version does")
	root.RunE = func(cmd *cobra.Command, _ []string) error {
		if *asked {
			return printVersion(cmd)
		}
		return cmd.Help()
	}
	if name == "kubectl-podvet" {
		root.Annotations = map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl podvet"}
	}
	root.SetFlagErrorFunc(usage.FlagError)
	root.AddCommand(newCheck(), newFix(), newTimeline(), newWhy(), untilSignal(newServe()), newExplain(), newRules(),
		newPolicy(), newDoctor(), newRecommend(), newCerts(), newVersion())
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		if cmd.Name() == "help" { // cobra's own prints the root's help for a command that is not there, and succeeds
			cmd.Short, cmd.Long = "Print the help of a command", ""
			cmd.Run, cmd.RunE = nil, func(_ *cobra.Command, args []string) error {
				meant, err := commandOf(root, args)
				if err != nil {
					return err
				}
				meant.InitDefaultHelpFlag()
				return meant.Help()
			}
		}
	}
	return root
}

// commandOf is the command that arguments name. It is an error if they name one that is not there.
func commandOf(root *cobra.Command, args []string) (*cobra.Command, error) {
	cmd, rest, err := root.Find(args)
	if err == nil && cmd.HasSubCommands() {
		rest = slices.DeleteFunc(slices.Clone(rest), func(arg string) bool { return strings.HasPrefix(arg, "-") })
		err = usage.NoArgs(cmd, rest)
	}
	return cmd, err
}
