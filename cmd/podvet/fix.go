package main

import (
	"cmp"
	"errors"
	"slices"

	"github.com/spf13/cobra"

	"github.com/podvet/podvet/cmd/podvet/internal/console"
	"github.com/podvet/podvet/cmd/podvet/internal/input"
)

func newFix() *cobra.Command {
	var policyOf policyFlags
	which := input.Selection{Around: true}
	var f input.Fixer
	cmd := &cobra.Command{
		Use:   "fix [FILE|DIR|-]...",
		Short: "Print manifests with the fixes applied, or write them",
		Long: "Print manifests with the fixes applied that the webhook would apply, those that the policy turns on. " +
			`Every byte
that a fix does not touch stays: comments, order, quotes, anchors, indentation.

With --diff the changes alone are printed, with --write the files are replaced. An object that is invalid, and a
container that cannot be changed safely because its place is an alias or a template's line, is left alone, and all such
lines are named. A file that cannot be read as a whole is not written; all others are. Patches, such as those that a
kustomization lists, are not fixed, nor an object where such a patch changes what the fix builds on. Kustomizations are
looked for around the files, also where --exclude leaves them out: in the git repository, or without one in the folders
above, up to your home folder. What one that cannot be read may patch is not fixed.

Exit status: 0 all is well, 2 not all of the work could be done, or the input holds no Kubernetes object.`,
		Example: `  podvet fix --diff deploy/
  podvet fix --write deploy/`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.Diff && f.Write {
				return errors.New("--diff and --write exclude each other: choose one")
			}
			if err := cmp.Or(nothingToRead(cmd, args), which.Check()); err != nil {
				return err
			}
			p, err := policyOf.load(cmd, args)
			if err != nil {
				return err
			}
			f.Changes.Policy = p
			return fixAll(cmd, args, which, &f)
		},
	}
	policyOf.register(cmd)
	registerSelection(cmd, &which)
	cmd.Flags().BoolVar(&f.Diff, "diff", false, "print the changes as a unified diff")
	cmd.Flags().BoolVar(&f.Write, "write", false, "replace the files")
	return cmd
}

func fixAll(cmd *cobra.Command, args []string, which input.Selection, f *input.Fixer) error {
	tell, done := console.Progress(cmd.ErrOrStderr())
	defer done()
	in, namespaces, err := input.Read(args, cmd.InOrStdin(), which, tell("read"))
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // it was only read
	f.Out, f.Said = cmd.OutOrStdout(), cmd.ErrOrStderr()
	f.Changes.Namespaces, f.Changes.Patching = namespaces, in.Patching
	f.LookAt(in, tell("judged"))
	done()
	if !f.Changes.Holds && len(f.Problems) == 0 && !which.SkipOthers {
		f.Problem(in.Nothing())
	}
	for _, p := range in.Unread() {
		f.Problem(p)
	}
	f.Finish()
	if cut := in.Cut(); cut != "" && f.Fixed > 0 {
		console.Say(cmd.ErrOrStderr(), slices.Values([]string{cut}))
	}
	warnOf(cmd, namespaces)
	return allProblems(f.Problems)
}
