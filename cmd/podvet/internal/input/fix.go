package input

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

	"github.com/podvet/podvet/cmd/podvet/internal/console"
	"github.com/podvet/podvet/cmd/podvet/internal/manifest"
	"github.com/podvet/podvet/cmd/podvet/internal/report"
	"github.com/podvet/podvet/cmd/podvet/internal/stream"
	"github.com/podvet/podvet/cmd/podvet/internal/vet"
)

// Fixer prints manifests with the fixes applied, prints the changes alone, or replaces the files. What is fixed is for
// vet to say, and where in a text for manifest. It looks at all files before it prints or writes any, and keeps of each
// no more than the edits.
type Fixer struct {
	Out, Said   io.Writer // for the fixed text, and for what is said beside it
	Diff, Write bool      // print the changes alone, replace the files
	Changes     vet.Changes
	Problems    []manifest.Problem
	Fixed       int // objects

	seed    maphash.Seed
	files   []fixable
	printed bool // a file before this one
	newline bool // that ended with its line
}

// fixable is a file and what is to be done to it.
type fixable struct {
	name string
	once bool   // it can be read only once: this is its text
	text []byte //
	sum  uint64 // of the text
	size int    // of the text, in bytes
	manifest.Repairs
}

// Problem adds one.
func (f *Fixer) Problem(p manifest.Problem) { f.Problems = append(f.Problems, p) }

// LookAt works out what is to be done to each file, documents in parallel.
func (f *Fixer) LookAt(in *Input, progress func()) {
	f.seed = maphash.MakeSeed()
	work := stream.NewParallel[func()]() // what a document comes to, for f to take up in the order of the input
	go func() {
		defer work.End()
		now := func(take func()) { work.Submit(0, func() func() { return take }) }
		document := func(length int, look func() (take func())) {
			work.Submit(length, func() func() {
				defer progress()
				return look()
			})
		}
		problem := func(p manifest.Problem) { now(func() { f.Problem(p) }) }
		seen := map[string]bool{}
		in.Files(Entries{File: func(name string, inFolder bool) {
			if f.Write && name != Stdin { // once is enough, however often it is named
				target, err := filepath.EvalSymlinks(name)
				if err == nil {
					target, err = filepath.Abs(target)
				}
				if err == nil && seen[target] {
					return
				}
				seen[target] = true
			}
			in.Text(name, func(shown string, r io.Reader) {
				one := &fixable{name: name, once: in.Once(name)}
				failed := f.read(one, shown, r, inFolder || in.SkipOthers, document)
				now(func() { f.keep(one, failed) })
			}, problem)
		}, Skipped: func(name, kind, reason string) { now(func() { f.skip(name, kind, reason) }) }, Problem: problem})
	}()
	work.Each(func(take func()) { take() })
}

// skip counts a file that is left out. A kustomization or a patch is printed as it is: it is part of what is applied.
func (f *Fixer) skip(name, kind, reason string) {
	if kind == "" {
		f.Changes.Skip("", "", reason)
		if !report.IsPatch(reason) {
			return
		}
	}
	f.Changes.Holds = true
	if f.Write || f.Diff {
		return
	}
	text, err := os.ReadFile(name)
	if err != nil {
		f.Problem(stream.Unreadable(name, 0, err))
		return
	}
	f.files = append(f.files, fixable{name: name, sum: maphash.Bytes(f.seed, text), size: len(text)})
}

// read has the documents of one file looked at, and tells whether reading it failed.
func (f *Fixer) read(
	one *fixable, shown string, r io.Reader, skipOthers bool, document func(length int, look func() (take func())),
) (failed bool) {
	var text bytes.Buffer
	if one.once {
		r = io.TeeReader(r, &text)
	}
	source := summed{r: r}
	source.sum.SetSeed(f.seed)
	stream.Split(shown, &source, func(chunk stream.Chunk) {
		document(len(chunk.Text), func() func() {
			changes := f.Changes.Beside()
			change := changes.Of
			if skipOthers {
				change = changes.OfObject
			}
			repairs := manifest.Repair(chunk, change)
			return func() {
				one.Add(repairs)
				f.Changes.Add(changes)
			}
		})
	}, func(p manifest.Problem) {
		document(0, func() func() { return func() { one.Problems = append(one.Problems, p) } })
	})
	one.text, one.sum, one.size = text.Bytes(), source.sum.Sum64(), source.size
	return source.failed
}

