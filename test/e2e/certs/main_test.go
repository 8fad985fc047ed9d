// Package certs_test has podvet's certificates against a real API server: they rotate, are broken and repaired, and no
// call ever meets one that the published CA bundle does not verify.
package certs_test

import (
	"flag"
	"os"
	"testing"

	"github.com/podvet/podvet/test/e2e/env"
)

var long = flag.Bool("long", false,
	"rotate certificates and replace replicas for some 15 minutes, until it is believed, and not just a few times")

func TestMain(m *testing.M) {
	os.Exit(env.Main(m, nil))
}
