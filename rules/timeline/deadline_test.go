package timeline_test

import (
	"strings"
	"testing"
	"time"

	"github.com/podvet/podvet/rules/timeline"
)

// TestActiveDeadline: counted from the second in which the kubelet saw the pod, whatever becomes of its containers.
func TestActiveDeadline(t *testing.T) {
	for what, c := range map[string]struct {
		does       timeline.Behavior
		phases     string
		last, then string
	}{
		"serves":    {timeline.Behavior{StopTakes: 5 * time.Second}, "Running", "1/1 Running 0", "0/1 Completed 0"},
		"is killed": {timeline.Behavior{StopTakes: time.Hour}, "Running", "1/1 Running 0", "0/1 Error 0"},
	} {
		s := podOf(t, "activeDeadlineSeconds: 60\nterminationGracePeriodSeconds: 10\n"+
			"containers: [{name: app, image: x, "+readiness+"}]")
		found := inRange(t, what, 59, 62.01) // two syncs, and between them news of the runtime
		each(s, with(3*time.Minute, c.does), func(seed uint64, life *timeline.Life) {
			kills := life.Of("app", timeline.Killing)
			if len(kills) != 1 || kills[0].Text != timeline.Deadline || kills[0].Grace != 10*time.Second {
				t.Fatalf("%s, seed %d: %+v", what, seed, kills)
			}
			found.see(seed, kills[0].At)
			if created := life.Of("app", timeline.Created); len(created) != 1 {
				t.Errorf("%s, seed %d: started %d times", what, seed, len(created))
			}
			if got := phases(life); !strings.HasSuffix(got, c.phases+" Failed") {
				t.Errorf("%s, seed %d: %s", what, seed, got)
			}
			if got := printed(life); !strings.Contains(got, c.last+", 0/1 DeadlineExceeded 0") &&
				!strings.Contains(got, c.last+", 1/1 DeadlineExceeded 0") || lastPrinted(life) != c.then {
				t.Errorf("%s, seed %d: %s", what, seed, got)
			}
			if end := life.Endpoints[len(life.Endpoints)-1].To; end-kills[0].At > 10*time.Millisecond {
				t.Errorf("%s, seed %d: in the endpoints until %v, killed at %v", what, seed, end, kills[0].At)
			}
		})
		found.reached(0.8)
	}
}
