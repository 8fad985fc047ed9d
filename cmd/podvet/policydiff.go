package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/podvet/podvet/cmd/podvet/internal/console"
	"github.com/podvet/podvet/cmd/podvet/internal/input"
	"github.com/podvet/podvet/cmd/podvet/internal/manifest"
	"github.com/podvet/podvet/cmd/podvet/internal/preview"
	"github.com/podvet/podvet/rules/catalogue"
	"github.com/podvet/podvet/rules/policy"
)

func newPolicyDiff() *cobra.Command {
	return &cobra.Command{
		Use:   "diff OLD|- NEW|- [FILE|DIR|-]...",
		Short: "Say in words what changes from one policy to another, and for whom",
		Long: "Say in words what changes from one policy to another: the levels of rules for everyone and " +
			`in each scope, fixes,
parameters, exemptions. With manifests, or the objects of a cluster, say too whose pods would newly be denied, warned
of or fixed, and whose no longer. Where pods and the workload's own template fare differently, it says which is meant.

Exit status: 0, or 2 when not all of the work could be done.`,
		Example: `  podvet policy diff old.yaml new.yaml
  kubectl -n podvet-system get configmap podvet-policy -o yaml | podvet policy diff - new.yaml
  kubectl get ns,pods,deploy,rs,sts,ds,jobs,cronjobs -A -o json | podvet policy diff old.yaml new.yaml -`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) < 2 {
				return fmt.Errorf("policy diff takes two policies and then manifests, not %d argument(s)", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			both, err := twoPolicies(cmd, args)
			if err != nil {
				return err
			}
			changes := preview.Text(preview.Policies(both[0], both[1]))
			if _, err := io.WriteString(cmd.OutOrStdout(), changes); err != nil || len(args) == 2 {
				return err
			}
			return diffSubjects(cmd, args[2:], both)
		},
	}
}

// twoPolicies loads the policies that the first two arguments name, and tells the mistakes of both.
func twoPolicies(cmd *cobra.Command, args []string) (both [2]*policy.Policy, err error) {
	var mistakes policy.Errors
	for i := range both {
		source, err := policyFrom(cmd, args[i], slices.Delete(slices.Clone(args), i, i+1)...)
		if err == nil {
			both[i], err = source.Load(catalogue.All, time.Now())
		}
		if bad, ok := errors.AsType[policy.Errors](err); ok {
			mistakes = append(mistakes, bad...)
		} else if err != nil {
			return both, err
		}
	}
	if mistakes != nil {
		return both, mistakes
	}
	return both, nil
}

// diffSubjects judges everything by both policies and tells who is affected.
func diffSubjects(cmd *cobra.Command, args []string, both [2]*policy.Policy) error {
	in, namespaces, err := input.Read(args, cmd.InOrStdin(), input.Selection{Around: true}, func() {})
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // it was only read
	warnOf(cmd, namespaces)
	reports, err := preview.ByBoth(in, namespaces, both)
	if err != nil {
		return err
	}
	text := preview.Affected(reports[0], reports[1])
	problems := problemsOf(reports[1])
	if problems == nil && !reports[1].Holds() {
		return allProblems([]manifest.Problem{in.Nothing()})
	}
	if judged := reports[0].Summary.Subjects; text == "" && (judged > 0 || problems == nil) {
		text = fmt.Sprintf("\nNone of %d objects is affected.\n", judged)
	}
	if _, err := io.WriteString(cmd.OutOrStdout(), console.PrintableLines(text)); err != nil {
		return err
	}
	return problems
}
