package manifest

import "github.com/podvet/podvet/cmd/podvet/internal/stream"

// Problem is input that cannot be used, and where: a stream that cannot be read, or what is wrong with an object in it.
type Problem = stream.Problem
