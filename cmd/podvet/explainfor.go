package main

import (
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/podvet/podvet/cmd/podvet/internal/console"
	"github.com/podvet/podvet/cmd/podvet/internal/input"
	"github.com/podvet/podvet/cmd/podvet/internal/manifest"
	"github.com/podvet/podvet/cmd/podvet/internal/preview"
	"github.com/podvet/podvet/cmd/podvet/internal/stream"
	"github.com/podvet/podvet/rules/catalogue"
)

// explainFor says of each object in a file what the policy decides about it; of one rule where one is named.
func explainFor(cmd *cobra.Command, policyFile, object string, only ...string) error {
	source, err := policyOr(cmd, policyFile, object)
	if err != nil {
		return err
	}
	explainer, err := source.Explainer(catalogue.All, time.Now())
	if err != nil {
		return err
	}
	in, namespaces, err := readOne(cmd, object)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // it was only read
	e := preview.Explained{Policy: explainer, Namespaces: namespaces, File: source.File, Only: only}
	in.Text(object, func(name string, r io.Reader) { stream.Split(name, r, e.Chunk, e.Problem) }, e.Problem)
	rest := e.Unexplained()
	switch {
	case e.Text.Len() == 0 && len(rest) == 0 && len(e.Problems) == 0:
		e.Problem(holdsNone(object))
	case e.Text.Len() == 0:
		e.Problems = append(e.Problems, rest...)
	default:
		for _, p := range rest {
			console.Say(cmd.ErrOrStderr(), slices.Values([]string{p.Error()}))
		}
	}
	if _, err := io.WriteString(cmd.OutOrStdout(), console.PrintableLines(e.Text.String())); err != nil {
		return err
	}
	return allProblems(e.Problems)
}

// readOne reads a file, or standard input, whose pods a command looks into. What holds no whole objects is refused,
// with what to name instead. It warns of namespaces that the API server refuses.
func readOne(cmd *cobra.Command, object string) (*input.Input, manifest.Namespaces, error) {
	in, namespaces, err := input.Read([]string{object}, cmd.InOrStdin(), input.Selection{Around: true}, func() {})
	if err != nil {
		return nil, namespaces, err
	}
	warnOf(cmd, namespaces)
	if what := in.Instead(object); what != "" {
		_ = in.Close() // it was only read
		return nil, namespaces, manifest.Problem{File: input.NameOf(object), Text: what}
	}
	return in, namespaces, nil
}

func holdsNone(object string) manifest.Problem {
	return manifest.Problem{File: input.NameOf(object), Text: "holds no pod or workload: name a file with one"}
}
