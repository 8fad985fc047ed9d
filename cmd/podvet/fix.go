package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/podvet/podvet/cmd/podvet/internal/manifest"
)

func newFix() *cobra.Command {
	var policyOf policyFlags
	diff, write := false, false
	cmd := &cobra.Command{
		Use:   "fix [FILE|DIR|-]...",
		Short: "Print manifests with the fixes applied, or write them",
		Long: `Print manifests with the fixes applied that the webhook would apply, those that the policy turns on. Every byte
that a fix does not touch stays: comments, order, quotes, anchors, indentation.

With --diff the changes alone are printed, with --write the files are replaced. An object that cannot be changed
safely, because its place is an alias or a template's line, is left alone, and the line is named.

Exit status: 0 all is well, 2 not all of the work could be done.`,
		Example: `  podvet fix --diff deploy/
  podvet fix --write deploy/`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if diff && write {
				return errors.New("--diff and --write exclude each other: choose one")
			}
			p, err := policyOf.load()
			if err != nil {
				return err
			}
			namespaces, stdin, err := manifest.ReadNamespaces(args, cmd.InOrStdin(), func() {})
			if err != nil {
				return err
			}
			defer func() { _ = stdin.Close() }() // it was only read
			by := judgement{p, namespaces}
			f := fixer{out: cmd.OutOrStdout(), said: cmd.ErrOrStderr(), diff: diff, write: write}
			manifest.Files(args, func(name string) bool {
				f.file(name, stdin, func(text []byte) ([]byte, []manifest.Repaired, []manifest.Problem) {
					return manifest.Repair(manifest.Name(name), text, by.plan)
				})
				return true
			}, f.problem)
			return allProblems(f.problems)
		},
	}
	policyOf.register(cmd)
	cmd.Flags().BoolVar(&diff, "diff", false, "print the changes as a unified diff")
	cmd.Flags().BoolVar(&write, "write", false, "replace the files")
	return cmd
}

type fixer struct {
	out, said   io.Writer
	diff, write bool
	problems    []manifest.Problem
	printed     bool // a file before this one
	newline     bool // that ended with its line
}

func (f *fixer) problem(p manifest.Problem) { f.problems = append(f.problems, p) }

func (f *fixer) file(name string, stdin io.Reader, repair func([]byte) ([]byte, []manifest.Repaired, []manifest.Problem)) {
	r, err := manifest.Open(name, stdin)
	if err != nil {
		f.problem(asProblem(name, err))
		return
	}
	text, err := io.ReadAll(r)
	_ = r.Close() // it was only read
	if err != nil {
		f.problem(manifest.Unreadable(manifest.Name(name), 0, err))
		return
	}
	fixed, repaired, problems := repair(text)
	f.problems = append(f.problems, problems...)
	if f.write && slices.ContainsFunc(problems, func(p manifest.Problem) bool { return !p.Unsafe }) {
		return // nothing is written where something is wrong
	}
	if err := f.put(name, text, fixed); err != nil {
		f.problem(manifest.Problem{File: manifest.Name(name), Text: err.Error()})
		return
	}
	for _, one := range repaired {
		what := make([]string, len(one.Fixed))
		for i, fix := range one.Fixed {
			what[i] = fix.String()
		}
		_, _ = fmt.Fprintf(f.said, "%s:%d: %s %s: fixed %s\n", manifest.Name(name), one.Line, one.Kind, one.Name, strings.Join(what, ", "))
	}
}

// put prints the fixed text, or the change, or writes the file.
func (f *fixer) put(name string, text, fixed []byte) error {
	switch {
	case f.diff:
		if bytes.Equal(text, fixed) {
			return nil
		}
		return writeDiff(f.out, relative(manifest.Name(name)), splitLines(text), splitLines(fixed))
	case f.write && name != manifest.Stdin:
		if bytes.Equal(text, fixed) {
			return nil
		}
		return replace(name, text, fixed)
	}
	between := ""
	if f.printed && !f.newline {
		between = "\n"
	}
	if f.printed && !bytes.HasPrefix(fixed, []byte("---")) {
		between += "---\n"
	}
	f.printed, f.newline = true, bytes.HasSuffix(fixed, []byte("\n"))
	_, err := f.out.Write(append([]byte(between), fixed...))
	return err
}

// relative is the name from here on, where it is below: patch takes no other from a diff.
func relative(name string) string {
	if here, err := filepath.Abs("."); err == nil && filepath.IsAbs(name) {
		if below, err := filepath.Rel(here, name); err == nil && !strings.HasPrefix(below, "..") {
			return below
		}
	}
	return name
}

// replace writes a file in one step, with its mode kept: a reader sees the old text or the new one.
func replace(name string, was, fixed []byte) error {
	target, err := filepath.EvalSymlinks(name) // the file itself, not the link to it
	if err != nil {
		return err
	}
	info, err := os.Stat(target)
	if err != nil {
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(target), ".podvet-*")
	if err != nil {
		return fmt.Errorf("cannot be written: %w", err)
	}
	defer func() { _ = os.Remove(temp.Name()) }() // gone already when all went well
	if _, err := temp.Write(fixed); err != nil {
		return fmt.Errorf("cannot be written: %w", err)
	}
	if err := temp.Chmod(info.Mode().Perm()); err != nil {
		return fmt.Errorf("cannot be written: %w", err)
	}
	if err := temp.Close(); err != nil {
		return fmt.Errorf("cannot be written: %w", err)
	}
	if now, err := os.ReadFile(target); err != nil || !bytes.Equal(now, was) {
		return errors.New("has changed while it was read: nothing is written, run podvet fix again")
	}
	return os.Rename(temp.Name(), target)
}
