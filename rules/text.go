package rules

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
)

// How messages write things.

func seconds(n int64) string { return strconv.FormatInt(n, 10) + " s" }

// raiseFailures says how a probe comes to guarantee the seconds.
func raiseFailures(probe Probe, seconds int64) string {
	if failures, ok := int32Of(probe.FailuresFor(seconds)); ok {
		return "raise failureThreshold to " + count(int64(failures))
	}
	return "raise periodSeconds" // the threshold would leave its range
}

func count(n int64) string { return strconv.FormatInt(n, 10) }

func quote(s string) string { return strconv.Quote(s) }

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
