package picture

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/podvet/podvet/rules/timeline"
)

// Told says what happens in a scenario that someone chose to a container. boots are by container, "" for that one.
func Told(
	container string, boots map[string]time.Duration, does timeline.Behavior, deleteAt time.Duration,
) (told []string) {
	say := func(format string, args ...any) { told = append(told, fmt.Sprintf(format, args...)) }
	for _, name := range slices.Sorted(maps.Keys(boots)) {
		say("%s boots in %s", cmp.Or(name, container), exactly(boots[name]))
	}
	if does.HangAt > 0 {
		say("%s hangs at %s", container, exactly(does.HangAt))
	}
	if does.Crash > 0 {
		say("%s ends by itself after %s with exit code %d", container, exactly(does.Crash), does.ExitCode)
	}
	if deleteAt > 0 {
		say("the pod is deleted at %s", exactly(deleteAt))
	}
	say("containers stop in %s", exactly(does.StopTakes))
	return told
}

// What is longer is not looked at to its end: a simulation takes its time too.
const (
	longestBoot = 2 * time.Hour
	longestStop = time.Hour
	never       = 1000 * time.Hour
)

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// clock is a time as a timeline has it: 12:05, of minutes and seconds, or 2:12:05 with hours.
func clock(d time.Duration) string {
	s := int64(d.Round(time.Second) / time.Second)
	if s >= 3600 {
		return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
	}
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}

// exactly is a time that someone asked for: 0.5 s.
func exactly(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + " s" }

// Seconds is a time as messages have it, to a second: 290 s.
func Seconds(d time.Duration) string { return itoa(int64(d.Round(time.Second)/time.Second)) + " s" }

// long is a length as a person says it: 15 minutes.
func long(d time.Duration) string {
	for _, unit := range [...]struct {
		of   time.Duration
		name string
	}{{time.Hour, "hour"}, {time.Minute, "minute"}} {
		switch n := d / unit.of; {
		case n == 1 && d == unit.of:
			return "1 " + unit.name
		case n > 1 && d%unit.of == 0:
			return itoa(int64(n)) + " " + unit.name + "s"
		}
	}
	return Seconds(d)
}
