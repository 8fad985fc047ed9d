package main

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/podvet/podvet/cmd/podvet/internal/manifest"
	"github.com/podvet/podvet/cmd/podvet/internal/report"
	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/policy"
)

func newPolicyDiff() *cobra.Command {
	return &cobra.Command{
		Use:   "diff OLD|- NEW|- [FILE|DIR|-]...",
		Short: "Say in words what changes from one policy to another, and for whom",
		Long: `Say in words what changes from one policy to another: the levels of rules for everyone and in each scope, fixes,
parameters, exemptions. With manifests, or the objects of a cluster, say too whose pods would newly be denied, warned
of or fixed, and whose no longer.

Exit status: 0, or 2 when not all of the work could be done.`,
		Example: `  podvet policy diff old.yaml new.yaml
  kubectl -n podvet get configmap podvet-policy -o yaml | podvet policy diff - new.yaml
  kubectl get ns,pods,deploy,sts,ds,jobs,cronjobs -A -o json | podvet policy diff old.yaml new.yaml -`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) < 2 {
				return fmt.Errorf("policy diff takes two policies and then manifests, not %d argument(s)", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			var both [2]*policy.Policy
			var mistakes policy.Errors // of both
			for i := range both {
				source, err := policyFrom(cmd, args[i], slices.Delete(slices.Clone(args), i, i+1)...)
				if err == nil {
					both[i], err = source.Load(time.Now())
				}
				if bad, ok := errors.AsType[policy.Errors](err); ok {
					mistakes = append(mistakes, bad...)
				} else if err != nil {
					return err
				}
			}
			if mistakes != nil {
				return mistakes
			}
			if err := printChanges(cmd.OutOrStdout(), policy.Diff(both[0], both[1])); err != nil || len(args) == 2 {
				return err
			}
			return diffSubjects(cmd, args[2:], both)
		},
	}
}

func printChanges(w io.Writer, changes []policy.Change) error {
	if len(changes) == 0 {
		_, err := fmt.Fprintln(w, "The policies mean the same.")
		return err
	}
	var text strings.Builder
	where := ""
	for _, c := range changes {
		if c.Where != where {
			text.WriteString(c.Where + "\n")
			where = c.Where
		}
		text.WriteString("  " + c.What + "\n")
	}
	_, err := io.WriteString(w, text.String())
	return err
}

// effects are what a policy does to a subject, in the order of their telling.
var effects = []struct {
	name string
	of   func(*report.Subject) []string
}{
	{"denied", func(s *report.Subject) []string { return findingsAt(s, rules.Deny) }},
	{"warned of", func(s *report.Subject) []string { return findingsAt(s, rules.Warn) }},
	{"fixed", fixedWords},
}

func fixedWords(s *report.Subject) []string {
	list := make([]string, 0, len(s.Fixed))
	for _, f := range s.Fixed {
		list = append(list, f.Rule+"/"+f.Container)
	}
	return list
}

func findingsAt(s *report.Subject, level rules.Level) []string {
	var list []string
	for _, f := range s.Findings {
		if f.Level == level {
			list = append(list, f.Rule+"/"+f.Container)
		}
	}
	return list
}

// diffSubjects judges everything by both policies and tells whose lot changes.
func diffSubjects(cmd *cobra.Command, args []string, both [2]*policy.Policy) error {
	namespaces, stdin, err := manifest.ReadNamespaces(args, cmd.InOrStdin(), func() {})
	if err != nil {
		return err
	}
	defer func() { _ = stdin.Close() }() // it was only read
	warnOf(cmd, namespaces)
	var reports [2]*report.Report
	for i, p := range both {
		if i > 0 {
			if err := stdin.Rewind(); err != nil {
				return err
			}
		}
		reports[i] = judgeAll(args, stdin, judgement{p, namespaces}, func() {})
	}
	changed := map[string]*owners{}
	next, stop := iter.Pull(reports[1].Subjects)
	defer stop()
	for was := range reports[0].Subjects {
		now, _ := next() // the same objects in the same order
		for _, e := range effects {
			before, after := e.of(was), e.of(now)
			changed["newly "+e.name] = changed["newly "+e.name].add(now, minus(after, before))
			changed["no longer "+e.name] = changed["no longer "+e.name].add(now, minus(before, after))
		}
	}
	var text strings.Builder
	for _, e := range effects {
		for _, how := range []string{"newly ", "no longer "} {
			changed[how+e.name].write(&text, how+e.name)
		}
	}
	problems := problemsOf(reports[1])
	if judged := reports[0].Summary.Subjects; text.Len() == 0 && (judged > 0 || problems == nil) {
		fmt.Fprintf(&text, "\nOf %d objects none fares otherwise.\n", judged)
	}
	if _, err := io.WriteString(cmd.OutOrStdout(), text.String()); err != nil {
		return err
	}
	return problems
}

// minus lists what is in a and not in b, as often as it is there more often.
func minus(a, b []string) []string {
	b = slices.Clone(b)
	var list []string
	for _, one := range a {
		if i := slices.Index(b, one); i >= 0 {
			b = slices.Delete(b, i, i+1)
		} else {
			list = append(list, one)
		}
	}
	return list
}

// owners are objects, or the owners of pods as a person names them, with what happens to them; nil for none.
type owners struct {
	names []string
	what  map[string][]string
}

func (o *owners) add(s *report.Subject, what []string) *owners {
	if len(what) == 0 {
		return o
	}
	if o == nil {
		o = &owners{what: map[string][]string{}}
	}
	name := s.OwnerTitle()
	if o.what[name] == nil {
		o.names = append(o.names, name)
	}
	for _, one := range what {
		if !slices.Contains(o.what[name], one) {
			o.what[name] = append(o.what[name], one)
		}
	}
	return o
}

func (o *owners) write(out *strings.Builder, heading string) {
	if o == nil {
		return
	}
	fmt.Fprintf(out, "\n%s: %d\n", heading, len(o.names))
	for _, name := range o.names {
		fmt.Fprintf(out, "  %s: %s\n", name, strings.Join(o.what[name], ", "))
	}
}
