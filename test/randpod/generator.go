// Package randpod makes random pods and workloads that look like real ones: small numbers, few names, the odd mistake
// and the odd extreme, so that rules meet each other. Tests use it; nothing else does.
package randpod

import (
	"math"
	"math/rand/v2"
)

// Generator draws pods and workloads.
type Generator struct {
	r *rand.Rand
	// Valid leaves out what the API server refuses: broken probes, unknown policies, hooks longer than the grace.
	Valid bool
}

// New draws from a seed.
func New(seed uint64) *Generator { return &Generator{r: rand.New(rand.NewPCG(seed, 1))} }

// FromBytes draws one choice from each byte, so that a fuzzer that changes a byte changes a choice. After the last byte
// it goes on from a fixed seed.
func FromBytes(choices []byte) *Generator {
	return &Generator{r: rand.New(&bytesSource{choices, rand.NewPCG(1, 1)})}
}

// bytesSource is a rand.Source.
type bytesSource struct {
	left []byte
	rest rand.Source
}

// Uint64 has the byte in all places: math/rand/v2 reads a small number from the low bits or from the high ones.
func (s *bytesSource) Uint64() uint64 {
	if len(s.left) == 0 {
		return s.rest.Uint64()
	}
	choice := uint64(s.left[0])
	s.left = s.left[1:]
	return choice * 0x0101010101010101
}

// oneIn is true once in n times.
func (g *Generator) oneIn(n int) bool { return g.r.IntN(n) == 0 }

// pick takes one of the options.
func pick[T any](g *Generator, options ...T) T { return options[g.r.IntN(len(options))] }

// maybe is nil or one of the options.
func maybe[T any](g *Generator, options ...T) *T {
	if g.oneIn(2) {
		return nil
	}
	v := pick(g, options...)
	return &v
}

// number is mostly one of the usual ones, at times any up to some minutes, and at times an extreme.
func (g *Generator) number(usual ...int32) int32 {
	switch g.r.IntN(16) {
	case 0:
		return pick[int32](g, 0, 1, math.MaxInt32, math.MaxInt32-1)
	case 1, 2:
		return g.r.Int32N(400)
	case 3:
		if !g.Valid {
			return pick[int32](g, -1, math.MinInt32)
		}
	}
	return pick(g, usual...)
}
