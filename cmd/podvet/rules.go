package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/catalogue"
)

// ruleEntry is a rule in `podvet rules -o json`.
type ruleEntry struct {
	ID         string                 `json:"id"`
	Group      string                 `json:"group"`
	Title      string                 `json:"title"`
	Levels     map[string]rules.Level `json:"levels"`
	Fix        string                 `json:"fix"`      // none, off or on
	Kubelets   string                 `json:"kubelets"` // on which the defect exists: all, 1.37 or 1.35-1.37
	Parameters []catalogue.Parameter  `json:"parameters,omitempty"`
}

func newRules() *cobra.Command {
	output := ""
	cmd := &cobra.Command{
		Use:   "rules",
		Short: "List the rules and their levels",
		Args:  usage.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := usage.OneOf("-o", output, "text", "json"); err != nil {
				return err
			}
			entries := make([]ruleEntry, len(catalogue.All.Rules()))
			for i, rule := range catalogue.All.Rules() {
				entries[i] = entryOf(rule)
			}
			if output == "text" {
				return printRules(cmd, entries)
			}
			encoder := json.NewEncoder(cmd.OutOrStdout())
			encoder.SetIndent("", "  ")
			return encoder.Encode(entries)
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "text", "`FORMAT`: text or json")
	completeWith(cmd, "output", []string{"text", "json"})
	return cmd
}

func entryOf(rule *rules.Rule) ruleEntry {
	e := ruleEntry{ID: rule.ID, Group: rule.Group.String(), Title: rule.Title, Fix: catalogue.FixDefault(rule),
		Kubelets: catalogue.Versions(rule),
		Levels:   map[string]rules.Level{}, Parameters: catalogue.Parameters(rule)}
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
