package recommend

import (
	"cmp"
	"math"
	"slices"
)

// Span is what is known of one boot, in seconds: it took longer than Over and at most AtMost, unseen if nobody saw its
// end. A probe finds an app that serves up to a period late, and timestamps have whole seconds.
type Span struct{ Over, AtMost int64 }

const unseen = math.MaxInt64

// spanOf is the span of a boot that was seen to have ended after some seconds, by a probe that can lag by some.
func spanOf(seconds, lag int64) Span { return Span{max(seconds-lag-1, -1), seconds + 1} }

// times are what spans say of the boots behind them, in seconds, each the latest that fits; unseen where too many boots
// were not seen to end.
type times struct {
	median, p99, longest int64
	early                int64 // the earliest that fits the 99th percentile, or the longest where that is unseen
	killed               int64 // the longest that was cut off; 0 where none was, or hardly any
	blur                 int64 // how much later than it ended a boot can have been seen
}

// cell is where a boot can be, (over, atMost], and how likely it is there.
type cell struct {
	Span
	weight float64
}

// timesOf fits a distribution to the spans of at least one boot.
func timesOf(spans []Span) times {
	cells := fit(spans)
	t := times{median: quantile(cells, 0.5), p99: quantile(cells, 0.99)}
	cut := 0
	for _, s := range spans {
		if s.AtMost != unseen {
			t.blur = max(t.blur, s.AtMost-s.Over-2)
			continue
		}
		cut++
		t.killed = max(t.killed, s.Over)
	}
	if cut*100 <= len(spans) { // so few that the 99th percentile does not depend on them
		t.killed = 0
	}
	for _, c := range cells {
		if c.AtMost == unseen {
			break
		}
		t.longest = c.AtMost
		if c.AtMost <= t.p99 {
			t.early = max(c.Over, 0)
		}
	}
	return t
}

// DefaultMargin is that of a handful of distributions with which 40 starts are enough to cover 99 % of the boots to
// come and to stay below twice the least that does, at least 95 times of 100 (TestAdviceCovers).
const DefaultMargin = 1.4

// beyond is the time to give boots that were cut off.
func (t times) beyond() int64 { return int64(math.Ceil(1.8 * float64(t.killed))) }

// need is the time to boot that a container must be given: the 99th percentile with a margin, since of a few dozen
// boots the longest was hardly among those that were seen, and at least the longest. The margin is for the earliest
// time that fits, to which is added how late boots were seen: of the ways that were simulated the best. Where boots
// were cut off nobody knows how long they take: beyond is as long as they were given and much more, and still less than
// twice what is enough.
func (t times) need(margin float64) int64 {
	likely := float64(t.early)*margin + float64(t.blur)
	return max(int64(math.Ceil(likely)), t.longest, t.beyond())
}

// fit is the most likely distribution of boots of which only spans are known: Turnbull's estimator, which is that of
// Kaplan and Meier where ends are seen exactly. (Turnbull 1976, The Empirical Distribution Function with Arbitrarily
// Grouped, Censored and Truncated Data.)
func fit(spans []Span) []cell {
	counted, cells := counts(spans), innermost(spans)
	type reach struct {
		from, to int // cells
		count    float64
	}
	reaches := make([]reach, 0, len(counted))
	for s, count := range counted {
		from, _ := slices.BinarySearchFunc(cells, s, func(c cell, s Span) int { return cmp.Compare(c.Over, s.Over) })
		to := from
		for to < len(cells) && cells[to].AtMost <= s.AtMost {
			to++
		}
		reaches = append(reaches, reach{from, to, count})
	}
	// Sums must not depend on the order of a map.
	slices.SortFunc(reaches, func(a, b reach) int { return cmp.Or(a.from-b.from, a.to-b.to) })
	const rounds, enough = 1000, 1e-6
	for range rounds {
		next := make([]float64, len(cells))
		for _, r := range reaches {
			sum := 0.0
			for _, c := range cells[r.from:r.to] {
				sum += c.weight
			}
			for i := r.from; i < r.to; i++ {
				next[i] += r.count * cells[i].weight / sum / float64(len(spans))
			}
		}
		moved := 0.0
		for i, weight := range next {
			moved = max(moved, math.Abs(weight-cells[i].weight))
			cells[i].weight = weight
		}
		if moved < enough {
			break
		}
	}
	return cells
}

func counts(spans []Span) map[Span]float64 {
	counted := map[Span]float64{}
	for _, s := range spans {
		counted[s]++
	}
	return counted
}

// innermost are the places where boots can be: from where one span begins to where the next thing is that one ends.
func innermost(spans []Span) (cells []cell) {
	counted := counts(spans)
	begins, ends := make([]int64, 0, len(counted)), make([]int64, 0, len(counted))
	for s := range counted {
		begins, ends = append(begins, s.Over), append(ends, s.AtMost)
	}
	slices.Sort(begins)
	slices.Sort(ends)
	begins = slices.Compact(begins)
	for i, begin := range begins {
		at, _ := slices.BinarySearch(ends, begin+1)
		if i+1 == len(begins) || ends[at] <= begins[i+1] {
			cells = append(cells, cell{Span: Span{begin, ends[at]}})
		}
	}
	for i := range cells {
		cells[i].weight = 1 / float64(len(cells))
	}
	return cells
}

// quantile is the latest time by which a share of the boots has ended.
func quantile(cells []cell, share float64) int64 {
	const rounding = 1e-9
	sum := 0.0
	for _, c := range cells {
		if sum += c.weight; sum >= share-rounding {
			return c.AtMost
		}
	}
	return cells[len(cells)-1].AtMost
}
