package main

import (
	"github.com/podvet/podvet/cmd/podvet/internal/console"
	"github.com/podvet/podvet/rules/policy/strict"
)

// usage says what is wrong with a command line.
var usage = console.Usage{Nearest: strict.DidYouMean}
