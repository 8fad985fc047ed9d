package catalogue

import (
	"fmt"
	"io/fs"
	"reflect"
	"strings"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/pod"
)

// Parameter describes a parameter of a rule.
type Parameter struct {
	Name    string `json:"name"`
	Meaning string `json:"meaning"`
	Default any    `json:"default"`
}

// Parameters lists the rule's parameters with their defaults, as the struct of defaults declares them.
func Parameters(r *rules.Rule) []Parameter {
	defaults := r.Defaults()
	if defaults == nil {
		return nil
	}
	v := reflect.ValueOf(defaults)
	list := make([]Parameter, v.NumField())
	for i := range list {
		field := v.Type().Field(i)
		list[i] = Parameter{Name: field.Tag.Get("json"), Meaning: field.Tag.Get("doc")}
		if value := v.Field(i); value.Kind() != reflect.Pointer && value.Kind() != reflect.Map || !value.IsNil() {
			list[i].Default = value.Interface()
		}
	}
	return list
}

// FixDefault is none, off or on: whether the rule can repair, and does without a policy.
func FixDefault(r *rules.Rule) string {
	switch {
	case !r.HasFix():
		return "none"
	case r.FixByDefault:
		return "on"
	}
	return "off"
}

// Documentation is the page of a rule as it is written, in Markdown.
func Documentation(r *rules.Rule) string {
	page, err := fs.ReadFile(folders, r.ID+"/rule.md")
	if err != nil { // NewCatalogue says so
		return "# " + r.ID + "\n\n"
	}
	return string(page)
}

// Page is all there is to say of a rule, in Markdown: its documentation with its levels, its fix, its versions and its
// parameters as they are in the code, and its fixtures as the examples.
func Page(r *rules.Rule) string {
	title, rest, _ := strings.Cut(Documentation(r), "\n\n")
	var page strings.Builder
	fmt.Fprintf(&page, "%s\n\n", title)
	fmt.Fprintf(&page, "Level: %s in the profile minimal, %s in recommended, %s in strict. Fix: %s. Kubelets: %s.\n\n",
		r.Levels[rules.Minimal], r.Levels[rules.Recommended], r.Levels[rules.Strict],
		map[string]string{"none": "none", "off": "off by default", "on": "on by default"}[FixDefault(r)], Versions(r))
	before, after, found := strings.Cut(strings.TrimRight(rest, "\n")+"\n", "\n## Write instead\n")
	page.WriteString(before)
	if found {
		advice, others, more := strings.Cut(after, "\n## ")
		page.WriteString(example(r) + "\n## Write instead\n" + advice + goodExample(r))
		if more {
			page.WriteString("\n## " + others)
		}
	}
	if params := Parameters(r); len(params) > 0 {
		page.WriteString("\n## Parameters\n\n")
		for _, p := range params {
			fmt.Fprintf(&page, "- `%s` (%sdefault: %s): %s.\n", p.Name, unitOf(p), defaultText(p.Default), p.Meaning)
		}
	}
	return page.String()
}

// Versions are the kubelets on which the defect exists, in words.
func Versions(r *rules.Rule) string {
	if r.Who.Kubelets == (pod.Kubelets{}) {
		return "all"
	}
	return r.Who.Kubelets.String()
}

// example shows the first bad fixture and what podvet says of it.
func example(r *rules.Rule) string {
	text, err := fs.ReadFile(folders, r.ID+"/bad.yaml")
	if err != nil {
		return ""
	}
	var says, object strings.Builder
	for line := range strings.Lines(string(text)) {
		if message, ok := strings.CutPrefix(line, "# want: "); ok {
			says.WriteString(message)
		} else {
			object.WriteString(line)
		}
	}
	return "\n## Example\n\n```yaml\n" + object.String() + "```\n\npodvet says:\n\n```text\n" + says.String() + "```\n"
}

// goodExample shows the same object with the advice followed.
func goodExample(r *rules.Rule) string {
	text, err := fs.ReadFile(folders, r.ID+"/good.yaml")
	if err != nil {
		return ""
	}
	return "\nThe same object with the advice followed:\n\n```yaml\n" + string(text) + "```\n"
}

func unitOf(p Parameter) string {
	if _, number := p.Default.(int64); number {
		return "seconds; "
	}
	return ""
}

func defaultText(value any) string {
	switch v := value.(type) {
	case nil:
		return "none"
	case []string:
		return strings.Join(v, ", ")
	}
	return fmt.Sprint(value)
}
