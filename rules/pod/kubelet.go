package pod

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Kubelets are a range of the kubelet's minor versions: from 1.From to 1.To. Zero is all of them.
type Kubelets struct{ From, To int }

// Newest is the version of Kubernetes that podvet's types are of.
const Newest = 37

// What differs by the kubelet's version.
var (
	// LateStartupGate: after a liveness kill the new container inherits that the old one was started, until its
	// startupProbe has run once; until then liveness probes it (kubernetes#141155, fixed in 1.38 by #141342).
	LateStartupGate = Kubelets{35, 37}
	// GRPCWaits: a refused connection of a grpc probe lasts until the timeout (kubernetes#142457, fixed in 1.38).
	GRPCWaits = Kubelets{0, 37}
	// KnownFields: a later version may have fields that podvet's types do not have.
	KnownFields = Kubelets{0, Newest}
)

// Beside are the kubelets that may run beside an API server of a minor version: from three below it
// (Kubernetes' version skew policy).
func Beside(apiServer int) Kubelets { return Kubelets{apiServer - 3, apiServer} }

// MinorOf reads the minor version that an API server says it has, such as "37" or "37+": Newest where that is not a
// number.
func MinorOf(text string) int {
	minor, err := strconv.Atoi(strings.TrimRight(text, "+"))
	if err != nil {
		return Newest
	}
	return minor
}

// Overlap tells whether a version is in both ranges.
func (k Kubelets) Overlap(other Kubelets) bool {
	all := Kubelets{}
	return k == all || other == all || k.From <= other.To && other.From <= k.To
}

// String is the range as a policy writes it.
func (k Kubelets) String() string {
	if k.From == k.To {
		return fmt.Sprintf("1.%d", k.From)
	}
	return fmt.Sprintf("1.%d-1.%d", k.From, k.To)
}

var kubeletRange = regexp.MustCompile(`^1\.(\d{1,3})(?:-1\.(\d{1,3}))?$`)

// ParseKubelets reads a version, such as 1.37, or a range, such as 1.35-1.37.
func ParseKubelets(text string) (Kubelets, error) {
	match := kubeletRange.FindStringSubmatch(text)
	if match == nil {
		return Kubelets{}, fmt.Errorf(
			`%q is not a range of Kubernetes versions: write one such as "1.35-1.37" or "1.37"`, text)
	}
	from, _ := strconv.Atoi(match[1]) // digits
	to := from
	if match[2] != "" {
		to, _ = strconv.Atoi(match[2])
	}
	if from < 1 || to < from {
		return Kubelets{}, fmt.Errorf("%q ends before it starts: write the lower version first", text)
	}
	return Kubelets{from, to}, nil
}
