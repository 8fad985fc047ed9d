package main

import (
	"errors"
	"iter"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/podvet/podvet/cmd/podvet/internal/console"
	"github.com/podvet/podvet/cmd/podvet/internal/manifest"
	"github.com/podvet/podvet/cmd/podvet/internal/report"
)

// warnOf says what is wrong with the labels of namespaces.
func warnOf(cmd *cobra.Command, namespaces manifest.Namespaces) {
	for _, p := range namespaces.Refused {
		warn(cmd, p)
	}
}

// warn says what does not end the command.
func warn(cmd *cobra.Command, about error) {
	console.Say(cmd.ErrOrStderr(), slices.Values([]string{"warning: " + about.Error()}))
}

// problemList ends a command that could not do all of its work.
type problemList iter.Seq[error]

func (l problemList) Error() string {
	var lines []string
	for p := range l {
		lines = append(lines, p.Error())
	}
	return strings.Join(lines, "\n")
}

// problemsOf is the error of a report with invalid input.
func problemsOf(found *report.Report) error {
	if found.Summary.Invalid == 0 {
		return nil
	}
	return problemList(func(yield func(error) bool) {
		found.Invalid(func(p report.Problem) bool { return yield(p) })
	})
}

// errInvalid ends a command whose output says already what is invalid.
var errInvalid error = problemList(func(func(error) bool) {})

func allProblems(problems []manifest.Problem) error {
	if len(problems) == 0 {
		return nil
	}
	return problemList(func(yield func(error) bool) {
		for _, p := range problems {
			if !yield(p) {
				return
			}
		}
	})
}

// flagErrors are all that is wrong with the flags of a command line, each as it would be said alone; nil for nothing.
func flagErrors(errs []error) error {
	var said []string
	for _, err := range errs {
		if err != nil {
			said = append(said, err.Error())
		}
	}
	if said == nil {
		return nil
	}
	return errors.New(strings.Join(said, "\npodvet: "))
}

// errFound ends a command whose output says already what was found.
var errFound = errors.New("something was found")
