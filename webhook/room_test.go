package webhook

import (
	"bytes"
	"maps"
	"net/http"
	"reflect"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/podvet/podvet/test/randpod"
)

// TestReviewsShareNothing: what one review was decoded into is empty for the next. Whatever was answered to a review
// alone is answered to it among others.
func TestReviewsShareNothing(t *testing.T) {
	h := newTestHandler(t, allFixes)
	reviews := slices.Collect(maps.Values(corpus(t)))
	for generator := randpod.New(11); len(reviews) < 400; {
		reviews = append(reviews, reviewOf(t, asJSON(t, generator.Pod())))
	}
	paths := []string{"/mutate", "/validate"}
	alone := map[string][][]byte{}
	for _, path := range paths {
		for _, review := range reviews {
			runtime.GC()
			runtime.GC() // no room is left that was used before
			w := post(h, path, review)
			if w.Code != http.StatusOK {
				t.Fatalf("HTTP %d: %s\n%s", w.Code, w.Body, review)
			}
			alone[path] = append(alone[path], w.Body.Bytes())
		}
	}
	var wait sync.WaitGroup
	for from := range 4 {
		wait.Go(func() {
			for i := range 2 * len(reviews) {
				path, at := paths[i%2], (from*len(reviews)/4+i/2)%len(reviews)
				if got := post(h, path, reviews[at]).Body.Bytes(); !bytes.Equal(got, alone[path][at]) {
					t.Errorf("%s among others:\n%s\nalone:\n%s", path, got, alone[path][at])
				}
			}
		})
	}
	wait.Wait()
}

// TestRoomIsEmptied: nothing of a pod stays behind.
func TestRoomIsEmptied(t *testing.T) {
	r, err := readReview(reviewOf(t, asJSON(t, randpod.New(3).Pod())))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := readSubject(r, r.Object, decodeOptions); err != nil || r.room == nil {
		t.Fatal("it was decoded elsewhere", err)
	}
	was := r.room
	if reflect.ValueOf(*was).IsZero() {
		t.Fatal("there is nothing in it")
	}
	was.Leave()
	if !reflect.ValueOf(*was).IsZero() {
		t.Errorf("%+v", was)
	}
}
