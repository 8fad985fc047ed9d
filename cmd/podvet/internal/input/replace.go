package input

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// ErrChanged ends a replacement: an editor that saves between reading and writing wins.
var ErrChanged = errors.New("has changed while it was read: run podvet fix again")

// Replacement is a file's new text, written beside it.
type Replacement struct{ target, temp string }

// NewReplacement writes the new text.
func NewReplacement(name string, text []byte) (*Replacement, error) {
	target, err := filepath.EvalSymlinks(name) // the file itself, not the link to it
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
	r := &Replacement{target, temp.Name()}
	_, err = temp.Write(text)
	err = errors.Join(err, temp.Chmod(info.Mode()), temp.Close())
	if err != nil {
		r.Forget()
		return nil, fmt.Errorf("cannot be written: %w", err)
	}
	return r, nil
}

// Replace puts the new text in the file's place in one step: a reader sees the old text or the new one. expected tells
// whether what the file holds now may go.
func (r *Replacement) Replace(expected func(now []byte) bool) error {
	if now, err := os.ReadFile(r.target); err != nil || !expected(now) {
		return ErrChanged
	}
	return os.Rename(r.temp, r.target)
}

// Forget removes the new text; it is gone already where it took its place.
func (r *Replacement) Forget() {
	_ = os.Remove(r.temp)
}
