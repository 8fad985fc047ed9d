package stream

import "runtime"

// The text that is in hand at any time, in units: a document takes one or more.
const (
	textUnit   = 64 << 10
	textInHand = 16 << 20 / textUnit
)

// Parallel works on all processors; the results come in the order of the input.
type Parallel[T any] struct {
	results chan result[T]
	work    chan func()
	inHand  chan struct{} // an entry for each unit
}

type result[T any] struct {
	ready chan T
	units int
}

// NewParallel waits for work.
func NewParallel[T any]() *Parallel[T] {
	p := &Parallel[T]{make(chan result[T], 256), make(chan func(), 256), make(chan struct{}, textInHand)}
	for range runtime.GOMAXPROCS(0) {
		go func() {
			for do := range p.work {
				do()
			}
		}()
	}
	return p
}

// Submit waits until a text of a length may be in hand, and has it worked on.
func (p *Parallel[T]) Submit(length int, do func() T) {
	one := result[T]{make(chan T, 1), min(1+length/textUnit, textInHand)}
	for range one.units {
		p.inHand <- struct{}{}
	}
	p.results <- one
	p.work <- func() { one.ready <- do() }
}

// Each hands over the results, and lets go of their texts.
func (p *Parallel[T]) Each(take func(T)) {
	for one := range p.results {
		take(<-one.ready)
		for range one.units {
			<-p.inHand
		}
	}
}

// End tells that nothing more is submitted.
func (p *Parallel[T]) End() {
	close(p.results)
	close(p.work)
}
