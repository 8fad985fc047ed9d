package webhook

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	corev1 "k8s.io/api/core/v1"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/catalogue"
	"github.com/podvet/podvet/rules/pod"
	"github.com/podvet/podvet/rules/policy"
	"github.com/podvet/podvet/webhook/budget"
)

// The review that the benchmarks judge: 5.3 KB, two containers and a sidecar, with one fix to make.
const benchReview = "testdata/reviews/009-Pod-CREATE.json"

type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(int)             {}

// BenchmarkReview is a whole review without the network: decode, plan, vet, patch, encode.
func BenchmarkReview(b *testing.B) { benchmarkReview(b, policy.Default(catalogue.All)) }

// BenchmarkReviewWithLargePolicy is the same under 1,000 scopes and 1,000 exemptions: none for this pod's namespace,
// and all of them matching everywhere, so that images alone tell the exemptions apart.
func BenchmarkReviewWithLargePolicy(b *testing.B) {
	for _, name := range []string{"elsewhere", "everywhere"} {
		b.Run(name, func(b *testing.B) { benchmarkReview(b, largePolicy(b, name == "everywhere")) })
	}
}

func largePolicy(tb testing.TB, everywhere bool) *policy.Policy {
	tb.Helper()
	var text strings.Builder
	text.WriteString("apiVersion: podvet.dev/v1alpha1\nkind: Policy\nscopes:\n")
	namespaces := func(i int) string {
		if everywhere {
			return "*"
		}
		return fmt.Sprintf("team-%d-*", i)
	}
	for i := range 1000 {
		fmt.Fprintf(&text, `
- name: team-%d
  match: {namespaces: ["%s"]}
  rules: {startup-budget-too-long: {level: warn, params: {maxSeconds: %d}}}
`, i, namespaces(i), 900+i)
	}
	text.WriteString("exemptions:\n")
	for i := range 1000 {
		fmt.Fprintf(&text, `
- rules: [no-readiness-probe, bare-pod, no-startup-probe]
  match: {namespaces: ["%s"], images: ["registry.example/vendor-%d/*"]}
  reason: vendor
`, namespaces(i), i)
	}
	p, err := policy.Load(catalogue.All, "large", []byte(text.String()), time.Now())
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// TestLargePolicyMemory: a policy of 1,000 scopes and 1,000 exemptions, asked about 5,000 namespaces and twice as
// many Jobs with labels of their own, takes less than 10 MB.
func TestLargePolicyMemory(t *testing.T) {
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	p := largePolicy(t, false)
	for i := range 10_000 {
		s, _ := pod.SubjectOf(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p",
			Namespace: fmt.Sprintf("team-%d-x", i%5000), Labels: map[string]string{"job-name": strconv.Itoa(i)}}})
		if ruling := p.For(s, nil); ruling.Plan == nil {
			t.Fatal("no plan")
		}
	}
	used := float64(heap()-before) / (1 << 20)
	t.Logf("%.1f MiB", used)
	if used > 9.5 {
		t.Errorf("%.1f MiB", used)
	}
	runtime.KeepAlive(p)
}

var imageOf = regexp.MustCompile(`("image":"[^":@]*)[^"]*"`)

func benchmarkReview(b *testing.B, p *policy.Policy) {
	b.Helper()
	for _, path := range []string{"/mutate", "/validate"} {
		b.Run(path[1:], func(b *testing.B) {
			send, length := reviewer(b, p, path)
			b.ReportAllocs()
			b.SetBytes(int64(length))
			for b.Loop() {
				send()
			}
		})
	}
}

// reviewer sends the usual pod again and again, each time with images of another tag, as builds have.
func reviewer(tb testing.TB, p *policy.Policy, path string) (send func(), length int) {
	tb.Helper()
	body, err := os.ReadFile(benchReview)
	if err != nil {
		tb.Fatal(err)
	}
	h := NewHandler(p, 0, slog.New(slog.DiscardHandler))
	bodies := make([][]byte, 100)
	for i := range bodies {
		bodies[i] = imageOf.ReplaceAll(body, fmt.Appendf(nil, `${1}:%d"`, 100+i))
	}
	sent := 0
	return func() {
		body := bodies[sent%len(bodies)]
		sent++
		r, _ := http.NewRequest(http.MethodPost, path, io.NopCloser(bytes.NewReader(body)))
		r.ContentLength = int64(len(body))
		r.Header.Set("Content-Type", "application/json")
		h.ServeHTTP(&discard{http.Header{}}, r)
	}, len(body)
}

// stage is a part of a review.
type stage struct {
	name string
	most float64 // allocations
	run  func()
}

func stages(tb testing.TB) []stage {
	tb.Helper()
	body, err := os.ReadFile(benchReview)
	if err != nil {
		tb.Fatal(err)
	}
	p := policy.Default(catalogue.All)
	plan := p.Plan()
	left, _, at := budget.Weigh(bytes.Clone(body))
	r, err := decodeReview(left, at)
	if err != nil {
		tb.Fatal(err)
	}
	subject, err := readSubject(r, r.Object, decodeOptions)
	if err != nil {
		tb.Fatal(err)
	}
	again := *r
	repair := rules.Fix(subject, plan)
	patch := func() []rules.Operation {
		return append(rules.Patch(subject, repair.Subject), rules.Annotate(subject.Meta, repair.Fixed))
	}
	mutated := verdict{subject: subject, policy: p.Hash, fixed: repair.Fixed, applied: true, patch: patch()}
	scratch := make([]byte, len(body))
	return []stage{
		{"one-pass", 21, func() { budget.ReadPlain(body).Room.Leave() }},
		{"weigh", 0, func() { copy(scratch, body); _, _, _ = budget.Weigh(scratch) }},
		{"decode-envelope", 2, func() { _, _ = decodeReview(left, at) }},
		{"read-pod", 23, func() {
			again.room = nil // it is the subject's
			_, _ = readSubject(&again, r.Object, decodeOptions)
			again.room.Leave()
		}},
		{"plan", 0, func() { _ = p.For(subject, nil) }},
		{"vet", 34, func() { _ = rules.Vet(subject, plan) }},
		{"judge", 13, func() { _ = rules.Judge(subject, plan) }},
		{"fix", 24, func() { _ = rules.Fix(subject, plan) }},
		{"patch", 7, func() { _ = patch() }},
		{"encode", 13, func() { _, _ = respond(r, mutated) }},
	}
}

// BenchmarkStages shows where a review's time goes.
func BenchmarkStages(b *testing.B) {
	for _, s := range stages(b) {
		b.Run(s.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s.run()
			}
		})
	}
}

// TestAllocations: what a review allocates is what the collector has to do. Whoever needs more raises a number, and
// says why.
func TestAllocations(t *testing.T) {
	all := stages(t)
	for path, most := range map[string]float64{"/mutate": 92, "/validate": 76} {
		send, _ := reviewer(t, policy.Default(catalogue.All), path)
		all = append(all, stage{path, most, send})
	}
	for _, s := range all {
		if n := testing.AllocsPerRun(200, s.run); n > s.most {
			t.Errorf("%s: %.0f allocations, at most %.0f", s.name, n, s.most)
		} else {
			t.Logf("%s: %.0f allocations", s.name, n)
		}
	}
}
