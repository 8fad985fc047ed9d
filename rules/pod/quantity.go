package pod

import "bytes"

// The longest quantity that is read, in bytes, and its longest exponent, in digits.
const longestQuantity, longestExponent = 128, 3

// QuantityReadable tells whether a quantity, as it is written in JSON, can be read in no time. 1e-2000000000 takes
// minutes and gigabytes (apimachinery pkg/api/resource ParseQuantity). Where it cannot, leave it at 0: no rule asks how
// much there is of a resource, only whether there is any.
func QuantityReadable(quantity []byte) bool {
	if len(quantity) > longestQuantity {
		return false
	}
	e := bytes.IndexAny(quantity, "eE")
	return e < 0 || len(bytes.Trim(quantity[e+1:], `+-"`)) <= longestExponent
}
