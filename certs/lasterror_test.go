package certs

import (
	"errors"
	"testing"
)

func TestLastError(t *testing.T) {
	l := lastError{errors.New("starting")}
	for i, c := range []struct {
		err  error
		news bool
	}{
		{errors.New("starting"), false}, // the same words, another value
		{errors.New("a"), true},
		{errors.New("a"), false},
		{errors.New("b"), true},
		{errors.New("a"), true},
		{nil, false},
		{nil, false},
		{errors.New("a"), true}, // it had ended
	} {
		if news := l.becomes(c.err); news != c.news || l.err != c.err { //nolint:errorlint // this very one
			t.Errorf("%d: %v, news %v", i, l.err, news)
		}
	}
}
