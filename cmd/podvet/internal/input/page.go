package input

import (
	"context"
	"errors"
	"io"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/podvet/podvet/cmd/podvet/internal/stream"
)

// pageSize is how many objects are asked for at once: of each the API server holds an answer in memory.
const pageSize = 500

// object is one that a cluster holds, as far as is needed before it is judged.
type object struct {
	Metadata metadata `json:"metadata"`
	// Status is left out of the text: no rule is about it, and it is half of a pod.
	Status jsontext.Value `json:"status,omitzero"`
	Rest   jsontext.Value `json:",embed"`

	text []byte
}

type metadata struct {
	Namespace string         `json:"namespace,omitempty"`
	Name      string         `json:"name"`
	Owners    jsontext.Value `json:"ownerReferences,omitzero"`
	// ManagedFields are left out of the text too.
	ManagedFields jsontext.Value `json:"managedFields,omitzero"`
	Rest          jsontext.Value `json:",embed"`
}

// asItIs: what a server sends is not ours to correct.
var asItIs = json.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))

func newObject(text jsontext.Value) (o object, err error) {
	if err := json.Unmarshal(text, &o, asItIs); err != nil {
		return o, err
	}
	o.Status, o.Metadata.ManagedFields = nil, nil
	o.text, err = json.Marshal(&o, asItIs)
	return o, err
}

// page hands on the objects of one page of a list, one by one as they come. next asks for the page after it, and is ""
// at the end of the list.
func (a api) page(ctx context.Context, path, from string, each func(object)) (next string, err error) {
	ctx, stop := context.WithTimeout(ctx, pageTimeout)
	defer stop()
	request := a.Get().AbsPath(path).SetHeader("Accept", "application/json").
		Param("limit", strconv.Itoa(pageSize))
	if from != "" {
		request = request.Param("continue", from)
	}
	answer, err := request.Stream(ctx)
	if err != nil {
		return "", err
	}
	defer func() { _ = answer.Close() }() // it was only read
	in := stream.NewDecoder(answer)
	if err := expect(in, '{'); err != nil {
		return "", err
	}
	listed := false
	for in.PeekKind() == '"' {
		name, err := in.ReadToken()
		if err != nil {
			return "", err
		}
		switch field := name.String(); {
		case field == "metadata":
			var about struct {
				Continue string `json:"continue"`
			}
			if err := json.UnmarshalDecode(in, &about, asItIs); err != nil {
				return "", err
			}
			next = about.Continue
		case field == "items" && in.PeekKind() == '[':
			listed = true
			err = items(in, each)
		default:
			listed = listed || field == "items" // null is none
			err = in.SkipValue()
		}
		if err != nil {
			return "", err
		}
	}
	if err := expect(in, '}'); err != nil || listed {
		return next, err
	}
	return "", errNoList
}

// items reads a list.
func items(in *jsontext.Decoder, each func(object)) error {
	if err := expect(in, '['); err != nil {
		return err
	}
	for in.PeekKind() == '{' {
		text, err := in.ReadValue()
		if err != nil {
			return err
		}
		one, err := newObject(text)
		if err != nil {
			return err
		}
		each(one)
	}
	return expect(in, ']')
}

// expect reads a brace or a bracket.
func expect(in *jsontext.Decoder, kind jsontext.Kind) error {
	token, err := in.ReadToken()
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	if err == nil && token.Kind() != kind {
		return errNoList
	}
	return err
}
