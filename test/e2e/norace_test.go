//go:build !race

package e2e

// slow is how much longer things may take, see race_test.go.
const slow = 1
