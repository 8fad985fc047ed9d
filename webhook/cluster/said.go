package cluster

import "sync/atomic"

// said is the text that was said last, for logs that repeat nothing. It is ready for use, and safe for concurrent use.
// The handler's own does the same: a copy, because what follows the cluster must not import the handler.
type said struct{ text atomic.Pointer[string] }

// changed notes a text and tells whether it differs from the last one. The first one does.
func (s *said) changed(text string) bool {
	last := s.text.Swap(&text)
	return last == nil || *last != text
}

// last is the text, "" where there was none.
func (s *said) last() string {
	if text := s.text.Load(); text != nil {
		return *text
	}
	return ""
}
