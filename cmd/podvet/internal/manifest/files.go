package manifest

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Stdin is the name of standard input in reports.
const Stdin = "stdin"

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
			problem(Problem{arg, 0, "cannot be read: " + reason(err)})
			continue
		}
		if !info.IsDir() {
			if !yield(arg) {
				return
			}
			continue
		}
		if !folder(arg, yield, problem) {
			return
		}
	}
}

func folder(root string, yield func(string) bool, problem func(Problem)) bool {
	found, goOn := 0, true
	_ = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			problem(Problem{path, 0, "cannot be read: " + reason(err)})
			found++ // that nothing is there cannot be said
			return nil
		case entry.IsDir() || !isManifest(path):
			return nil
		case entry.Type()&fs.ModeSymlink != 0:
			if info, err := os.Stat(path); err == nil && info.IsDir() {
				return nil
			}
		}
		found++
		if !yield(path) {
			goOn = false
			return fs.SkipAll
		}
		return nil
	})
	if found == 0 && goOn {
		problem(Problem{root, 0, "holds no *.yaml, *.yml or *.json file: name a folder with manifests"})
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

// Open opens what Files yields.
func Open(name string, stdin io.Reader) (io.ReadCloser, error) {
	if name == Stdin {
		return io.NopCloser(stdin), nil
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, Problem{name, 0, "cannot be read: " + reason(err)}
	}
	return file, nil
}

// reason is what the system says, without the path, which stands before it already.
func reason(err error) string {
	if pathError, ok := err.(*fs.PathError); ok { //nolint:errorlint // as the os package returns it
		return pathError.Err.Error()
	}
	return err.Error()
}
