package why

import (
	"encoding/json"
	"flag"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/podvet/podvet/cmd/podvet/internal/live"
	"github.com/podvet/podvet/cmd/podvet/internal/stream"
)

var update = flag.Bool("update", false, "write what podvet says of the recorded pods")

// recorded reads what TestWhy of test/node has recorded.
func recorded(t *testing.T, file string) (found live.Objects, now time.Time) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var when struct{ PodvetTestTime time.Time }
	if err := json.Unmarshal(text, &when); err != nil {
		t.Fatal(err)
	}
	live.Read(file, strings.NewReader(string(text)), &found, func(p stream.Problem) { t.Error(p) })
	return found, when.PodvetTestTime
}

func ownerOf(p *corev1.Pod) string {
	if kind, name := live.OwnerOf(p); kind != "Pod" {
		return kind + "/" + name
	}
	return ""
}

// TestRecorded: what podvet says of pods as they were on a real node is what is written beside them.
func TestRecorded(t *testing.T) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) < 22 {
		t.Fatalf("%d recorded pods, %v", len(files), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		t.Run(name, func(t *testing.T) {
			found, now := recorded(t, file)
			r := Of(found.Workloads, found.Pods, found.Events, ownerOf, now)
			slow := name == "init-runs" || name == "stops-slowly" // which is not wrong yet
			if well := strings.HasPrefix(name, "well") || slow; well == r.Wrong() {
				t.Errorf("well is %t, and wrong is %t", well, r.Wrong())
			}
			wantText(t, strings.TrimSuffix(file, ".json")+".txt", r.Text(120))
		})
	}
}

// TestMade: the same of pods that the tests' node cannot show, written by hand.
func TestMade(t *testing.T) {
	files, err := filepath.Glob("testdata/made/*.*")
	if err != nil || len(files) < 100 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		name, now := strings.TrimSuffix(file, filepath.Ext(file)), time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
		found := live.Objects{}
		switch filepath.Ext(file) {
		case ".yaml":
			live.ReadFile(file, nil, &found, func(p stream.Problem) { t.Error(p) })
		case ".json":
			found, now = recorded(t, file)
		default:
			continue
		}
		t.Run(filepath.Base(name), func(t *testing.T) {
			wantText(t, name+".txt", Of(found.Workloads, found.Pods, found.Events, ownerOf, now).Text(120))
		})
	}
}

// wantText compares with a file, or writes it.
func wantText(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want, err := os.ReadFile(file); err != nil || string(want) != got {
		t.Errorf("%v, want\n%s\ngot\n%s", err, want, got)
	}
}

// TestOddObjects: whatever misses in what was read, or is odd in it, podvet says something or nothing, and goes on.
func TestOddObjects(t *testing.T) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for range 40 {
			var object any
			if err := json.Unmarshal(text, &object); err != nil {
				t.Fatal(err)
			}
			odd, err := json.Marshal(spoiled(random, object))
			if err != nil {
				t.Fatal(err)
			}
			found := live.Objects{}
			live.Read(file, strings.NewReader(string(odd)), &found, func(stream.Problem) {})
			Of(found.Workloads, found.Pods, found.Events, ownerOf, time.Now()).Text(80)
		}
	}
}

// spoiled is a value of which parts are missing or changed.
func spoiled(random *rand.Rand, value any) any {
	switch v := value.(type) {
	case map[string]any:
		for key, part := range v {
			if random.IntN(40) == 0 && key != "kind" && key != "apiVersion" && key != "items" {
				delete(v, key)
				continue
			}
			v[key] = spoiled(random, part)
		}
	case []any:
		for i := range v {
			v[i] = spoiled(random, v[i])
		}
	case float64:
		if random.IntN(10) == 0 {
			return []float64{0, -1, 1, math.MaxInt32, math.MinInt32}[random.IntN(5)]
		}
	}
	return value
}
