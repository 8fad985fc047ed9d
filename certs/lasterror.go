package certs

// lastError is the outcome of what is tried again and again. Only one that is new is worth a line in the log.
type lastError struct{ err error }

// becomes notes the outcome of an attempt, nil for a good one. It tells whether that is an error with other words
// than the one before.
func (l *lastError) becomes(err error) bool {
	before := l.err
	l.err = err
	return err != nil && (before == nil || before.Error() != err.Error())
}
