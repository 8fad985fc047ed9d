package webhook

import (
	"bytes"
	"fmt"
	"maps"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/podvet/podvet/test/randpod"
	"github.com/podvet/podvet/webhook/budget"
)

// sameBothWays compares what is read of a review in one pass with what the decoder reads, and tells whether it can be
// read in one. What is said twice the API server never sends, and nothing is promised of it.
func sameBothWays(t *testing.T, body []byte) bool {
	t.Helper()
	was := bytes.Clone(body)
	plain := budget.ReadPlain(body)
	if !bytes.Equal(was, body) {
		t.Fatalf("the body was changed: %s", was)
	}
	if plain == nil {
		return false
	}
	defer plain.Room.Leave()
	if !jsontext.Value(body).IsValid() && jsontext.Value(body).IsValid(jsontext.AllowDuplicateNames(true)) {
		return true
	}
	r, err := readReview(body)
	if err != nil {
		if plain.Kind == reviewKind && plain.APIVersion == reviewAPIVersion {
			t.Fatalf("read in one pass, and the decoder says: %v\n%s", err, body)
		}
		return false
	}
	object, err := readObject(r, r.Object, decodeOptions)
	if err != nil {
		t.Fatalf("read in one pass, and the decoder says: %v\n%s", err, body)
	}
	defer r.room.Leave()
	got := &request{UID: plain.UID, Kind: plain.Subject, Name: plain.Name, Namespace: plain.Namespace,
		Operation: plain.Operation, DryRun: plain.DryRun}
	unlike := cmpopts.IgnoreFields(request{},
		"Object", "OldObject", "decoded", "containers", "initContainers", "room")
	if diff := cmp.Diff(r, got, cmp.AllowUnexported(request{}), unlike); diff != "" {
		t.Errorf("(-decoder +one pass):\n%s\n%s", diff, body)
	}
	if diff := cmp.Diff(object, &plain.Room.Pod); diff != "" {
		t.Errorf("(-decoder +one pass):\n%s\n%s", diff, body)
	}
	if raw := plain.Object.Of(body); !bytes.HasPrefix(raw, []byte("{")) || !bytes.HasSuffix(raw, []byte("}")) {
		t.Errorf("the object: %s", raw)
	}
	return true
}

// plainReview is a review as the API server writes it, of a pod in JSON.
func plainReview(pod string) []byte {
	return fmt.Appendf(nil, `{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"u","kind":`+
		`{"group":"","version":"v1","kind":"Pod"},"resource":{"group":"","version":"v1","resource":"pods"},`+
		`"name":"p","namespace":"default","operation":"CREATE","userInfo":{"username":"a\"b"},"object":%s,`+
		`"oldObject":null,"dryRun":true,"options":{"kind":"CreateOptions"}}}`+"\n", pod)
}

// TestOnePass: whatever is read in one pass is read as by the decoder.
func TestOnePass(t *testing.T) {
	generator, plain := randpod.New(5), 0
	for _, review := range corpus(t) {
		sameBothWays(t, review)
		if pod := podFrom(t, objectOf(t, review)); pod != nil && sameBothWays(t, plainReview(asJSON(t, pod))) {
			plain++
		}
	}
	if t.Logf("%d pods are plain", plain); plain < 200 {
		t.Error("too few to compare")
	}
	plain = 0
	for range 2000 {
		if sameBothWays(t, plainReview(asJSON(t, generator.Pod()))) {
			plain++
		}
	}
	if t.Logf("%d of 2000 random pods are plain", plain); plain < 200 {
		t.Error("too few to compare")
	}
}

