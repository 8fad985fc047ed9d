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
	"github.com/podvet/podvet/rules/policy"
)

// The review that the benchmarks judge: 5.3 KB, two containers and a sidecar, with one fix to make.
const benchReview = "testdata/reviews/009-Pod-CREATE.json"

type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(int)             {}

// BenchmarkReview is a whole review without the network: decode, plan, vet, patch, encode.
func BenchmarkReview(b *testing.B) { benchmarkReview(b, policy.Default()) }

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
		fmt.Fprintf(&text, "- name: team-%d\n  match: {namespaces: [\"%s\"]}\n  rules: {startup-budget-too-long: {level: warn, params: {maxSeconds: %d}}}\n", i, namespaces(i), 900+i)
	}
	text.WriteString("exemptions:\n")
	for i := range 1000 {
		fmt.Fprintf(&text, "- {rules: [no-readiness-probe, bare-pod, no-startup-probe], match: {namespaces: [\"%s\"], images: [\"registry.example/vendor-%d/*\"]}, reason: vendor}\n", namespaces(i), i)
	}
	p, err := policy.Load("large", []byte(text.String()), time.Now())
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
		s, _ := rules.SubjectOf(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: fmt.Sprintf("team-%d-x", i%5000), Name: "p",
			Labels: map[string]string{"job-name": strconv.Itoa(i)}}})
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
	body, err := os.ReadFile(benchReview)
	if err != nil {
		b.Fatal(err)
	}
	h := NewHandler(p, 0, slog.New(slog.DiscardHandler))
	// Each build has a tag of its own.
	bodies := make([][]byte, 100)
	for i := range bodies {
		bodies[i] = imageOf.ReplaceAll(body, fmt.Appendf(nil, `${1}:%d"`, 100+i))
	}
	for _, path := range []string{"/mutate", "/validate"} {
		b.Run(path[1:], func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			for i := 0; b.Loop(); i++ {
				body := bodies[i%len(bodies)]
				r, _ := http.NewRequest(http.MethodPost, path, io.NopCloser(bytes.NewReader(body)))
				r.ContentLength = int64(len(body))
				r.Header.Set("Content-Type", "application/json")
				h.ServeHTTP(&discard{http.Header{}}, r)
			}
		})
	}
}

// BenchmarkStages shows where a review's time goes.
func BenchmarkStages(b *testing.B) {
	body, err := os.ReadFile(benchReview)
	if err != nil {
		b.Fatal(err)
	}
	p := policy.Default()
	plan := p.Plan()
	r, err := decodeReview(body)
	if err != nil {
		b.Fatal(err)
	}
	pod := &corev1.Pod{}
	if err := decodeObject(r.Object, pod); err != nil {
		b.Fatal(err)
	}
	subject, _ := rules.SubjectOf(pod)
	fixed, repaired := rules.Fix(subject, plan)
	mutated := verdict{judged: true, fixed: fixed, applied: true, patch: rules.Patch(subject.Spec, repaired.Spec, subject.Meta, fixed)}
	run := func(name string, f func()) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				f()
			}
		})
	}
	run("decode-envelope", func() { _, _ = decodeReview(body) })
	run("decode-pod", func() { _ = decodeObject(r.Object, &corev1.Pod{}) })
	run("plan", func() { _ = p.For(subject, nil) })
	run("vet", func() { _ = rules.Vet(subject, plan) })
	run("subject", func() { _, _ = rules.SubjectOf(pod) })
	run("judge", func() { _ = rules.Judge(subject, plan) })
	run("fix", func() { _, _ = rules.Fix(subject, plan) })
	run("patch", func() { _ = rules.Patch(subject.Spec, repaired.Spec, subject.Meta, fixed) })
	run("encode", func() { _, _ = respond(r, p, mutated) })
}
