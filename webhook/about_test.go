package webhook

import (
	"bytes"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/podvet/podvet/rules/catalogue"
	"github.com/podvet/podvet/rules/policy"
)

// TestUnjudgedAreNamed: whatever keeps podvet from judging, its log says which object it was, if the caller said so.
func TestUnjudgedAreNamed(t *testing.T) {
	named := reviewOf(t, badPod)
	generated := reviewOf(t, strings.Replace(badPod, "name: bad", "generateName: web-", 1))
	broken := bytes.Replace(generated, []byte(`"terminationGracePeriodSeconds":30`),
		[]byte(`"terminationGracePeriodSeconds":"x"`), 1)
	ofNames, _, _ := bytes.Cut(named, []byte(`"operation"`))
	for what, c := range map[string]struct {
		body []byte
		busy bool
		name string
	}{
		"an object of a wrong type":  {body: broken, name: "web-"},
		"a body that is cut":         {body: generated[:len(generated)-20], name: "web-"},
		"a body cut after the names": {body: ofNames, name: "bad"},
		"too many reviews":           {body: named, busy: true, name: "bad"},
		"too many generated ones":    {body: generated, busy: true, name: "web-"},
	} {
		var log bytes.Buffer
		h := NewHandler(policy.Default(catalogue.All), 1, slog.New(slog.NewTextHandler(&log, nil)))
		if c.busy {
			h.reviews.places.Take("192.0.2.1", 1) // that of the test's requests
		}
		w := post(h, "/validate", c.body)
		want := " uid=the-uid kind=Pod namespace=default name=" + c.name + " "
		if w.Code == http.StatusOK || !strings.Contains(log.String(), want) {
			t.Errorf("%s: HTTP %d, logged %s", what, w.Code, log.String())
		}
	}
	var log bytes.Buffer
	h := NewHandler(policy.Default(catalogue.All), 1, slog.New(slog.NewTextHandler(&log, nil)))
	post(h, "/validate", []byte(strings.Repeat("[", 5_000)+strings.Repeat(`"a",`, 10_000)))
	if !strings.Contains(log.String(), `msg="cannot judge" endpoint=validate code=400`) {
		t.Errorf("logged %s", log.String())
	}
}
