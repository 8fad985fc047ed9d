package kubelet

import (
	"cmp"
	"encoding/json"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// lives is how many are compared. make test-long compares 10,000 with each kubelet.
const lives = 2_000

// compared are the events that a kubelet has, too.
var compared = []string{"Created", "Probed", "Started", "Ready", "NotReady", "Killing", "Exited", "BackOff", "Phase"}

// batch is how many are simulated at once.
const batch = 500

// chances is how often a kubelet may live a life until it lives it as podvet does: where two signals reach a worker at
// the same time, Go chooses by chance.
const chances = 20

// Lives holds podvet's simulations against a kubelet, event by event. LIVES is another number of them.
func Lives(t *testing.T, parity string, version Version) {
	silence()
	program := simulator(t, parity)
	number := lives
	if asked, err := strconv.Atoi(os.Getenv("LIVES")); err == nil {
		number = asked
	}
	seen := tally{}
	t.Run("batches", func(t *testing.T) {
		for seed := range (number + batch - 1) / batch {
			t.Run(strconv.Itoa(seed), func(t *testing.T) {
				t.Parallel()
				compareBatch(t, program, version, uint64(seed), min(batch, number-seed*batch), &seen)
			})
		}
	})
	t.Logf("%d lives of a kubelet 1.%d, with events %v", number, version.Minor, seen.events)
	for _, kind := range compared {
		if seen.events[kind] < number/20 {
			t.Errorf("only %d events of kind %s", seen.events[kind], kind)
		}
	}
}

// tally counts events of the kubelet by kind.
type tally struct {
	mu     sync.Mutex
	events map[string]int
}

func (c *tally) add(list []lifeEvent) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.events == nil {
		c.events = map[string]int{}
	}
	for _, e := range list {
		c.events[e.Kind]++
	}
}

func compareBatch(t *testing.T, program string, version Version, seed uint64, number int, seen *tally) {
	t.Helper()
	r := random{rand.New(rand.NewPCG(seed, uint64(version.Minor)))}
	cases := make([]lifeCase, number)
	for i := range cases {
		cases[i] = r.lifeCase(version.Minor)
	}
	for i, want := range simulated(t, program, cases) {
		var got []lifeEvent
		want = ordered(want, cases[i])
		at := 0
		for chance := 0; at >= 0 && chance < chances; chance++ {
			synctest.Test(t, func(*testing.T) { got = newLifeNode(cases[i], version).run() })
			got = ordered(got, cases[i])
			at = firstDifference(got, want)
		}
		seen.add(got)
		if at >= 0 {
			tellDifference(t, i, cases[i], got, want, at)
			return // the others may differ for the same reason
		}
	}
}

// ordered are the events that are compared, in an order of their own where some come at the same time.
func ordered(all []lifeEvent, c lifeCase) (list []lifeEvent) {
	for _, e := range all {
		if !slices.Contains(compared, e.Kind) || e.At > c.Scenario.Length-time.Millisecond {
			continue
		}
		// A worker that is stopped while it probes may probe once more: Go does not say which of two signals counts.
		if c.Scenario.DeleteAt > 0 && e.Began > c.Scenario.DeleteAt && e.Probe != "readinessProbe" {
			continue
		}
		if e.Kind == "Killing" && e.Text != "livenessProbe" && e.Text != "startupProbe" {
			e.Text = ""
		}
		list = append(list, e)
	}
	slices.SortStableFunc(list, func(a, b lifeEvent) int { return cmp.Compare(a.At, b.At) })
	for from, to := 0, 0; from < len(list); from = to {
		for to < len(list) && list[to].At-list[from].At <= 10*time.Microsecond {
			to++
		}
		slices.SortStableFunc(list[from:to], func(a, b lifeEvent) int {
			return cmp.Or(cmp.Compare(a.Container, b.Container), cmp.Compare(a.Kind, b.Kind),
				cmp.Compare(a.Probe, b.Probe))
		})
	}
	return list
}

// firstDifference is where two lives differ by more than a microsecond, -1 for nowhere.
func firstDifference(a, b []lifeEvent) int {
	near := func(x, y time.Duration) bool { return (x - y).Abs() <= time.Microsecond }
	for i := range max(len(a), len(b)) {
		if i >= len(a) || i >= len(b) {
			return i
		}
		x, y := a[i], b[i]
		same := near(x.At, y.At) && near(x.Began, y.Began)
		x.At, y.At, x.Began, y.Began = 0, 0, 0, 0
		if !same || x != y {
			return i
		}
	}
	return -1
}

func tellDifference(t *testing.T, number int, c lifeCase, got, want []lifeEvent, at int) {
	t.Helper()
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Errorf("life %d differs at event %d: %s", number, at, text)
	for i := max(0, at-12); i < at+4; i++ {
		if i < len(got) {
			t.Logf("kubelet %d: %+v", i, got[i])
		}
		if i >= at && i < len(want) {
			t.Logf("podvet  %d: %+v", i, want[i])
		}
	}
}
