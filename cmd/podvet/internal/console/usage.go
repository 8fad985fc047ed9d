package console

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Usage says what is wrong with a command line, and what to write. The libraries' own words name no remedy.
type Usage struct {
	// Nearest proposes one of the names for a word that is none of them: " (did you mean NAME?)", or nothing.
	Nearest func(word string, names []string) string
}

// NoArgs is for commands that take none: what follows one that holds others was meant as one of those.
func (u Usage) NoArgs(cmd *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return nil
	case !cmd.HasSubCommands():
		name := strings.TrimPrefix(cmd.CommandPath(), cmd.Root().CommandPath()+" ")
		return fmt.Errorf("%s takes no arguments: leave %q out", name, strings.Join(args, " "))
	}
	var names []string
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() || sub.Name() == "help" {
			names = append(names, sub.Name())
		}
	}
	return fmt.Errorf("there is no command %q%s: %s --help lists them", args[0],
		u.Nearest(args[0], names), cmd.CommandPath())
}

// FlagError puts what is wrong with a flag into our words.
func (u Usage) FlagError(cmd *cobra.Command, err error) error {
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok {
		return u.unknownFlag(cmd, unknown)
	}
	if empty, ok := errors.AsType[*pflag.ValueRequiredError](err); ok {
		placeholder, _ := pflag.UnquoteUsage(empty.GetFlag())
		return fmt.Errorf("--%[1]s needs a value: write --%[1]s %[2]s", empty.GetFlag().Name, placeholder)
	}
	if bad, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		return fmt.Errorf("--%s %s is not valid: write %s", bad.GetFlag().Name, bad.GetValue(),
			valueWords(bad.GetFlag().Value.Type()))
	}
	if bad, ok := errors.AsType[*pflag.InvalidSyntaxError](err); ok {
		return fmt.Errorf("%s is not a flag: %s --help lists them", bad.GetSpecifiedFlag(), cmd.CommandPath())
	}
	return fmt.Errorf("the flags cannot be read: %s --help lists them", cmd.CommandPath())
}

func (u Usage) unknownFlag(cmd *cobra.Command, unknown *pflag.NotExistError) error {
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, "--"+f.Name) })
	written, meant := "--"+unknown.GetSpecifiedName(), ""
	if letters := unknown.GetSpecifiedShortnames(); letters != "" {
		written = "-" + letters
		if long := "--" + letters; slices.Contains(names, long) {
			meant = fmt.Sprintf(" (did you mean %s?)", long)
		}
	} else {
		meant = u.Nearest(written, names)
	}
	return fmt.Errorf("there is no flag %s%s: %s --help lists them", written, meant, cmd.CommandPath())
}

// valueWords say what a flag of a type takes.
func valueWords(kind string) string {
	switch {
	case kind == "bool":
		return "true or false"
	case kind == "duration":
		return "a duration such as 30s or 5m"
	case strings.HasPrefix(kind, "int") || strings.HasPrefix(kind, "uint"):
		return "a whole number"
	}
	return "a value as --help describes it"
}

// OneOf makes sure that a flag has one of a few values.
func (u Usage) OneOf(flag, value string, words ...string) error {
	if slices.Contains(words, value) {
		return nil
	}
	last := len(words) - 1
	return fmt.Errorf("%s %s is not valid%s: write %s or %s", flag, value, u.Nearest(value, words),
		strings.Join(words[:last], ", "), words[last])
}
