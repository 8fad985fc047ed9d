package manifest

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Stdin is what Files yields for standard input, and Name how reports call it.
const Stdin = "-"

// Name is how reports call what Files yields.
func Name(file string) string {
	if file == Stdin {
		return "stdin"
	}
	return file
}

// Files yields the manifests that arguments name: a file, a folder's *.yaml, *.yml and *.json files at any
// depth, "-" for standard input. Links to folders are not followed. No argument is standard input.
func Files(args []string, yield func(name string) bool, problem func(Problem)) {
	if len(args) == 0 {
		args = []string{"-"}
	}
	for _, arg := range args {
		if arg == "-" {
			if !yield(Stdin) {
				return
			}
			continue
		}
		info, err := os.Stat(arg)
		if err != nil {
			problem(Unreadable(arg, 0, err))
			continue
		}
		if !info.IsDir() {
			if !yield(arg) {
				return
			}
			continue
		}
		if !folder(strings.TrimSuffix(arg, "/")+"/", yield, problem) { // with the slash also a link that was asked for
			return
		}
	}
}

func folder(root string, yield func(string) bool, problem func(Problem)) bool {
	found, goOn := 0, true
	_ = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			problem(Unreadable(path, 0, err))
			found++ // that nothing is there cannot be said
			return nil
		case entry.IsDir() || !isManifest(path):
			return nil
		}
		// A link to a file is read, one to a folder is not followed, a pipe would be waited for.
		if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
			return nil
		}
		found++
		if !yield(path) {
			goOn = false
			return fs.SkipAll
		}
		return nil
	})
	if found == 0 && goOn {
		problem(Problem{File: strings.TrimSuffix(root, "/"), Text: "holds no *.yaml, *.yml or *.json file: name a folder with manifests"})
	}
	return goOn
}

func isManifest(path string) bool {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".yaml", ".yml", ".json":
		return true
	}
	return false
}

// Open opens what Files yields; stdin is what ReadNamespaces returns, where that has read the input before.
func Open(name string, stdin io.Reader) (io.ReadCloser, error) {
	if name == Stdin {
		return io.NopCloser(stdin), nil
	}
	if again, ok := stdin.(*ReadOnce); ok && again.pipes[name] != nil {
		return io.NopCloser(again.pipes[name]), nil
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, Unreadable(Name(name), 0, err)
	}
	return file, nil
}

// Unreadable is the problem of a file that fails at a line, 0 for none. The system's own reason names the path,
// which stands before it already.
func Unreadable(file string, line int, err error) Problem {
	if pathError, ok := errors.AsType[*fs.PathError](err); ok {
		err = pathError.Err
	}
	return Problem{File: file, Line: line, Text: "cannot be read: " + err.Error()}
}
