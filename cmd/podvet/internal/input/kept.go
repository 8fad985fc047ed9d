package input

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
)

// kept is what can be read only once, kept to be read again: in a file that is gone once it is closed, or where there
// is no folder for one, as in a container without /tmp, in memory.
type kept struct {
	source io.Reader
	err    error // of reading it, for the second look to meet at the same place
	full   error // of keeping it
	file   *os.File
	text   []byte
	rest   bytes.Reader // of text
}

// tee reads the source and keeps what it reads.
func (k *kept) tee() io.Reader { return io.TeeReader(readerFunc(k.first), writerFunc(k.keep)) }

func (k *kept) first(p []byte) (int, error) {
	n, err := k.source.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		k.err = err
	}
	return n, err
}

func (k *kept) keep(p []byte) (int, error) {
	if k.file == nil && k.text == nil {
		if file, err := os.CreateTemp("", "podvet-*"); err == nil {
			k.file = file
			_ = os.Remove(file.Name()) // where a system keeps it, its cleaner will find it
		}
	}
	if k.file == nil {
		k.text = append(k.text, p...)
		return len(p), nil
	}
	n, err := k.file.Write(p)
	if err != nil {
		k.full = err
	}
	return n, err
}

func (k *kept) rewind() error {
	if k.full != nil {
		return fmt.Errorf("the input cannot be kept: %w: set TMPDIR to a folder with room, or name files", k.full)
	}
	k.rest.Reset(k.text)
	if k.file == nil {
		return nil
	}
	_, err := k.file.Seek(0, io.SeekStart)
	return err
}

func (k *kept) Read(p []byte) (int, error) {
	read := k.rest.Read
	if k.file != nil {
		read = k.file.Read
	}
	n, err := read(p)
	if errors.Is(err, io.EOF) && k.err != nil {
		err = k.err
	}
	return n, err
}

func (k *kept) Close() error {
	if k.file == nil {
		return nil
	}
	return k.file.Close()
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
