package stream

import "runtime"

// The text that is read and not yet judged at any time, in units: a document takes one or more.
const (
	textUnit   = 64 << 10
	textInHand = 16 << 20 / textUnit
)

// Parallel works on all processors; the results come in the order of the input.
type Parallel[T any] struct {
	Results chan chan T
	work    chan func()
	inHand  chan struct{} // an entry for each unit
}

// NewParallel waits for work.
func NewParallel[T any]() *Parallel[T] {
	p := &Parallel[T]{make(chan chan T, 256), make(chan func(), 256), make(chan struct{}, textInHand)}
	for range runtime.GOMAXPROCS(0) {
		go func() {
			for do := range p.work {
				do()
			}
		}()
	}
	return p
}

// Submit waits until a document of a length may be in hand, and has it judged.
func (p *Parallel[T]) Submit(length int, do func() T) {
	units := min(1+length/textUnit, textInHand)
	for range units {
		p.inHand <- struct{}{}
	}
	result := make(chan T, 1)
	p.Results <- result
	p.work <- func() {
		result <- do()
		for range units {
			<-p.inHand
		}
	}
}

// End tells that nothing more is submitted.
func (p *Parallel[T]) End() {
	close(p.Results)
	close(p.work)
}
