//go:build race

package e2e

// slow is how much longer things may take: the race detector makes all of it several times slower.
const slow = 10
