package main

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/podvet/podvet/cmd/podvet/internal/report"
	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/policy"
)

func newExplain() *cobra.Command {
	policyFile, object := "", ""
	cmd := &cobra.Command{
		Use:   "explain RULE | --for FILE [RULE]",
		Short: "Say what a rule finds, why it matters and what to write instead, or what the policy says of an object",
		Long: `Say what a rule finds, why it matters and what to write instead.

With --for, say for each object in a file which scopes, exemptions, mode and level decide each rule, or the one named,
and which line of the policy says so. Namespace objects in the file give their namespaces labels.`,
		Example: `  podvet explain no-startup-probe
  podvet explain --policy policy.yaml --for deployment.yaml`,
		Args: func(cmd *cobra.Command, args []string) error {
			switch {
			case object == "" && policyFile != "":
				return errors.New("--policy goes with --for: name a file with an object")
			case object != "" && len(args) == 0:
				return nil
			}
			return oneRule(cmd, args)
		},
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			var list []string
			for _, rule := range rules.Catalogue() {
				list = append(list, cobra.CompletionWithDesc(rule.ID, rule.Title))
			}
			return list, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if object != "" {
				return explainFor(cmd, policyFile, object, args)
			}
			o := terminal(cmd.OutOrStdout())
			if o.Width == 0 {
				o.Width = 80
			}
			_, err := fmt.Fprint(cmd.OutOrStdout(), readable(rules.Lookup(args[0]).Page(), o))
			return err
		},
	}
	cmd.Flags().StringVar(&policyFile, "policy", "", "with --for: policy `FILE`, - for standard input (default: the built-in policy)")
	cmd.Flags().StringVar(&object, "for", "", "`FILE` with an object, - for standard input")
	_ = cmd.MarkFlagFilename("policy", "yaml", "yml")
	_ = cmd.MarkFlagFilename("for", "yaml", "yml", "json")
	return cmd
}

func oneRule(_ *cobra.Command, args []string) error {
	switch {
	case len(args) != 1:
		return fmt.Errorf("explain takes one rule, not %d: podvet rules lists them", len(args))
	case rules.Lookup(args[0]) == nil:
		return fmt.Errorf("there is no rule %q%s: podvet rules lists them", args[0], policy.DidYouMean(args[0], rules.IDs()))
	}
	return nil
}

// readable turns a page's Markdown into what reads well on a terminal: headings stand out, paragraphs and lists
// are wrapped, examples are indented as they are.
func readable(page string, o report.Options) string {
	var out strings.Builder
	width, code := min(o.Width, 100), false
	for line := range strings.Lines(page) {
		line = strings.TrimRight(line, "\n")
		heading := strings.TrimLeft(line, "#")
		switch {
		case strings.HasPrefix(line, "```"):
			code = !code
		case code:
			out.WriteString("    " + line + "\n")
		case heading != line:
			heading = strings.TrimSpace(heading)
			if o.Color {
				heading = "\x1b[1m" + heading + "\x1b[0m"
			}
			out.WriteString(heading + "\n")
		case strings.HasPrefix(line, "- "):
			out.WriteString(wrap(strings.ReplaceAll(line, "`", ""), width, "  "))
		default:
			out.WriteString(wrap(strings.ReplaceAll(line, "`", ""), width, ""))
		}
	}
	return out.String()
}

// wrap breaks a line at blanks; what follows the first is indented.
func wrap(line string, width int, indent string) string {
	var out strings.Builder
	column := 0
	for i, word := range strings.Fields(line) {
		n := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case column+1+n > width:
			out.WriteString("\n" + indent)
			column = len(indent)
		default:
			out.WriteByte(' ')
			column++
		}
		out.WriteString(word)
		column += n
	}
	return out.String() + "\n"
}
