package stream

import (
	"bytes"
	"compress/flate"
	"encoding/gob"
	"errors"
	"io"
	"iter"
)

// Packed is a list that is kept packed: the same words come again and again, so that little is held however long the
// input is.
type Packed[T any] struct {
	buffer  bytes.Buffer
	zip     *flate.Writer
	encoder *gob.Encoder
}

// NewPacked is an empty list.
func NewPacked[T any]() *Packed[T] {
	p := &Packed[T]{}
	p.zip, _ = flate.NewWriter(&p.buffer, flate.BestSpeed) // the level is one
	p.encoder = gob.NewEncoder(p.zip)
	return p
}

// Add puts one at the end.
func (p *Packed[T]) Add(one T) {
	if err := p.encoder.Encode(one); err != nil {
		panic(err) // a buffer takes all, and the types are known
	}
}

// All is the list, to be read as often as is asked. It ends the adding.
func (p *Packed[T]) All() iter.Seq[T] {
	if err := p.zip.Close(); err != nil {
		panic(err)
	}
	p.zip, p.encoder = nil, nil
	return func(yield func(T) bool) {
		for decoder := gob.NewDecoder(flate.NewReader(bytes.NewReader(p.buffer.Bytes()))); ; {
			var one T
			switch err := decoder.Decode(&one); {
			case errors.Is(err, io.EOF):
				return
			case err != nil:
				panic(err) // Add wrote it
			}
			if !yield(one) {
				return
			}
		}
	}
}
