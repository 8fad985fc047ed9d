package kustomize

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

func isRepository(folder string) bool {
	_, err := os.Lstat(filepath.Join(folder, ".git"))
	return err == nil
}

// Above takes up those in a folder and above it, up to the root of a git repository. A path may lead there by symbolic
// links: then also those above the folder itself.
func (all *Files) Above(absolute string) {
	defer all.locked()()
	for _, folder := range []string{absolute, resolved(absolute)} {
		for ; ; folder = filepath.Dir(folder) {
			if k := all.of(folder); k != nil {
				k.wanted = true
			}
			if isRepository(folder) || filepath.Dir(folder) == folder {
				break
			}
		}
	}
}

// Around takes up those around a folder, which may patch what it holds from wherever they are: in the whole git
// repository, or where there is none, below each folder above it, the nearest first. It ends where folders are not of
// one work any more: the root, users' homes and those for temporary files.
func (all *Files) Around(absolute string) {
	defer all.locked()()
	for at := resolved(absolute); !shared(at); at = filepath.Dir(at) {
		all.below(at)
		if isRepository(at) || all.left < 0 {
			return
		}
	}
}

// shared tells whether a folder holds works that have nothing to do with each other.
func shared(folder string) bool {
	others := []string{"/tmp", "/var/tmp", resolved(os.TempDir())}
	if home, err := os.UserHomeDir(); err == nil {
		others = append(others, resolved(home), filepath.Dir(resolved(home)))
	}
	return filepath.Dir(folder) == folder || slices.Contains(others, folder)
}

// Below takes up those in a folder at any depth.
func (all *Files) Below(folder string) {
	defer all.locked()()
	if absolute, err := filepath.Abs(folder); err == nil {
		all.below(resolved(absolute))
	}
}

func (all *Files) below(folder string) {
	all.walk(folder, func(path string, entry fs.DirEntry) error {
		switch {
		case !entry.IsDir() && IsFile(path):
			all.of(filepath.Dir(path))
		case entry.IsDir() && (entry.Name() == ".git" || entry.Name() == "node_modules" || all.scanned[path]):
			return fs.SkipDir
		}
		return nil
	})
	all.scanned[folder] = all.left >= 0
}

// walk visits what is in a folder at any depth, as long as there are files and folders left to look at.
func (all *Files) walk(folder string, visit func(path string, entry fs.DirEntry) error) {
	_ = filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // what cannot be looked at is not known
		}
		if all.left--; all.left < 0 {
			return fs.SkipAll
		}
		return visit(path, entry)
	})
}

// Cut tells whether there are more files and folders around the input than were looked at.
func (all *Files) Cut() bool { return all.left < 0 }
