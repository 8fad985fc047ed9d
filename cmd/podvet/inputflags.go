package main

import (
	"errors"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/podvet/podvet/cmd/podvet/internal/input"
)

// registerSelection registers the flags that leave out a part of the input.
func registerSelection(cmd *cobra.Command, s *input.Selection) {
	cmd.Flags().StringArrayVar(&s.Exclude, "exclude", nil,
		"leave out files and folders that match `GLOB`, such as vendor or 'test/*.yaml' (repeatable)")
	cmd.Flags().BoolVar(&s.SkipOthers, "skip-others", false,
		"skip files without a Kubernetes object, of Helm charts or with {{ also where they are named, and succeed if "+
			"none is left")
}

// nothingToRead is the error of a command that would wait for a person to type manifests.
func nothingToRead(cmd *cobra.Command, args []string) error {
	file, ok := cmd.InOrStdin().(*os.File)
	if len(args) > 0 || !ok || !term.IsTerminal(int(file.Fd())) {
		return nil
	}
	cmd.PrintErrln(cmd.UsageString())
	return errors.New("name a file or a folder, or - for standard input")
}
