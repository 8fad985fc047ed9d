package rules

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
)

// How messages write things.

func seconds(n int64) string { return strconv.FormatInt(n, 10) + " s" }

func count(n int64) string { return strconv.FormatInt(n, 10) }

func quote(s string) string { return strconv.Quote(s) }

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
