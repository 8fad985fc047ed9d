package catalogue

import (
	"strconv"

	"github.com/podvet/podvet/rules/pod"
)

// How messages write things.

func seconds(n int64) string { return count(n) + " s" }

// span is a time in seconds as people mean it: ten years are a probe without end.
func span(n int64) string {
	if n >= 10*365*24*3600 {
		return "forever"
	}
	return seconds(n)
}

// raiseFailures says how a probe comes to guarantee the seconds.
func raiseFailures(probe pod.Probe, seconds int64) string {
	if failures, ok := pod.Int32(probe.FailuresFor(seconds)); ok {
		return "Raise " + probe.Kind.String() + ".failureThreshold to " + count(int64(failures)) + "."
	}
	return "Raise " + probe.Kind.String() + ".periodSeconds." // the threshold would leave its range
}

func count(n int64) string { return strconv.FormatInt(n, 10) }

func quote(s string) string { return strconv.Quote(s) }
