package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/podvet/podvet/cmd/podvet/internal/console"
	"github.com/podvet/podvet/cmd/podvet/internal/input"
	"github.com/podvet/podvet/cmd/podvet/internal/manifest"
	"github.com/podvet/podvet/cmd/podvet/internal/preview"
	"github.com/podvet/podvet/cmd/podvet/internal/report"
	"github.com/podvet/podvet/cmd/podvet/internal/vet"
	"github.com/podvet/podvet/rules/catalogue"
	"github.com/podvet/podvet/rules/policy/strict"
)

// checkFlags are what podvet check is told beside its input.
type checkFlags struct {
	policyFlags
	input.Selection
	cluster                   clusterFlags
	failOn, output, by        string
	noFixes, verbose, summary bool
}

func newCheck() *cobra.Command {
	flags := checkFlags{Selection: input.Selection{Around: true}}
	cmd := &cobra.Command{
		Use:   "check [FILE|DIR|-]...",
		Short: "Judge manifests, or what a cluster holds",
		Long: "Judge manifests by the rules that the webhook follows: multi-document YAML, JSON and Lists, " +
			`from files, from
the *.yaml, *.yml and *.json files in folders, or from standard input. With --cluster judge what a cluster holds.

The API server's defaults are applied first. What a fix that the policy turns on would repair is reported as fixable.
What the API server would refuse is invalid input. Objects that podvet does not judge, pods whose owner is in the same
input, and patches, such as those that a kustomization lists, are skipped and counted.

--cluster reads namespaces, workloads, their pods, and the policy that podvet follows there. It changes nothing. A kind
that you may not list is named, and all others are judged. With --apply it writes its reports there, and nothing else.

Exit status: 0 nothing at or above --fail-on, 1 something, 2 not all of the work could be done, or the input holds no
Kubernetes object.`,
		Example: `  podvet check deploy/
  helm template ./chart | podvet check -
  podvet check --cluster --context production -n shop`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := flags.check(cmd, args); err != nil {
				return err
			}
			return check(cmd, args, &flags)
		},
	}
	flags.register(cmd)
	flags.registerKeys(cmd)
	registerSelection(cmd, &flags.Selection)
	flags.cluster.register(cmd)
	set := cmd.Flags()
	set.BoolVar(&flags.noFixes, "no-fixes", false, "judge as written, for clusters without podvet's webhook")
	set.BoolVar(&flags.AllowEmpty, "allow-empty", false, "succeed also if the input holds no Kubernetes object")
	set.StringVar(&flags.failOn, "fail-on", string(report.Denials),
		"`LEVEL` that fails the command, with all that is graver: "+strings.Join(failOns(), ", "))
	set.StringVarP(&flags.output, "output", "o", "text", "`FORMAT`: "+strings.Join(report.Formats, ", "))
	set.BoolVar(&flags.summary, "summary", false, "counts in place of findings, with -o text, csv and markdown")
	set.StringVar(&flags.by, "by", "", "`GROUP` that counts are by: "+strings.Join(report.Groupings, ", ")+
		" (default: namespace). With label:KEY, csv and markdown have the label beside each finding")
	set.BoolVarP(&flags.verbose, "verbose", "v", false, "name each object and file that is skipped")
	completeWith(cmd, "fail-on", failOns())
	completeWith(cmd, "output", report.Formats)
	completeWith(cmd, "by", report.Groupings)
	return cmd
}

func failOns() []string {
	words := make([]string, len(report.FailOns))
	for i, on := range report.FailOns {
		words[i] = string(on)
	}
	return words
}

func (f *checkFlags) check(cmd *cobra.Command, args []string) error {
	if err := f.cluster.check(cmd, args); err != nil {
		return err
	}
	if !f.cluster.on {
		if err := nothingToRead(cmd, args); err != nil {
			return err
		}
	}
	errs := append(f.policyFlags.check(), oneOf("--fail-on", f.failOn, failOns()),
		oneOf("-o", f.output, report.Formats), f.counts(), f.Check())
	return flagErrors(errs)
}

