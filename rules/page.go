package rules

import (
	"fmt"
	"reflect"
	"strings"
)

// Parameter describes a parameter of a rule.
type Parameter struct {
	Name    string `json:"name"`
	Meaning string `json:"meaning"`
	Default any    `json:"default"`
}

// Parameters lists the rule's parameters with their defaults, as the struct of defaults declares them.
func (r *Rule) Parameters() []Parameter {
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
func (r *Rule) FixDefault() string {
	switch {
	case !r.hasFix:
		return "none"
	case r.FixByDefault:
		return "on"
	}
	return "off"
}

// Page is all there is to say of a rule, in Markdown: its documentation with its levels, its fix and its
// parameters as they are in the code.
func (r *Rule) Page() string {
	title, rest, _ := strings.Cut(r.Documentation(), "\n\n")
	var page strings.Builder
	fmt.Fprintf(&page, "%s\n\n", title)
	fmt.Fprintf(&page, "Level: %s in the profile minimal, %s in recommended, %s in strict. Fix: %s.\n\n",
		r.Levels[Minimal], r.Levels[Recommended], r.Levels[Strict],
		map[string]string{"none": "none", "off": "off by default", "on": "on by default"}[r.FixDefault()])
	page.WriteString(strings.TrimRight(rest, "\n") + "\n")
	if params := r.Parameters(); len(params) > 0 {
		page.WriteString("\n## Parameters\n\n")
		for _, p := range params {
			fmt.Fprintf(&page, "- `%s` (default: %s): %s.\n", p.Name, defaultText(p.Default), p.Meaning)
		}
	}
	return page.String()
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
