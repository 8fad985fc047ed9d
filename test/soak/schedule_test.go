package soak

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"
)

// An action is one step of a track. Those of a track follow each other, those of different tracks meet.
type action struct {
	At      time.Duration // from the start, or as soon as the one before has ended
	Kind    string
	For     time.Duration // how long it lasts, where it lasts
	Replica int           // 0 or 1, or both where it is 2
	Seed    uint64        // what else it draws
}

// A track is actions in the order of their time.
type track struct {
	name    string
	kinds   []string
	pause   time.Duration // between two actions on average
	replica int           // how many values Replica has
}

// tracks are what happens to the replicas, between them and the API server, and in the cluster's objects.
var tracks = []track{
	{"replicas", []string{rolling, terminated, killed, stopped, starved, burst}, 6 * time.Second, 2},
	{"api", []string{apiServer, etcd, conflict, gone, tooMany, broken, cut, slow}, 5 * time.Second, 3},
	{"objects", []string{goodPolicy, goodPolicy, badPolicy, goodPolicy, noPolicy, caEmptied, goodPolicy, caDeleted},
		4 * time.Second, 1},
}

const (
	rolling    = "rolling restart"
	terminated = "SIGTERM"
	killed     = "SIGKILL"
	stopped    = "SIGSTOP"
	starved    = "CPU starvation"
	burst      = "burst of creations"
	apiServer  = "API server restart"
	etcd       = "etcd restart"
	conflict   = "answers 409"
	gone       = "answers 410"
	tooMany    = "answers 429"
	broken     = "answers 500"
	cut        = "cut connections"
	slow       = "slow connections"
	goodPolicy = "policy, good"
	badPolicy  = "policy, bad"
	noPolicy   = "policy deleted"
	caEmptied  = "CA emptied"
	caDeleted  = "CA deleted"
)

// schedule is what a seed makes of each track: all of its kinds in an order of their own, again and again.
func schedule(seed uint64, length time.Duration) map[string][]action {
	plan := map[string][]action{}
	for i, tr := range tracks {
		random := rand.New(rand.NewPCG(seed, uint64(i)))
		var order []string
		for at := 5 * time.Second; at < length-10*time.Second; {
			if len(order) == 0 {
				for _, k := range random.Perm(len(tr.kinds)) {
					order = append(order, tr.kinds[k])
				}
			}
			a := action{At: at, Kind: order[0], Replica: random.IntN(tr.replica), Seed: random.Uint64(),
				For: 2*time.Second + time.Duration(random.Int64N(int64(6*time.Second)))}
			plan[tr.name] = append(plan[tr.name], a)
			order = order[1:]
			at += tr.pause/2 + time.Duration(random.Int64N(int64(tr.pause)))
			if tr.name != "objects" {
				at += a.For
			}
		}
	}
	return plan
}

func (a action) String() string {
	return fmt.Sprintf("%6.1fs %s for %.1fs, replica %d", a.At.Seconds(), a.Kind, a.For.Seconds(), a.Replica)
}

// TestSchedule: a seed is a schedule, another seed another one, and two minutes hold each kind.
func TestSchedule(t *testing.T) {
	one := schedule(1, 2*time.Minute)
	if !reflect.DeepEqual(one, schedule(1, 2*time.Minute)) {
		t.Error("one seed, two schedules")
	}
	if reflect.DeepEqual(one, schedule(2, 2*time.Minute)) {
		t.Error("two seeds, one schedule")
	}
	text := fmt.Sprint(one)
	for _, tr := range tracks {
		for _, kind := range tr.kinds {
			if !strings.Contains(text, kind+" for") {
				t.Errorf("no %s in two minutes", kind)
			}
		}
	}
}
