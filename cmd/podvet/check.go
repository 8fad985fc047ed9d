package main

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/podvet/podvet/cmd/podvet/internal/manifest"
	"github.com/podvet/podvet/cmd/podvet/internal/report"
	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/policy"
)

// policyFlags choose the policy for files.
type policyFlags struct{ file, profile string }

func (f *policyFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.file, "policy", "", "policy `FILE`, a document or a ConfigMap that holds one, - for standard input (default: the built-in policy)")
	_ = cmd.MarkFlagFilename("policy", "yaml", "yml")
}

// load loads the policy for manifests that the arguments name.
func (f *policyFlags) load(cmd *cobra.Command, args []string) (*policy.Policy, error) {
	source := policy.BuiltIn()
	if f.file != "" {
		if len(args) == 0 {
			args = []string{manifest.Stdin}
		}
		var err error
		if source, err = policyFrom(cmd, f.file, args...); err != nil {
			return nil, err
		}
	}
	p, err := source.Load(time.Now())
	if err != nil || f.profile == "" {
		return p, err
	}
	profile, ok := rules.ParseProfile(f.profile)
	if !ok {
		return nil, fmt.Errorf("--profile %s is no profile: write minimal, recommended or strict", f.profile)
	}
	return p.WithProfile(profile), nil
}

func newCheck() *cobra.Command {
	var policyOf policyFlags
	failOn, output := "", ""
	cmd := &cobra.Command{
		Use:   "check [FILE|DIR|-]...",
		Short: "Judge manifests: files, folders, or standard input",
		Long: `Judge manifests by the rules that the webhook follows: multi-document YAML, JSON and Lists, from files, from
the *.yaml, *.yml and *.json files in folders, or from standard input.

The API server's defaults are applied first, and fixes that the policy turns on are taken as applied. What the
API server would refuse is reported as invalid input. Objects that podvet does not vet, and pods whose owner is in
the same input, are passed over and counted.

Exit status: 0 nothing at or above --fail-on, 1 something, 2 not all of the work could be done.`,
		Example: `  podvet check deploy/
  helm template ./chart | podvet check -
  kubectl get pods,deploy,sts,ds,jobs,cronjobs -A -o json | podvet check -`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return check(cmd, args, &policyOf, failOn, output)
		},
	}
	policyOf.register(cmd)
	cmd.Flags().StringVar(&policyOf.profile, "profile", "", "`PROFILE` in place of the policy's: minimal, recommended or strict")
	cmd.Flags().StringVar(&failOn, "fail-on", "deny", "`LEVEL` from which findings fail the command: deny or warn")
	cmd.Flags().StringVarP(&output, "output", "o", "text", "`FORMAT`: "+strings.Join(report.Formats, ", "))
	fixed := func(words ...string) func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)
	}
	_ = cmd.RegisterFlagCompletionFunc("profile", fixed("minimal", "recommended", "strict"))
	_ = cmd.RegisterFlagCompletionFunc("fail-on", fixed("deny", "warn"))
	_ = cmd.RegisterFlagCompletionFunc("output", fixed(report.Formats...))
	return cmd
}

func check(cmd *cobra.Command, args []string, policyOf *policyFlags, failOn, output string) error {
	if failOn != "deny" && failOn != "warn" {
		return fmt.Errorf("--fail-on %s is no level to fail on: write deny or warn", failOn)
	}
	if !slices.Contains(report.Formats, output) {
		return fmt.Errorf("-o %s is no output format: write %s", output, strings.Join(report.Formats, ", "))
	}
	p, err := policyOf.load(cmd, args)
	if err != nil {
		return err
	}
	tell, done := progress(cmd.ErrOrStderr())
	defer done()
	namespaces, stdin, err := manifest.ReadNamespaces(args, cmd.InOrStdin(), tell("read"))
	if err != nil {
		return err
	}
	defer func() { _ = stdin.Close() }() // it was only read
	found := judgeAll(args, stdin, judgement{p, namespaces}, tell("judged"))
	done()
	if err := found.Write(cmd.OutOrStdout(), output, terminal(cmd.OutOrStdout())); err != nil {
		return err
	}
	warnOf(cmd, namespaces)
	for _, n := range found.Notes {
		_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "warning: %s\n", manifest.Problem{File: n.File, Line: n.Line, Text: n.Text})
	}
	if err := problemsOf(found); err != nil {
		return err
	}
	if found.Summary.Deny > 0 || failOn == "warn" && found.Summary.Warn > 0 {
		return errFound
	}
	return nil
}

// warnOf says what is wrong with the labels of namespaces.
func warnOf(cmd *cobra.Command, namespaces manifest.Namespaces) {
	for _, p := range namespaces.Refused {
		_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "warning: %s\n", p)
	}
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

// problemsOf is the error of a report that has problems.
func problemsOf(found *report.Report) error {
	for range found.Problems { // one is enough
		return problemList(func(yield func(error) bool) {
			found.Problems(func(p report.Problem) bool { return yield(manifest.Problem{File: p.File, Line: p.Line, Text: p.Text}) })
		})
	}
	return nil
}

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

// errFound ends a command whose output says already what was found.
var errFound = errors.New("something was found")

// terminal is how to write to what may be a terminal.
func terminal(w io.Writer) report.Options {
	o := report.Options{Version: version()}
	file, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return o
	}
	o.Color = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	if width, _, err := term.GetSize(int(file.Fd())); err == nil && width >= 40 {
		o.Width = width
	}
	return o
}

// progress tells a person at a terminal who has waited for two seconds how far each stage is, until done.
func progress(w io.Writer) (stage func(name string) func(), done func()) {
	file, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return func(string) func() { return func() {} }, func() {}
	}
	var documents atomic.Int64
	var now atomic.Pointer[string]
	stop, stopped := make(chan struct{}), make(chan struct{})
	stage = func(name string) func() {
		documents.Store(0)
		now.Store(&name)
		return func() { documents.Add(1) }
	}
	stage("read")
	go func() {
		defer close(stopped)
		for wait, said := 2*time.Second, false; ; wait, said = time.Second/2, true {
			select {
			case <-stop:
				if said {
					_, _ = fmt.Fprint(w, "\r\x1b[K")
				}
				return
			case <-time.After(wait): // whether documents come or not
				_, _ = fmt.Fprintf(w, "\r\x1b[K%d documents %s", documents.Load(), *now.Load())
			}
		}
	}()
	return stage, sync.OnceFunc(func() { close(stop); <-stopped })
}
