package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/podvet/podvet/cmd/podvet/internal/input"
	"github.com/podvet/podvet/cmd/podvet/internal/preview"
	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/catalogue"
	"github.com/podvet/podvet/rules/pod"
	"github.com/podvet/podvet/rules/policy"
	"github.com/podvet/podvet/rules/policy/strict"
)

// policyFlags choose the policy for files.
type policyFlags struct{ file, profile, mode, kubernetes string }

var (
	profiles = []string{rules.Minimal.String(), rules.Recommended.String(), rules.Strict.String()}
	modes    = policy.Mode("").Words()
)

func (f *policyFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.file, "policy", "",
		"policy `FILE`, a document or a ConfigMap that holds one, - for standard input (default: the built-in policy)")
	_ = cmd.MarkFlagFilename("policy", "yaml", "yml")
}

// registerKeys registers what replaces keys of the policy.
func (f *policyFlags) registerKeys(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.profile, "profile", "",
		"`PROFILE` in place of the policy's: "+strings.Join(profiles, ", "))
	cmd.Flags().StringVar(&f.mode, "mode", "", "`MODE` in place of the policy's: "+strings.Join(modes, ", "))
	cmd.Flags().StringVar(&f.kubernetes, "kubernetes", "",
		"`VERSIONS` in place of the policy's: a version or a range, such as 1.35-1.37")
	completeWith(cmd, "profile", profiles)
	completeWith(cmd, "mode", modes)
}

// completeWith lets shells complete a flag.
func completeWith(cmd *cobra.Command, flag string, words []string) {
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
}

// load loads the policy for manifests that the arguments name.
func (f *policyFlags) load(cmd *cobra.Command, args []string) (*policy.Policy, error) {
	if len(args) == 0 {
		args = []string{input.Stdin}
	}
	source, err := policyOr(cmd, f.file, args...)
	if err != nil {
		return nil, err
	}
	p, err := source.Load(catalogue.All, time.Now())
	if err != nil {
		return nil, err
	}
	return f.replaceKeys(p), nil
}

// replaceKeys is the policy with the keys that flags name.
func (f *policyFlags) replaceKeys(p *policy.Policy) *policy.Policy {
	if profile, ok := rules.ParseProfile(f.profile); ok {
		p = p.WithProfile(profile)
	}
	if f.mode != "" {
		p = p.WithMode(policy.Mode(f.mode))
	}
	if nodes, err := pod.ParseKubelets(f.kubernetes); err == nil {
		p = p.WithKubernetes(nodes)
	}
	return p
}

// check names all flags whose values are wrong: load leaves these out.
func (f *policyFlags) check() (errs []error) {
	if f.profile != "" {
		errs = append(errs, oneOf("--profile", f.profile, profiles))
	}
	if f.mode != "" {
		errs = append(errs, oneOf("--mode", f.mode, modes))
	}
	if _, err := pod.ParseKubelets(f.kubernetes); f.kubernetes != "" && err != nil {
		errs = append(errs, fmt.Errorf("--kubernetes: %w", err))
	}
	return errs
}

// oneOf is the error of a flag that takes one of some words, nil where it has one.
func oneOf(flag, value string, words []string) error {
	if slices.Contains(words, value) {
		return nil
	}
	return fmt.Errorf("%s %s: write %s%s", flag, value, strict.OrList(words), strict.DidYouMean(value, words))
}

// policyOr is policyFrom, or where no file is named the built-in policy.
func policyOr(cmd *cobra.Command, file string, others ...string) (policy.Source, error) {
	if file == "" {
		return policy.BuiltIn(), nil
	}
	return policyFrom(cmd, file, others...)
}

// policyFrom reads a policy from a file or, for -, from standard input. others is what the command reads too.
func policyFrom(cmd *cobra.Command, file string, others ...string) (policy.Source, error) {
	return preview.ReadPolicyFile(file, cmd.InOrStdin(), others)
}
