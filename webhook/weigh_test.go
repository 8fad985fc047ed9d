package webhook

import (
	"bytes"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/podvet/podvet/webhook/budget"
)

// podWith is a review of a pod with a text in it, up to its end.
func podWith(text string) []byte {
	const head = `{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"u","kind":` +
		`{"group":"","version":"v1","kind":"Pod"},"name":"p","namespace":"default","operation":"CREATE","object":`
	return []byte(head + `{"apiVersion":"v1","kind":"Pod",` + text + `}}}`)
}

// templateWith is a review of a Deployment with a text in its template, all of which is read.
func templateWith(text string) []byte {
	const head = `{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"u","kind":` +
		`{"group":"apps","version":"v1","kind":"Deployment"},"name":"d","namespace":"default","operation":"CREATE",` +
		`"object":{"apiVersion":"apps/v1","kind":"Deployment","spec":{"template":{`
	return []byte(head + text + `}}}}}`)
}

// expanding are texts that take much more memory than bytes.
func expanding() map[string][]byte {
	const n = 20_000
	list := func(before, element, after string) string {
		return before + strings.Repeat(element+",", n) + element + after
	}
	listed := func(before, element, after string) []byte { return podWith(list(before, element, after)) }
	inTemplate := func(before, element, after string) []byte { return templateWith(list(before, element, after)) }
	keyed := func(before, format, after string) []byte {
		text := strings.Builder{}
		for i := range n {
			fmt.Fprintf(&text, format, i)
		}
		return podWith(before + strings.TrimSuffix(text.String(), ",") + after)
	}
	return map[string][]byte{
		"containers":           listed(`"spec":{"containers":[`, `{}`, `]}`),
		"escaped key":          listed(`"spec":{"\u0063ontainers" : [`, `{}`, `]}`),
		"a key and much space": listed(`"spec":{"containers"`+strings.Repeat(" ", 100)+`:[`, `{}`, `]}`),
		"init containers":      listed(`"spec":{"initContainers":[`, `{}`, `]}`),
		"ephemeral containers": listed(`"spec":{"ephemeralContainers":[`, `{}`, `]}`),
		"volumes":              inTemplate(`"spec":{"volumes":[`, `{}`, `]}`),
		"claims":               inTemplate(`"spec":{"volumes":[`, `{"ephemeral":{"volumeClaimTemplate":{}}}`, `]}`),
		"env":                  inTemplate(`"spec":{"containers":[{"env":[`, `{"valueFrom":{"fieldRef":{}}}`, `]}]}`),
		"arguments":            listed(`"spec":{"containers":[{"args":[`, `"aaaaaaaaa"`, `]}]}`),
		"groups":               inTemplate(`"spec":{"securityContext":{"supplementalGroups":[`, `1`, `]}}`),
		"owner references":     listed(`"metadata":{"ownerReferences":[`, `{"controller":true}`, `]}`),
		"labels":               keyed(`"metadata":{"labels":{`, `"%d":"",`, `}}`),
		"limits": keyed(`"spec":{"containers":[{"resources":{"limits":{`, `"a/%d":1.23456789123456789,`,
			`}}}]}`),
		"named containers": keyed(`"spec":{"containers":[`, `{"name":"c%d","livenessProbe":{"httpGet":{}}},`, `]}`),
	}
}

// heap is what lives, in bytes.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestWeighIsEnough: what reading a review leaves in memory is no more than was estimated. What it takes meanwhile is
// tested in a cgroup (test/node/hostile).
func TestWeighIsEnough(t *testing.T) {
	for name, body := range expanding() {
		body, estimate, at := budget.Weigh(body)
		before := heap()
		r, err := decodeReview(body, at)
		if err != nil {
			t.Fatal(name, err)
		}
		s, err := readSubject(r, r.Object, decodeOptions)
		if err != nil {
			t.Fatal(name, err)
		}
		takes := heap() - before
		runtime.KeepAlive(s)
		if takes > estimate || takes < int64(len(body))/10 {
			t.Errorf("%s: %d KiB are taken, and %d were estimated for %d", name, takes>>10, estimate>>10, len(body)>>10)
		} else {
			t.Logf("%-20s %5d KiB, %6d estimated, %5d taken", name, len(body)>>10, estimate>>10, takes>>10)
		}
	}
}

// TestWeighOrdinary: an ordinary review leaves room for hundreds.
func TestWeighOrdinary(t *testing.T) {
	if _, takes, _ := budget.Weigh(reviewOf(t, badPod)); takes < 10<<10 || takes > 200<<10 {
		t.Errorf("%d KiB are estimated", takes>>10)
	}
}

