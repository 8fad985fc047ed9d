package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/podvet/podvet/cmd/podvet/internal/console"
	"github.com/podvet/podvet/cmd/podvet/internal/doctor"
	"github.com/podvet/podvet/cmd/podvet/internal/input"
	"github.com/podvet/podvet/rules/catalogue"
	"github.com/podvet/podvet/rules/policy"
)

func newPolicy() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "policy",
		Short: "Check, compare and test policies",
		Args:  usage.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newPolicyCheck(), newPolicyDiff(), newPolicyTest(), &cobra.Command{
		Use:   "default",
		Short: "Print the built-in policy, a start for your own",
		Args:  usage.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := cmd.OutOrStdout().Write(policy.DefaultText)
			return err
		},
	}, &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON schema of policies, for editors",
		Args:  usage.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := cmd.OutOrStdout().Write(policy.Schema(catalogue.All))
			return err
		},
	})
	return cmd
}

func newPolicyCheck() *cobra.Command {
	return &cobra.Command{
		Use:   "check FILE|-",
		Short: "Name every mistake in a policy, with its line and what to write instead",
		Long: "Name every mistake in a policy, a document or a ConfigMap that holds one, with its line and what to " +
			`write instead.

Warnings are about what is allowed and worth a second look: exemptions that have expired or will within 14 days, that
can never apply, levels that change nothing, kinds that podvet does not know, templates without fix: true, which are not
applied, and ownedPods: warn without workloads: deny, which refuses nothing of a workload.

Exit status: 0 the policy is good, 2 it is not.`,
		Example: `  podvet policy check policy.yaml
  kubectl -n podvet-system get configmap podvet-policy -o yaml | podvet policy check -`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf("policy check takes one file, not %d", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			source, err := policyFrom(cmd, args[0])
			if err != nil {
				return err
			}
			doc, err := source.Document(catalogue.All)
			if err != nil {
				return err
			}
			for _, advice := range doc.Advice(time.Now(), nil) {
				warn(cmd, advice)
			}
			text := fmt.Sprintf("%s is a good policy (%s)\n", input.NameOf(args[0]), doc.Hash)
			newWork, _ := doctor.OwnedPods(doc.Compile(time.Now()))
			text += strings.Join(append(newWork, ""), "\n")
			_, err = io.WriteString(cmd.OutOrStdout(), console.PrintableLines(text))
			return err
		},
	}
}
