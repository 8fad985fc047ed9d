package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/podvet/podvet/cmd/podvet/internal/console"
	"github.com/podvet/podvet/rules/catalogue"
	"github.com/podvet/podvet/rules/policy/strict"
)

func newExplain() *cobra.Command {
	policyFile, object := "", ""
	cmd := &cobra.Command{
		Use:   "explain RULE | --for FILE [RULE]",
		Short: "Say what a rule finds, why it matters and what to write instead, or what the policy says of an object",
		Long: `Say what a rule finds, why it matters and what to write instead.

With --for, say for each object in a file which scopes, exemptions, mode and level decide each rule, or the one named,
and which line of the policy says so. Namespace objects in the file give their namespaces labels.`,
		Example: `  podvet explain no-startup-probe
  podvet explain --policy policy.yaml --for deployment.yaml`,
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case object == "" && policyFile != "":
				return errors.New("--policy goes with --for: name a file with an object")
			case object != "" && len(args) == 0:
				return nil
			}
			return oneRule(args)
		},
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			var list []string
			for _, rule := range catalogue.All.Rules() {
				list = append(list, cobra.CompletionWithDesc(rule.ID, rule.Title))
			}
			return list, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if object != "" {
				return explainFor(cmd, policyFile, object, args...)
			}
			out := cmd.OutOrStdout()
			width := cmp.Or(console.Width(out), 80)
			markdown := catalogue.Page(catalogue.All.Lookup(args[0]))
			page := console.Page(markdown, width, console.Color(out, os.Getenv))
			_, err := io.WriteString(out, page)
			return err
		},
	}
	cmd.Flags().StringVar(&policyFile, "policy", "",
		"with --for: policy `FILE`, - for standard input (default: the built-in policy)")
	cmd.Flags().StringVar(&object, "for", "", "`FILE` with an object, - for standard input")
	_ = cmd.MarkFlagFilename("policy", "yaml", "yml")
	_ = cmd.MarkFlagFilename("for", "yaml", "yml", "json")
	return cmd
}

func oneRule(args []string) error {
	switch {
	case len(args) != 1:
		return fmt.Errorf("explain takes one rule, not %d: podvet rules lists them", len(args))
	case catalogue.All.Lookup(args[0]) == nil:
		return fmt.Errorf("there is no rule %q%s: podvet rules lists them", args[0],
			strict.DidYouMean(args[0], catalogue.All.IDs()))
	}
	return nil
}
