package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/podvet/podvet/cmd/podvet/internal/manifest"
	"github.com/podvet/podvet/rules/policy"
)

func newPolicy() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "policy",
		Short: "Check, compare and test policies",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newPolicyCheck(), newPolicyDiff(), newPolicyTest(), &cobra.Command{
		Use:   "default",
		Short: "Print the built-in policy, a start for your own",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := cmd.OutOrStdout().Write(policy.DefaultText)
			return err
		},
	}, &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON schema of policies, for editors",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := cmd.OutOrStdout().Write(policy.Schema())
			return err
		},
	})
	return cmd
}

func newPolicyCheck() *cobra.Command {
	return &cobra.Command{
		Use:   "check FILE|-",
		Short: "Name every mistake in a policy, with its line and what to write instead",
		Long: `Name every mistake in a policy, a document or a ConfigMap that holds one, with its line and what to write instead.

Warnings are about what is allowed and worth a second look: exemptions that have expired or will within 14 days, and
levels that change nothing.

Exit status: 0 the policy is good, 2 it is not.`,
		Example: `  podvet policy check policy.yaml
  kubectl -n podvet get configmap podvet-policy -o yaml | podvet policy check -`,
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
			p, err := source.Load(time.Now())
			if err != nil {
				return err
			}
			for _, advice := range source.Advice(time.Now()) {
				say(slices.Values([]string{"warning: " + advice.Error()}))
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is a good policy (%s)\n", manifest.Name(args[0]), p.Hash)
			return err
		},
	}
}

// policyFrom reads a policy from a file or, for -, from standard input. others is what the command reads too.
func policyFrom(cmd *cobra.Command, file string, others ...string) (policy.Source, error) {
	if file != manifest.Stdin {
		return readPolicy(file)
	}
	if slices.Contains(others, manifest.Stdin) {
		return policy.Source{}, errors.New("standard input can be read only once, and is asked for the policy and for something else: name a file for one of them")
	}
	text, err := io.ReadAll(cmd.InOrStdin())
	if err != nil {
		return policy.Source{}, fmt.Errorf("the policy cannot be read: %w", err)
	}
	return policy.Read(manifest.Name(file), text)
}

// readPolicy reads a file that is a policy or a ConfigMap with one.
func readPolicy(file string) (policy.Source, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return policy.Source{}, fmt.Errorf("the policy cannot be read: %w", err)
	}
	return policy.Read(file, text)
}
