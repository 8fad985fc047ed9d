package why

import (
	"fmt"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/podvet/podvet/cmd/podvet/internal/console"
)

// seconds is a length as formulas have it: 20 s.
func seconds(n int64) string { return strconv.FormatInt(n, 10) + " s" }

// length is a length as a person says it: 45 s, 3 min, 2 h.
func length(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return seconds(int64(d.Round(time.Second) / time.Second))
	case d < 2*time.Hour:
		return strconv.FormatInt(int64(d.Round(time.Minute)/time.Minute), 10) + " min"
	case d < 48*time.Hour:
		return strconv.FormatInt(int64(d.Round(time.Hour)/time.Hour), 10) + " h"
	}
	return strconv.FormatInt(int64(d/(24*time.Hour)), 10) + " days"
}

// between is a length that is known within bounds: 30 to 31 s.
func between(low, high time.Duration) string {
	if low == high {
		return length(low)
	}
	if high < 2*time.Minute {
		return fmt.Sprintf("%d to %s", int64(low/time.Second), length(high))
	}
	return length(low) + " to " + length(high)
}

// times counts: once, 5 times.
func times(n int32) string {
	if n == 1 {
		return "once"
	}
	return strconv.Itoa(int(n)) + " times"
}

// clock is a time in UTC.
func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") }

// until is a later time in UTC: without the day where that is the same.
func until(from, to time.Time) string {
	if from.UTC().YearDay() == to.UTC().YearDay() && from.UTC().Year() == to.UTC().Year() {
		return to.UTC().Format("15:04:05")
	}
	return clock(to)
}

// about begins a message about a container.
func about(name string) string { return "container " + strconv.Quote(name) + ": " }

// runText is an ended run as evidence.
func runText(run *corev1.ContainerStateTerminated) string {
	text := "status: "
	if !run.StartedAt.IsZero() {
		text += "started " + clock(run.StartedAt.Time) + ", "
	}
	text += fmt.Sprintf("ended %s, exit code %d", until(run.StartedAt.Time, run.FinishedAt.Time), run.ExitCode)
	if run.Reason != "" {
		text += ", reason " + console.OneLine(run.Reason)
	}
	return text
}
