package webhook

import (
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/podvet/podvet/rules"
)

// An answer is written by hand: reflection would take a tenth of a review's time. TestAnswersAreJSON compares.

// answerRoom is as much as most answers take, in bytes.
const answerRoom = 2 << 10

// answers are the rooms of those that were sent.
var answers = sync.Pool{New: func() any { return new([answerRoom]byte) }}

// sent gives the room of an answer back, of which nothing is looked at any more.
func sent(answer []byte) {
	if cap(answer) == answerRoom {
		answers.Put((*[answerRoom]byte)(answer[:answerRoom]))
	}
}

// encode is a review that answers.
func encode(r *response) []byte {
	b := answers.Get().(*[answerRoom]byte)[:0]
	b = append(b, `{"apiVersion":"`+reviewAPIVersion+`","kind":"AdmissionReview","response":{"uid":`...)
	b = quote(b, string(r.UID))
	b = append(b, `,"allowed":`...)
	b = strconv.AppendBool(b, r.Allowed)
	if r.Status != nil {
		b = append(b, `,"status":{"message":`...)
		b = quote(b, r.Status.Message)
		b = append(b, `,"reason":`...)
		b = quote(b, string(r.Status.Reason))
		b = append(b, `,"code":`...)
		b = strconv.AppendInt(b, int64(r.Status.Code), 10)
		b = append(b, '}')
	}
	if len(r.Patch) > 0 {
		b = append(b, `,"patch":"`...)
		b = base64.StdEncoding.AppendEncode(b, r.Patch)
		b = append(b, `","patchType":"JSONPatch"`...)
	}
	if notes := r.AuditAnnotations; notes != nil {
		b = append(b, `,"auditAnnotations":{`...)
		if notes.findings != "" {
			b = append(quote(append(b, `"findings":`...), notes.findings), ',')
		}
		if notes.fixed != "" {
			b = append(quote(append(b, `"fixed":`...), notes.fixed), ',')
		}
		b = append(quote(append(b, `"policy":`...), notes.policy), '}')
	}
	if len(r.Warnings) > 0 {
		b = append(b, `,"warnings":[`...)
		for i, warning := range r.Warnings {
			b = quote(separate(b, i), warning)
		}
		b = append(b, ']')
	}
	return append(b, "}}"...)
}

// encodePatch is a JSON Patch. What is put in whole, new probes and hooks, is the API's own and written by its tags.
func encodePatch(ops []rules.Operation) ([]byte, error) {
	b := append(make([]byte, 0, 512), '[')
	for i, op := range ops {
		b = append(separate(b, i), `{"op":`...)
		b = quote(b, op.Op)
		b = append(b, `,"path":`...)
		b = quote(b, op.Path)
		b = append(b, `,"value":`...)
		switch value := op.Value.(type) {
		case string:
			b = quote(b, value)
		case int32:
			b = strconv.AppendInt(b, int64(value), 10)
		case map[string]string:
			b = texts(b, value)
		default:
			text, err := json.Marshal(value, encodeOptions)
			if err != nil {
				return nil, fmt.Errorf("writing the patch: %w", err)
			}
			b = append(b, text...)
		}
		b = append(b, '}')
	}
	return append(b, ']'), nil
}

func texts(b []byte, m map[string]string) []byte {
	b = append(b, '{')
	for i, key := range slices.Sorted(maps.Keys(m)) {
		b = append(quote(separate(b, i), key), ':')
		b = quote(b, m[key])
	}
	return append(b, '}')
}

func separate(b []byte, i int) []byte {
	if i > 0 {
		return append(b, ',')
	}
	return b
}

// quote writes a text as JSON; what of it is not UTF-8 becomes U+FFFD, as in any Go encoder.
func quote(b []byte, text string) []byte {
	b, _ = jsontext.AppendQuote(b, text)
	return b
}