// counts finds flags about counts and reports that do not fit the format.
func (f *checkFlags) counts() error {
	switch {
	case f.by != "" && !report.IsGrouping(f.by):
		return oneOf("--by", f.by, report.Groupings)
	case (f.summary || f.by != "") && !slices.Contains(report.Tables, f.output):
		return fmt.Errorf("-o %s has no summary. Write -o %s, or leave out --summary and --by",
			f.output, strict.OrList(report.Tables))
	case !f.summary && f.by != "" && f.output != "html" && report.LabelOf(f.by) == "" ||
		f.by != "" && !f.summary && f.output == "text":
		return fmt.Errorf("--by %s is about counts: add --summary", f.by)
	case f.cluster.apply && report.PolicyReportAPIs[f.output].Kind == "":
		return errors.New("--apply writes reports: add -o policyreport or -o openreports")
	}
	return nil
}

// open opens manifests, or a cluster.
func (f *checkFlags) open(cmd *cobra.Command, args []string, progress func()) (judged, error) {
	if f.cluster.on {
		return f.cluster.open(cmd, &f.policyFlags)
	}
	p, err := f.load(cmd, args)
	if err != nil {
		return judged{}, err
	}
	// Text says this in one line, the other formats in their own words.
	if charts := input.OnlyCharts(args); charts != nil && !f.SkipOthers && f.output == "text" {
		return judged{}, allProblems(charts)
	}
	in, namespaces, err := input.Read(args, cmd.InOrStdin(), f.Selection, progress)
	if err != nil {
		return judged{}, err
	}
	return judged{Judge: vet.Judge{Policy: p, Namespaces: namespaces}, objects: in.Texts, nothing: in.Nothing,
		close: in.Close}, nil
}

func check(cmd *cobra.Command, args []string, flags *checkFlags) error {
	tell, done := console.Progress(cmd.ErrOrStderr())
	defer done()
	in, err := flags.open(cmd, args, tell("read"))
	if err != nil {
		return err
	}
	defer func() { _ = in.close() }() // it was only read
	in.AsWritten = flags.noFixes
	var skipped []string
	var named func(manifest.Problem)
	if flags.verbose {
		named = func(p manifest.Problem) { skipped = append(skipped, p.Error()) }
	}
	in.Label = report.LabelOf(flags.by)
	figures := &preview.Figures{}
	if flags.output == "html" {
		in.Figure = figures.Of
	}
	found := in.All(in.objects, tell("judged"), named)
	done()
	empty := !found.Holds() && found.Summary.Invalid == 0 && !flags.AllowEmpty && !flags.SkipOthers
	if nothing := in.nothing(); empty && flags.output != "text" { // which says it as an error
		found.Refuse(report.Problem{File: nothing.File, Message: nothing.Text})
	}
	console.Say(cmd.ErrOrStderr(), slices.Values(skipped))
	out := cmd.OutOrStdout()
	options := report.Options{Version: version(), Color: console.Color(out, os.Getenv), Width: console.Width(out),
		FailOn: report.FailOn(flags.failOn), Rules: catalogue.All.Rules(), Page: catalogue.Page,
		Summary: flags.summary, By: flags.by, Figures: figures}
	options.Folder, _ = filepath.Abs(".") // without it names stay as they are
	write := found.Write
	if flags.cluster.apply {
		write = input.Apply(cmd.Context(), in.requests, found, flags.cluster.only)
	}
	if err := write(out, flags.output, options); err != nil {
		return err
	}
	if found.Summary.Subjects > 0 && in.Label != "" && !found.Labelled() {
		warn(cmd, fmt.Errorf("nothing that was judged has the label %s: is that a typing mistake?", in.Label))
	}
	warnOf(cmd, in.Namespaces)
	for _, n := range found.Notes {
		if n.Message != found.OneByOne {
			warn(cmd, n)
		}
	}
	return flags.outcome(in, found)
}

// outcome is the error that ends the command.
func (f *checkFlags) outcome(in judged, found *report.Report) error {
	switch {
	case found.Summary.Invalid > 0 && f.output == "text" && !f.summary:
		return errInvalid // it stands in the text
	case found.Summary.Invalid > 0:
		return problemsOf(found)
	case !found.Holds() && !f.AllowEmpty && !f.SkipOthers:
		return allProblems([]manifest.Problem{in.nothing()})
	case found.Summary.Failed(report.FailOn(f.failOn)):
		return errFound
	}
	return nil
}
