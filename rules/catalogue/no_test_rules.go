//go:build !panicrule

package catalogue

import "github.com/podvet/podvet/rules"

// testRules are in no release.
var testRules []*rules.Rule
