package main

import (
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/podvet/podvet/cmd/podvet/internal/preview"
)

func newPolicyTest() *cobra.Command {
	return &cobra.Command{
		Use:   "test DIR...",
		Short: "Run cases for a policy: manifests and the findings expected",
		Long: "Run the cases in the folder: each file of kind PolicyTest names a policy, and manifests with " +
			`the findings expected.

  apiVersion: podvet.dev/v1alpha1
  kind: PolicyTest
  policy: policy.yaml                 # beside this file, the default
  date: 2027-02-01                    # for exemptions that expire; today by default, a case may have its own
  cases:
  - name: workers need no readinessProbe
    manifests: worker.yaml            # a file or folder beside this file, or the text itself under objects
    want:                             # of each object all findings, as LEVEL RULE/CONTAINER,
                                      # or LEVEL RULE for any container
      Deployment/worker: [audit no-readiness-probe/app]
    fixed:                            # the same for fixes, as RULE/CONTAINER; ` +
			`where it is left out they are not compared
      Deployment/worker: [no-startup-probe/app]

An object without findings need not be named. Of two with one name write KIND/NAMESPACE/NAME. ` +
			`Levels are those in force, after the mode. Namespace objects among the
manifests give their namespaces labels.

Exit status: 0 all cases pass, 1 one fails, 2 not all of the work could be done.`,
		Example: "  podvet policy test policies/",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("policy test takes a folder with files of kind PolicyTest")
			}
			return nil
		},
		RunE: runTests,
	}
}

func runTests(cmd *cobra.Command, args []string) error {
	run := preview.TestRun{Out: cmd.OutOrStdout()}
	switch err := run.Folders(args); {
	case err != nil: // each line of it starts with its place
		return problemList(func(yield func(error) bool) {
			for line := range strings.Lines(err.Error()) {
				if !yield(errors.New(strings.TrimSpace(line))) {
					return
				}
			}
		})
	case run.Failed > 0:
		return errFound
	}
	return nil
}