// TestBodyOverAllMemory: what can never have room is told so, with what to do.
func TestBodyOverAllMemory(t *testing.T) {
	h := newTestHandler(t, "")
	h.Within(64 << 20)
	w := post(h, "/validate", expanding()["containers"])
	if w.Code != http.StatusRequestEntityTooLarge || !strings.Contains(w.Body.String(), "give podvet more memory") {
		t.Errorf("HTTP %d: %s", w.Code, w.Body)
	}
	h.Within(256 << 20)
	if w := post(h, "/validate", expanding()["containers"]); w.Code != http.StatusOK {
		t.Errorf("with the chart's memory: HTTP %d: %s", w.Code, w.Body)
	}
	if answer := ask(t, h, "/validate", reviewOf(t, badPod)); answer.Allowed {
		t.Error("a bad pod is admitted after them")
	}
}

// TestJudgedAllTheSame: pods as the API server may send them, which are longer or deeper than others, are judged like
// others.
func TestJudgedAllTheSame(t *testing.T) {
	const containers = `"spec":{"containers":[{"name":"a","image":"i","livenessProbe":{"httpGet":{"port":"web",` +
		`"httpHeaders":[{"name":"x","value":"%s"}]}}}]}`
	pod := func(value, more string) []byte { return podWith(more + fmt.Sprintf(containers, value)) }
	nested := func(n int) string { return strings.Repeat(`{"f":`, n) + "{}" + strings.Repeat("}", n) }
	for name, body := range map[string][]byte{
		"ordinary":             pod("", ""),
		"escaped":              pod(strings.Repeat(`\u003c`, 1_500_000), ""),
		"every byte escaped":   pod(strings.Repeat(`\ufffd`, 1_500_000), ""),
		"deep managed fields":  pod("", `"metadata":{"managedFields":[{"fieldsV1":`+nested(9_996)+`}]},`),
		"deeper than anything": pod("", `"x":`+nested(200_000)+`,`),
	} {
		h := newTestHandler(t, "")
		h.Within(256 << 20)
		answer := ask(t, h, "/validate", body)
		if found := answer.AuditAnnotations["findings"]; !strings.Contains(found, "probe-port-unresolved/a") {
			t.Errorf("%s: found %s", name, found)
		}
	}
}

// TestErrorsOfLongTexts: what is wrong with a long text is said in few words, and they are few before they are cut.
func TestErrorsOfLongTexts(t *testing.T) {
	const length = 1_000_000
	h := newTestHandler(t, "")
	for name, text := range map[string]string{
		"not UTF-8": strings.Repeat("\xff", length), "UTF-8": strings.Repeat("é", length/2),
	} {
		body := podWith(`"metadata":{"deletionTimestamp":"` + text + `"}`)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		w := post(h, "/validate", body)
		runtime.ReadMemStats(&after)
		if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "/metadata/deletionTimestamp") {
			t.Errorf("%s: HTTP %d: %.300s", name, w.Code, w.Body)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > 8*length {
			t.Errorf("%s: %d times the text is allocated", name, took/length)
		}
	}
}

// TestHostileQuantities: a quantity that would take minutes to read holds nobody up, also in a custom resource, whose
// quantities the API server does not read.
func TestHostileQuantities(t *testing.T) {
	h := newTestHandler(t, "")
	for _, quantity := range []string{`"1e-2000000000"`, `1E2000000000`, `"` + strings.Repeat("7", 1_000_000) + `"`} {
		limits := `"spec":{"containers":[{"name":"a","image":"i","resources":{"limits":{"cpu":` + quantity + `}},` +
			`"livenessProbe":{"httpGet":{"port":"web"}}}]}`
		ray := bytes.Replace(podWith(`"spec":{"headGroupSpec":{"template":{`+limits+`}}}`), []byte(
			`"kind":{"group":"","version":"v1","kind":"Pod"}`), []byte(
			`"kind":{"group":"ray.io","version":"v1","kind":"RayCluster"}`), 1)
		for name, body := range map[string][]byte{"pod": podWith(limits), "RayCluster": ray} {
			codes := make(chan int, 1)
			go func() { codes <- post(h, "/validate", body).Code }()
			select {
			case code := <-codes:
				if code != http.StatusOK {
					t.Errorf("%s: HTTP %d", name, code)
				}
			case <-time.After(20 * time.Second):
				t.Fatalf("%s: no answer", name)
			}
		}
	}
}
