package main

import (
	"bytes"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/podvet/podvet/cmd/podvet/internal/manifest"
	"github.com/podvet/podvet/cmd/podvet/internal/report"
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
safely, because its place is an alias or a template's line, is left alone, and the line is named. Where anything else
is wrong with one of the files, --write writes none of them.

Exit status: 0 all is well, 2 not all of the work could be done.`,
		Example: `  podvet fix --diff deploy/
  podvet fix --write deploy/`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if diff && write {
				return errors.New("--diff and --write exclude each other: choose one")
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
			f := fixer{out: cmd.OutOrStdout(), said: cmd.ErrOrStderr(), diff: diff, write: write, by: judgement{p, namespaces}, seed: maphash.MakeSeed()}
			f.lookAt(args, stdin, tell("judged"))
			done()
			f.finish()
			warnOf(cmd, namespaces)
			return allProblems(f.problems)
		},
	}
	policyOf.register(cmd)
	cmd.Flags().BoolVar(&diff, "diff", false, "print the changes as a unified diff")
	cmd.Flags().BoolVar(&write, "write", false, "replace the files")
	return cmd
}

// fixer looks at all files before it prints or writes any, and keeps of each no more than the edits.
type fixer struct {
	out, said   io.Writer
	diff, write bool
	by          judgement
	seed        maphash.Seed
	files       []fixable
	problems    []manifest.Problem
	printed     bool // a file before this one
	newline     bool // that ended with its line
}

// fixable is a file and what is to be done to it.
type fixable struct {
	name     string
	once     bool   // it can be read only once: this is its text
	text     []byte //
	sum      uint64 // of the text
	edits    []manifest.Edit
	repaired []manifest.Repaired
}

func (f *fixer) problem(p manifest.Problem) { f.problems = append(f.problems, p) }

func (f *fixer) lookAt(args []string, stdin io.Reader, progress func()) {
	seen := map[string]bool{}
	manifest.Files(args, func(name string) bool {
		if f.write && name != manifest.Stdin { // once is enough, however often it is named
			target, err := filepath.EvalSymlinks(name)
			if err == nil {
				target, err = filepath.Abs(target)
			}
			if err == nil && seen[target] {
				return true
			}
			seen[target] = true
		}
		r, err := manifest.Open(name, stdin)
		if err != nil {
			f.problem(manifest.AsProblem(name, err))
			return true
		}
		defer func() { _ = r.Close() }() // it was only read
		var text bytes.Buffer
		source := summed{r: r}
		source.sum.SetSeed(f.seed)
		one := fixable{name: name, once: name == manifest.Stdin}
		if info, err := os.Stat(name); !one.once && err == nil && !info.Mode().IsRegular() {
			one.once = true
		}
		if one.once {
			source.r = io.TeeReader(r, &text)
		}
		var problems []manifest.Problem
		one.edits, one.repaired, problems = manifest.Repair(manifest.Name(name), &source, f.by.plan, progress)
		f.problems = append(f.problems, problems...)
		if source.failed {
			return true
		}
		one.text, one.sum = text.Bytes(), source.sum.Sum64()
		if len(one.edits) > 0 || !f.diff && (!f.write || name == manifest.Stdin) { // what is printed whole
			f.files = append(f.files, one)
		}
		return true
	}, f.problem)
}

// summed is a file that is read, with the sum of its text.
type summed struct {
	r      io.Reader
	sum    maphash.Hash
	failed bool
}

func (s *summed) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	_, _ = s.sum.Write(p[:n]) // it never fails
	s.failed = s.failed || err != nil && !errors.Is(err, io.EOF)
	return n, err
}

// finish prints or writes all files; it writes none where something is wrong that is more than a fix left to people.
func (f *fixer) finish() {
	if f.write && slices.ContainsFunc(f.problems, func(p manifest.Problem) bool { return !p.Unsafe }) {
		if len(f.files) > 0 {
			f.problem(manifest.Problem{File: "podvet", Text: "no file is written: mend what is wrong, or leave that file out"})
		}
		return
	}
	ready, err := f.prepare()
	defer func() {
		for _, r := range ready {
			r.forget()
		}
	}()
	if err != nil {
		return
	}
	for i, one := range f.files {
		put := f.put
		if ready[i] != nil {
			put = func(fixable) error { return ready[i].replace() }
		}
		if err := put(one); err != nil {
			f.problem(manifest.Problem{File: manifest.Name(one.name), Text: err.Error()})
			continue
		}
		for _, r := range one.repaired {
			what := make([]string, len(r.Fixed))
			for i, fix := range r.Fixed {
				what[i] = fix.String()
			}
			line := fmt.Sprintf("%s:%d: %s %s: fixed %s", manifest.Name(one.name), r.Line, r.Kind, r.Name, strings.Join(what, ", "))
			_, _ = fmt.Fprintln(f.said, report.Printable(line))
		}
	}
}

// prepare writes the new texts beside the files, for all of them before one is replaced: a full disk or a folder
// without permission leaves everything as it was. An entry is nil for what is printed.
func (f *fixer) prepare() ([]*replacement, error) {
	ready := make([]*replacement, len(f.files))
	for i, one := range f.files {
		if !f.write || one.name == manifest.Stdin {
			continue
		}
		text, err := f.textOf(one)
		if err == nil {
			ready[i], err = newReplacement(one, f.seed, manifest.Splice(text, one.edits))
		}
		if err != nil {
			f.problem(manifest.Problem{File: manifest.Name(one.name), Text: err.Error() + ": no file is written"})
			return ready, err
		}
	}
	return ready, nil
}

// textOf is the text that was looked at.
func (f *fixer) textOf(one fixable) ([]byte, error) {
	if one.once {
		return one.text, nil
	}
	text, err := os.ReadFile(one.name)
	if err != nil {
		return nil, fmt.Errorf("cannot be read: %w", err)
	}
	if maphash.Bytes(f.seed, text) != one.sum {
		return nil, errChanged
	}
	return text, nil
}

// put prints the fixed text, or the change.
func (f *fixer) put(one fixable) error {
	text, err := f.textOf(one)
	if err != nil {
		return err
	}
	if f.diff {
		return writeDiff(f.out, relative(manifest.Name(one.name)), text, one.edits)
	}
	fixed := text
	if len(one.edits) > 0 {
		fixed = manifest.Splice(text, one.edits)
	}
	between := ""
	if f.printed && !f.newline {
		between = "\n"
	}
	switch start := bytes.TrimPrefix(fixed, []byte("\uFEFF")); {
	case !f.printed || bytes.HasPrefix(start, []byte("---")):
	case bytes.HasPrefix(start, []byte("%")): // directives stand after the end of a document
		between += "...\n"
	default:
		between += "---\n"
	}
	f.printed, f.newline = true, bytes.HasSuffix(fixed, []byte("\n"))
	if _, err := io.WriteString(f.out, between); err != nil {
		return err
	}
	_, err = f.out.Write(fixed)
	return err
}

var errChanged = errors.New("has changed while it was read: run podvet fix again")

// relative is the name from here on, where it is below: patch takes no other from a diff.
func relative(name string) string {
	if here, err := filepath.Abs("."); err == nil && filepath.IsAbs(name) {
		if below, err := filepath.Rel(here, name); err == nil && !strings.HasPrefix(below, "..") {
			return below
		}
	}
	return name
}

// replacement is a file's new text, written beside it.
type replacement struct {
	target, temp string
	seed         maphash.Seed
	sum          uint64 // of the text that it replaces
}

func newReplacement(one fixable, seed maphash.Seed, fixed []byte) (*replacement, error) {
	target, err := filepath.EvalSymlinks(one.name) // the file itself, not the link to it
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(target)
	if err != nil {
		return nil, err
	}
	temp, err := os.CreateTemp(filepath.Dir(target), ".podvet-*")
	if err != nil {
		return nil, fmt.Errorf("cannot be written: %w", err)
	}
	r := &replacement{target, temp.Name(), seed, one.sum}
	_, err = temp.Write(fixed)
	err = errors.Join(err, temp.Chmod(info.Mode()), temp.Close())
	if err != nil {
		r.forget()
		return nil, fmt.Errorf("cannot be written: %w", err)
	}
	return r, nil
}

// replace puts the new text in the file's place in one step: a reader sees the old text or the new one.
func (r *replacement) replace() error {
	if now, err := os.ReadFile(r.target); err != nil || maphash.Bytes(r.seed, now) != r.sum {
		return errChanged
	}
	return os.Rename(r.temp, r.target)
}

// forget removes the new text; it is gone already where it took its place.
func (r *replacement) forget() {
	if r != nil {
		_ = os.Remove(r.temp)
	}
}
