package webhook

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"os"
	"testing"

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
func BenchmarkReview(b *testing.B) {
	body, err := os.ReadFile(benchReview)
	if err != nil {
		b.Fatal(err)
	}
	h := NewHandler(policy.Default(), 0, slog.New(slog.DiscardHandler))
	for _, path := range []string{"/mutate", "/validate"} {
		b.Run(path[1:], func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			for b.Loop() {
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
	r, err := decodeReview(body)
	if err != nil {
		b.Fatal(err)
	}
	pod := &corev1.Pod{}
	if err := decodeObject(r.Object, pod); err != nil {
		b.Fatal(err)
	}
	subject, _ := rules.SubjectOf(pod)
	fixed, repaired := rules.Fix(subject, p.Plan())
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
	run("plan", func() { _ = p.Plan() })
	run("vet", func() { _ = rules.Vet(subject, p.Plan()) })
	run("subject", func() { _, _ = rules.SubjectOf(pod) })
	run("judge", func() { _ = rules.Judge(subject, p.Plan()) })
	run("fix", func() { _, _ = rules.Fix(subject, p.Plan()) })
	run("patch", func() { _ = rules.Patch(subject.Spec, repaired.Spec, subject.Meta, fixed) })
	run("encode", func() { _, _ = respond(r, p, mutated) })
}
