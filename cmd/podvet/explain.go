package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/policy"
)

func newExplain() *cobra.Command {
	return &cobra.Command{
		Use:     "explain RULE",
		Short:   "Say what a rule finds, why it matters and what to write instead",
		Example: "  podvet explain no-startup-probe",
		Args:    oneRule,
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			var list []string
			for _, rule := range rules.Catalogue() {
				list = append(list, cobra.CompletionWithDesc(rule.ID, rule.Title))
			}
			return list, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			_, err := fmt.Fprint(cmd.OutOrStdout(), rules.Lookup(args[0]).Page())
			return err
		},
	}
}

func oneRule(_ *cobra.Command, args []string) error {
	switch {
	case len(args) != 1:
		return fmt.Errorf("explain takes one rule, not %d: podvet rules lists them", len(args))
	case rules.Lookup(args[0]) == nil:
		return fmt.Errorf("there is no rule %q%s: podvet rules lists them", args[0], policy.DidYouMean(args[0], rules.IDs()))
	}
	return nil
}
