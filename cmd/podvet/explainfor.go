package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/podvet/podvet/cmd/podvet/internal/manifest"
	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/policy"
)

// explainFor says of each object in a file what the policy decides about it; of one rule where one is named.
func explainFor(cmd *cobra.Command, policyFile, object string, only []string) error {
	source := policy.BuiltIn()
	if policyFile != "" {
		var err error
		if source, err = policyFrom(cmd, policyFile, object); err != nil {
			return err
		}
	}
	explainer, err := source.Explainer(time.Now())
	if err != nil {
		return err
	}
	namespaces, stdin, err := manifest.ReadNamespaces([]string{object}, cmd.InOrStdin(), func() {})
	if err != nil {
		return err
	}
	defer func() { _ = stdin.Close() }() // it was only read
	warnOf(cmd, namespaces)
	by := judgement{explainer.Policy, namespaces}
	var problems []manifest.Problem
	var text strings.Builder
	readFile(object, stdin, func(c manifest.Chunk) {
		docs, errs := manifest.Parse(c)
		problems = append(problems, errs...)
		for _, doc := range docs {
			if doc.Object == nil {
				continue
			}
			rules.Default(doc.Object)
			subject, ok := rules.SubjectOf(doc.Object)
			if !ok {
				continue
			}
			if text.Len() > 0 {
				text.WriteByte('\n')
			}
			name := subject.Name
			if subject.Namespace != "" {
				name = subject.Namespace + "/" + name
			}
			fmt.Fprintf(&text, "%s:%d: %s %s\n", doc.File, doc.Line, doc.Kind, name)
			ruling := by.ruling(subject)
			for _, note := range ruling.Notes {
				fmt.Fprintf(&text, "  warning: %s\n", note)
			}
			writeExplanation(&text, source.File, explainer.Explain(subject, namespaces.Labels(subject.Namespace)), countFindings(subject, ruling.Plan), only)
		}
	}, func(p manifest.Problem) { problems = append(problems, p) })
	if text.Len() == 0 && len(problems) == 0 {
		problems = append(problems, manifest.Problem{File: manifest.Name(object), Text: "holds no pod or workload: name a file with one"})
	}
	if _, err := io.WriteString(cmd.OutOrStdout(), text.String()); err != nil {
		return err
	}
	return allProblems(problems)
}

// countFindings counts by rule, fixes that the policy turns on taken as applied.
func countFindings(s *rules.Subject, plan *rules.Plan) map[*rules.Rule]int {
	count := map[*rules.Rule]int{}
	for _, f := range rules.Vet(s, plan).Findings {
		count[f.Rule]++
	}
	return count
}

func writeExplanation(out io.Writer, file string, e *policy.Explanation, count map[*rules.Rule]int, only []string) {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, s := range e.Scopes {
		_, _ = fmt.Fprintf(table, "  scope\t%s\t%s\n", s.Value, from(file, policy.Decided{By: "matches", Line: s.Line}))
	}
	for _, key := range e.Keys {
		if key.Key == "injectedContainers" && key.Line == 0 { // a long list that nobody wrote
			continue
		}
		_, _ = fmt.Fprintf(table, "  %s\t%s\t%s\n", key.Key, key.Value, from(file, key))
	}
	_ = table.Flush() // to a buffer
	_, _ = fmt.Fprintf(table, "\n  RULE\tLEVEL\tFINDS\tFIX\tDECIDED BY\n")
	for _, r := range e.Rules {
		if len(only) > 0 && only[0] != r.Rule.ID {
			continue
		}
		level, by := r.Level.String(), from(file, r.LevelBy)
		if r.Level != r.Uncapped {
			by = fmt.Sprintf("%s by %s; the mode caps it", r.Uncapped, by)
		}
		if r.Rule.HasFix() && r.FixBy.Line > 0 {
			by += "; fix by " + from(file, r.FixBy)
		}
		finds := "-"
		if n := count[r.Rule]; n > 0 {
			finds = strconv.Itoa(n)
		}
		_, _ = fmt.Fprintf(table, "  %s\t%s\t%s\t%s\t%s\n", r.Rule.ID, level, finds, r.FixBy.Value, by)
		for _, x := range r.Lower {
			if x.Key != "" {
				x.By = fmt.Sprintf("container %q: %s", x.Key, x.By)
			}
			_, _ = fmt.Fprintf(table, "  \t%s\t\t\t%s\n", x.Value, from(file, x))
		}
	}
	_ = table.Flush()
}

// from says what decided, and where that is written.
func from(file string, d policy.Decided) string {
	if d.Line == 0 {
		return d.By
	}
	return fmt.Sprintf("%s, %s:%d", d.By, file, d.Line)
}