// TestMostAreRead: what pods ordinarily have is read in one pass, and so are all recorded reviews of new pods.
func TestMostAreRead(t *testing.T) {
	for file, review := range corpus(t) {
		isNewPod := strings.HasSuffix(file, "Pod-CREATE.json")
		if plain := sameBothWays(t, review); plain != isNewPod && strings.HasSuffix(file, ".json") {
			t.Errorf("%s: read in one pass: %t", file, plain)
		}
	}
	const container = `{"apiVersion":"v1","kind":"Pod","spec":{"containers":[{"name":"app",%s}]}}`
	for _, text := range []string{
		`"command":["sh","-c","echo \"a\"\n\u00fc"],"args":[],"workingDir":"/é"`,
		`"ports":[{"name":"http","hostPort":1,"containerPort":8080,"protocol":"TCP"}],"env":[{"name":"A","value":"}"}]`,
		`"livenessProbe":{"httpGet":{"path":"/","port":8080,"host":"h","scheme":"HTTPS"},"initialDelaySeconds":1,` +
			`"timeoutSeconds":2,"periodSeconds":3,"successThreshold":4,"failureThreshold":2147483647}`,
		`"readinessProbe":{"tcpSocket":{"port":"http"},"terminationGracePeriodSeconds":-9223372036854775808}`,
		`"startupProbe":{"exec":{"command":["true"]},"periodSeconds":0}`,
		`"startupProbe":{"grpc":{"port":1,"service":""}},"readinessProbe":{"grpc":{"port":1,"service":null}},` +
			`"restartPolicy":"Always"`,
		`"lifecycle":{"preStop":{"sleep":{"seconds":5}},"postStart":{"httpGet":{"port":"-1"}}}`,
		`"lifecycle":{"preStop":{"exec":{}}},"resources":{"limits":{"cpu":"1"}},"securityContext":{"runAsUser":1}`,
	} {
		if !sameBothWays(t, plainReview(fmt.Sprintf(container, text))) {
			t.Errorf("not read in one pass: %s", text)
		}
	}
	const pod = `{"apiVersion":"v1","kind":"Pod","metadata":{%s},"spec":{"containers":[],%s}}`
	for meta, spec := range map[string]string{
		`"name":"a","labels":{},"annotations":{"a":"b","c":"\\"},"creationTimestamp":null`: `"initContainers":[{}],` +
			`"restartPolicy":"Never","terminationGracePeriodSeconds":0,"activeDeadlineSeconds":600,"volumes":[{}]`,
		`"generateName":"a-","finalizers":["a/b"],"managedFields":[{"fieldsV1":{"f:spec":{}}}]`: `"hostNetwork":true,` +
			`"nodeSelector":{"a":"b"},"automountServiceAccountToken":false,"hostname":"h","subdomain":"s"`,
		`"namespace":"n","ownerReferences":[{"apiVersion":"apps/v1","kind":"DaemonSet","name":"d","uid":"u",` +
			`"controller":true,"blockOwnerDeletion":false}]`: `"priorityClassName":"c","priority":-1,` +
			`"enableServiceLinks":true`,
	} {
		if !sameBothWays(t, plainReview(fmt.Sprintf(pod, meta, spec))) {
			t.Errorf("not read in one pass: %s, %s", meta, spec)
		}
	}
}

// TestOthersAreNotRead: what is rare, or not as the API server writes it, is left to the decoder.
func TestOthersAreNotRead(t *testing.T) {
	const good = `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"},"spec":{"priority":1,"containers":[` +
		`{"name":"b","resources":{},"livenessProbe":{"tcpSocket":{"port":1}}}]}}`
	if !sameBothWays(t, plainReview(good)) {
		t.Fatal("not even the good one is read")
	}
	review := string(plainReview(good))
	for from, to := range map[string]string{
		`{"name":"a"}`:          `{"name":"a",}`,
		`{"name":"b",`:          `{ "name":"b",`,
		`"metadata":`:           `"metadata" :`,
		`"name":"a"`:            `"name":null`,
		`"kind":"Pod","meta`:    `"kind":"Pod","later":1,"meta`,
		`"priority":1,`:         `"priority":01,`,
		`"priority":`:           `"priority":1e`,
		`"priority":1,"con`:     `"priority":` + strings.Repeat("1", 1000) + `,"con`,
		`"priority":1`:          `"priority":2147483648`,
		`"priority":1,"c`:       `"priority":-,"c`,
		`"resources":{}`:        `"resources":{"limits":{"vendor/gpu":1}}`,
		`"resources":{},"l`:     `"resources":1,"l`,
		`"containers":[{`:       `"containers":[null,{`,
		`}]}}`:                  `}],"dnsPolicy":1}}`,
		`{"port":1}`:            `{"port":1.0}`,
		`"tcpSocket"`:           `"TCPSocket"`,
		`"name":"b"`:            "\"name\":\"\xff\"",
		`"name":"b",`:           "\"name\":\"\n\",",
		`"b",`:                  `"\ud800",`,
		`"operation":"CREATE"`:  `"operation":"UPDATE"`,
		`"version":"v1","kind"`: `"version":"v2","kind"`,
		`"oldObject":null`:      `"oldObject":{}`,
		`"dryRun":true`:         `"dryRun":tru`,
		`"uid":"u"`:             `"uid":"u","subResource":"status"`,
		"}\n":                   "}\n\n",
		"}}\n":                  "}\n",
	} {
		changed := strings.Replace(review, from, to, 1)
		if changed == review {
			t.Errorf("there is no %s in %s", from, review)
		}
		if p := budget.ReadPlain([]byte(changed)); p != nil {
			t.Errorf("read in one pass: %s", changed)
		}
	}
	for end := range len(review) - 1 { // without its last line feed it is whole
		if p := budget.ReadPlain([]byte(review[:end])); p != nil && end < len(review)-1 {
			t.Errorf("read in one pass: %s", review[:end])
		}
	}
}

