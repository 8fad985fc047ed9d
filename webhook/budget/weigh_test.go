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
		`{"metadata":{"managedFields":[{"a":"}]"}],"name":"x"}}`:             `{"metadata":{"name":"x"}}`,
		`{"metadata":{"managedFields":[]}}`:                                  `{"metadata":{}}`,
		`{"managedFields":[{},{}]}`:                                          `{"managedFields":[{},{}]}`,
		`{"metadata":{"managedFields":"text","name":"x"}}`:                   `{"metadata":{"name":"x"}}`,
		`{"metadata":{"name":"x","managedFields":[{}],"uid":1}}`:             `{"metadata":{"name":"x","uid":1}}`,
		`{"metadata":{"name":"x","managedFields":[{}]}}`:                     `{"metadata":{"name":"x"}}`,
		`{"metadata":{"managedFields":{},"managedFields":[{}]}}`:             `{"metadata":{}}`,
		`{"metadata":{"a":1,"managedFields":"","managedFields":[{}]},"b":2}`: `{"metadata":{"a":1},"b":2}`,
		// Not as the API server writes it.
		`{"metadata":{"managedFields":["a"] ,"name":"x"}}`:      `{"metadata":{"managedFields":null,"name":"x"}}`,
		`{"metadata":{"managedFields":["a"], "name":"x"}}`:      `{"metadata":{"managedFields":null,"name":"x"}}`,
		`{"metadata":{"managedFields": ["a"],"name":"x"}}`:      `{"metadata":{"managedFields":null,"name":"x"}}`,
		`{"metadata":{"managedFields" :["a"],"name":"x"}}`:      `{"metadata":{"managedFields":null,"name":"x"}}`,
		`{"metadata":{ "managedFields":["a"],"name":"x"}}`:      `{"metadata":{"managedFields":null,"name":"x"}}`,
		`{"metadata":{"a":1, "managedFields":[]}}`:              `{"metadata":{"a":1,"managedFields":[]}}`,
		`{"metadata":{"a":1 "managedFields":["a"],"name":"x"}}`: `{"metadata":{"a":1 "managedFields":null,"name":"x"}}`,
		`{"metadata":{"managedFields":["a"],}}`:                 `{"metadata":{"managedFields":null,}}`,
		`{"metadata":{"managedFields":["a"]`:                    `{"metadata":{"managedFields":null`,
		`{"metadata":["managedFields":["a"],"b"]}`:              `{"metadata":["managedFields":["a"],"b"]}`,
		`{"request":{"kind":{"kind":"Pod"},"userInfo":{"uid":"u"},"object":{"spec":{"dnsPolicy":"None"}}}}`: "" +
			`{"request":{"kind":{"kind":"Pod"},"object":{"spec":{}}}}`,
		`{"request":{"object":{"spec":{"dnsPolicy":"None"}}}}`: `{"request":{"object":{"spec":{"dnsPolicy":"None"}}}}`,
		strings.Repeat("[", 201) + "1,2" + strings.Repeat("]", 201): strings.Repeat("[", 200) + "null" +
			strings.Repeat("]", 200),
	} {
		left, _, _ := Weigh([]byte(before))
		body := jsontext.Value(left)
		_ = body.Compact() // does nothing to what is wrong
		if string(body) != after {
			t.Errorf("%s, want %s", body, after)
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
