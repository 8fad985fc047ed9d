// Package budget divides what podvet has among those who call it: memory, places and connections. It finds out what a
// review takes, and on that way reads the ones that are plain. It must not know what is done with them.
package budget

import "sync"

// Shares is an amount of something that callers take from. One of them may hold at most three times what is left when
// he has taken it: three quarters while he is alone. So something is always left for the next, and who already holds
// much gets more only when others have given back. It is safe for concurrent use.
type Shares struct {
	mu   sync.Mutex
	all  int64
	free int64
	held map[string]int64 // by caller, none that holds nothing
	of   *Shares          // that this is a part of, nil for none
}

const timesTheRest = 3

// NewShares divides an amount, in whatever unit.
func NewShares(amount int64) *Shares {
	return &Shares{all: amount, free: amount, held: map[string]int64{}}
}

// ForOne divides so much that a caller who is alone may hold most, and not one more.
func ForOne(most int64) *Shares {
	return NewShares((most*(timesTheRest+1) + timesTheRest - 1) / timesTheRest)
}

// Part divides again so much of an amount that a caller who is alone may hold most: what is taken of the part is taken
// of the whole.
func (s *Shares) Part(most int64) *Shares {
	part := ForOne(most)
	part.of = s
	return part
}

// Most is what one caller can ever hold.
func (s *Shares) Most() int64 { return s.all * timesTheRest / (timesTheRest + 1) }

// Held is what all callers hold.
func (s *Shares) Held() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all - s.free
}

// Take gives a caller n more, or nothing where that is not left for him.
func (s *Shares) Take(caller string, n int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	held := s.held[caller] + n
	last := held == n && n == s.free // goes to one who holds nothing
	if held > timesTheRest*(s.free-n) && !last || s.of != nil && !s.of.Take(caller, n) {
		return false
	}
	s.held[caller] = held
	s.free -= n
	return true
}

// Release takes back n of what a caller holds.
func (s *Shares) Release(caller string, n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free += n
	if s.held[caller] -= n; s.held[caller] == 0 {
		delete(s.held, caller)
	}
	if s.of != nil {
		s.of.Release(caller, n)
	}
}