// TestPlainTakes: what reading a review in one pass leaves in memory is no more than was counted, and is not much for
// its length.
func TestPlainTakes(t *testing.T) {
	allocated := func() int64 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.TotalAlloc)
	}
	for name, body := range expanding() {
		before := allocated()
		p := budget.ReadPlain(body)
		took, most := allocated()-before, int64(64<<10+16*len(body))
		if took > 2*most { // lists that grow leave the shorter ones behind
			t.Errorf("%s: %d KiB were allocated for %d", name, took>>10, len(body)>>10)
		}
		if p != nil && p.Takes > budget.MostPlain(len(body)) {
			t.Errorf("%s: %d bytes are taken, and %d are the most", name, p.Takes, budget.MostPlain(len(body)))
		}
		t.Logf("%-20s read %t, %5d KiB allocated of %5d", name, p != nil, took>>10, most>>10)
	}
	dense := map[string]string{
		"containers": `"spec":{"containers":[{}` + strings.Repeat(`,{}`, 50) + `]}`,
		"arguments":  `"spec":{"containers":[{"args":[""` + strings.Repeat(`,""`, 200) + `]}]}`,
		"ports":      `"spec":{"containers":[{"ports":[{}` + strings.Repeat(`,{}`, 150) + `]}]}`,
		"probes": `"spec":{"containers":[{}` + strings.Repeat(`,{"livenessProbe":{"httpGet":{}},`+
			`"startupProbe":{"grpc":{}},"lifecycle":{"preStop":{"exec":{}}}}`, 20) + `]}`,
		"owners":      `"metadata":{"ownerReferences":[{}` + strings.Repeat(`,{"controller":true}`, 200) + `]}`,
		"one label":   `"metadata":{"labels":{"a":"b"},"annotations":{"a":"b"}}`,
		"escapes":     `"metadata":{"annotations":{"a":"` + strings.Repeat(`\n`, 20_000) + `"}}`,
		"said twice":  `"spec":{"priority":1` + strings.Repeat(`,"priority":1`, 1000) + `}`,
		"long texts":  `"metadata":{"finalizers":["a"` + strings.Repeat(`,"`+strings.Repeat("a", 513)+`"`, 50) + `]}`,
		"too long":    `"metadata":{"finalizers":["a"` + strings.Repeat(`,"`+strings.Repeat("a", 32769)+`"`, 20) + `]}`,
		"short texts": `"metadata":{"finalizers":["a"` + strings.Repeat(`,"a"`, 200) + `]}`,
	}
	for _, name := range slices.Sorted(maps.Keys(dense)) {
		body := podWith(dense[name])
		p := budget.ReadPlain(body)
		if p == nil {
			t.Errorf("%s: not read: %.200s", name, body)
			continue
		}
		var kept []*budget.Plain
		before := heap()
		for range 50 {
			kept = append(kept, budget.ReadPlain(body))
		}
		took := (heap()-before)/50 - int64(reflect.TypeFor[budget.Room]().Size()) // which is used again
		runtime.KeepAlive(kept)
		if counted := p.Takes / 5; took > counted {
			t.Errorf("%s: %d bytes are taken, and %d were counted", name, took, counted)
		} else {
			t.Logf("%-12s %6d bytes counted, %6d taken", name, counted, took)
		}
	}
}

// FuzzOnePass looks for a review that is read in one pass otherwise than by the decoder.
func FuzzOnePass(f *testing.F) {
	for _, review := range corpus(f) {
		if pod := podFrom(f, objectOf(f, review)); pod != nil {
			f.Add(plainReview(asJSON(f, pod)))
		}
	}
	f.Fuzz(func(t *testing.T, body []byte) { sameBothWays(t, body) })
}
