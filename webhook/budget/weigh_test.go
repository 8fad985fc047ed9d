package budget

import (
	"bytes"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

// TestUnread: what is taken out of a body is what nobody reads, and the rest is as it was.
func TestUnread(t *testing.T) {
	for before, after := range map[string]string{
		`{"metadata":{"managedFields":[{"a":"}]"}],"name":"x"}}`: `{"metadata":{"managedFields":null,"name":"x"}}`,
		`{"metadata":{"managedFields":[]}}`:                      `{"metadata":{"managedFields":[]}}`,
		`{"managedFields":[{},{}]}`:                              `{"managedFields":[{},{}]}`,
		`{"metadata":{"managedFields":"text","name":"x"}}`:       `{"metadata":{"managedFields":null,"name":"x"}}`,
		`{"request":{"kind":{"kind":"Pod"},"userInfo":{"uid":"u"},"object":{"spec":{"dnsPolicy":"None"}}}}`: "" +
			`{"request":{"kind":{"kind":"Pod"},"userInfo":null,"object":{"spec":{"dnsPolicy":null}}}}`,
		`{"request":{"object":{"spec":{"dnsPolicy":"None"}}}}`: `{"request":{"object":{"spec":{"dnsPolicy":"None"}}}}`,
		strings.Repeat("[", 201) + "1,2" + strings.Repeat("]", 201): strings.Repeat("[", 200) + "null" +
			strings.Repeat("]", 200),
	} {
		left, _, _ := Weigh([]byte(before))
		body := jsontext.Value(left)
		if err := body.Compact(); err != nil || string(body) != after {
			t.Errorf("%s, want %s: %v", body, after, err)
		}
	}
}

// FuzzWeigh: no text is out of bounds, and what is JSON stays JSON.
func FuzzWeigh(f *testing.F) {
	for _, text := range []string{`"`, `"\`, `{"metadata":{"managedFields":[`, `]}`, strings.Repeat("[", 300)} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		valid := jsontext.Value(bytes.Clone(text)).IsValid()
		left, takes, _ := Weigh(text)
		if takes < 0 {
			t.Errorf("%d", takes)
		}
		if valid && !jsontext.Value(left).IsValid() {
			t.Errorf("%s", left)
		}
	})
}
