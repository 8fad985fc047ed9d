package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/podvet/podvet/rules"
)

// ruleEntry is a rule in `podvet rules -o json`.
type ruleEntry struct {
	ID         string                 `json:"id"`
	Group      string                 `json:"group"`
	Title      string                 `json:"title"`
	Levels     map[string]rules.Level `json:"levels"`
	Fix        string                 `json:"fix"` // none, off or on
	Parameters []rules.Parameter      `json:"parameters,omitempty"`
}

func newRules() *cobra.Command {
	output := ""
	cmd := &cobra.Command{
		Use:   "rules",
		Short: "List the rules and their levels",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			entries := make([]ruleEntry, len(rules.Catalogue()))
			for i, rule := range rules.Catalogue() {
				entries[i] = entryOf(rule)
			}
			switch output {
			case "text":
				return printRules(cmd, entries)
			case "json":
				encoder := json.NewEncoder(cmd.OutOrStdout())
				encoder.SetIndent("", "  ")
				return encoder.Encode(entries)
			}
			return fmt.Errorf("-o %s is no output format: write text or json", output)
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "text", "`FORMAT`: text or json")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"text", "json"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func entryOf(rule *rules.Rule) ruleEntry {
	e := ruleEntry{ID: rule.ID, Group: rule.Group.String(), Title: rule.Title, Fix: rule.FixDefault(),
		Levels: map[string]rules.Level{}, Parameters: rule.Parameters()}
	for profile := rules.Minimal; profile <= rules.Strict; profile++ {
		e.Levels[profile.String()] = rule.Levels[profile]
	}
	return e
}

func printRules(cmd *cobra.Command, entries []ruleEntry) error {
	const row = "%-38s %-8s %-12s %-7s %s\n"
	var text strings.Builder
	group := ""
	for _, e := range entries {
		if e.Group != group {
			if group != "" {
				text.WriteString("\n")
			}
			fmt.Fprintf(&text, row, e.Group, "minimal", "recommended", "strict", "fix")
			group = e.Group
		}
		fmt.Fprintf(&text, row, "  "+e.ID, e.Levels["minimal"], e.Levels["recommended"], e.Levels["strict"], e.Fix)
	}
	text.WriteString("\npodvet explain RULE says more.\n")
	_, err := fmt.Fprint(cmd.OutOrStdout(), text.String())
	return err
}