// keep keeps one file if it is to be printed or written, once all of it is looked at.
func (f *Fixer) keep(one *fixable, failed bool) {
	f.Problems = append(f.Problems, one.Problems...)
	kept := !failed && (len(one.Edits) > 0 || !f.Diff)
	if f.Write && one.name != Stdin {
		whole := !slices.ContainsFunc(one.Problems, func(p manifest.Problem) bool { return !p.Unsafe })
		kept = whole && len(one.Edits) > 0
	}
	if kept {
		f.files = append(f.files, *one)
	}
}

// summed is a file that is read, with the sum and the size of its text.
type summed struct {
	r      io.Reader
	sum    maphash.Hash
	size   int // bytes
	failed bool
}

func (s *summed) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	_, _ = s.sum.Write(p[:n]) // it never fails
	s.size += n
	s.failed = s.failed || err != nil && !errors.Is(err, io.EOF)
	return n, err
}

// Finish prints or writes all files. One that fails does not keep the others from being written.
func (f *Fixer) Finish() {
	work := stream.NewParallel[func()]() // what a file comes to, for f to print or write in the order of the input
	go func() {
		defer work.End()
		for _, one := range f.files {
			work.Submit(one.size, func() func() {
				put := func() error { return f.replace(one) }
				if !f.Write || one.name == Stdin {
					put = f.ready(one)
				}
				return func() { f.finish(one, put) }
			})
		}
	}()
	work.Each(func(finish func()) { finish() })
	for _, left := range f.Changes.Left {
		_, _ = fmt.Fprintln(f.Said, console.Printable(left.Error()))
	}
	if len(f.Changes.Skipped) > 0 {
		_, _ = fmt.Fprintln(f.Said, console.Printable("skipped: "+report.SkippedWords(f.Changes.Skipped)))
	}
}

// finish prints or writes one file, and says what is fixed in it.
func (f *Fixer) finish(one fixable, put func() error) {
	if err := put(); err != nil {
		f.Problem(manifest.Problem{File: NameOf(one.name), Text: err.Error()})
		return
	}
	for _, r := range one.Repaired {
		f.Fixed++
		what := make([]string, len(r.Fixed))
		for i, fix := range r.Fixed {
			what[i] = fix.String()
		}
		line := fmt.Sprintf("%s:%d: %s: fixed %s",
			NameOf(one.name), r.Line, r.Title, strings.Join(what, ", "))
		_, _ = fmt.Fprintln(f.Said, console.Printable(line))
	}
}

// replace writes the fixed text in the place of the file.
func (f *Fixer) replace(one fixable) error {
	text, err := f.textOf(one)
	if err != nil {
		return err
	}
	ready, err := NewReplacement(one.name, manifest.Splice(text, one.Edits))
	if err != nil {
		return err
	}
	defer ready.Forget()
	return ready.Replace(func(now []byte) bool { return maphash.Bytes(f.seed, now) == one.sum })
}

// textOf is the text that was looked at.
func (f *Fixer) textOf(one fixable) ([]byte, error) {
	if one.once {
		return one.text, nil
	}
	text, err := os.ReadFile(one.name)
	if err != nil {
		return nil, errors.New(stream.Unreadable("", 0, err).Text)
	}
	if maphash.Bytes(f.seed, text) != one.sum {
		return nil, ErrChanged
	}
	return text, nil
}

// ready makes the fixed text, or the change, to be printed when it is the file's turn.
func (f *Fixer) ready(one fixable) (put func() error) {
	text, err := f.textOf(one)
	if err != nil {
		return func() error { return err }
	}
	fixed := text
	if len(one.Edits) > 0 {
		fixed = manifest.Splice(text, one.Edits)
	}
	if f.Diff {
		change := manifest.Diff(Relative(NameOf(one.name)), text, fixed)
		return func() error {
			_, err := f.Out.Write(change)
			return err
		}
	}
	return func() error { return f.print(fixed) }
}

// print prints a fixed text after those before it.
func (f *Fixer) print(fixed []byte) error {
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
	if _, err := io.WriteString(f.Out, between); err != nil {
		return err
	}
	_, err := f.Out.Write(fixed)
	return err
}
