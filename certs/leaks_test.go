package certs

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain: no test leaves a goroutine behind, and so nothing of the product does.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
