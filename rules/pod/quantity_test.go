package pod

import (
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
)

func TestQuantityReadable(t *testing.T) {
	for quantity, want := range map[string]bool{
		`"1"`: true, `1.5`: true, `"100m"`: true, `"1Ei"`: true, `"1E"`: true, `"1e3"`: true, `"1E-999"`: true,
		`"1e-2000000000"`: false, `1e2000000000`: false, `"1E+10000"`: false,
		`"` + strings.Repeat("7", 200) + `"`: false,
	} {
		if got := QuantityReadable([]byte(quantity)); got != want {
			t.Errorf("%s: %v", quantity, got)
		}
	}
	begin := time.Now()
	if _, err := resource.ParseQuantity("1e-999"); err != nil || time.Since(begin) > time.Second {
		t.Errorf("the longest exponent takes %s: %v", time.Since(begin), err)
	}
}
