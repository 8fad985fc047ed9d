package input

import (
	"context"
	stdjson "encoding/json"
	"errors"
	"io"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"k8s.io/client-go/rest"

	"github.com/podvet/podvet/cmd/podvet/internal/console"
)

// How long the API server may take. A page is read only as fast as its objects are judged.
const (
	answerTimeout = 30 * time.Second
	pageTimeout   = 2 * time.Minute
)

// api asks an API server by paths.
type api struct{ rest.Interface }

// get reads one answer.
func (a api) get(ctx context.Context, path string, into any) error {
	ctx, stop := context.WithTimeout(ctx, answerTimeout)
	defer stop()
	text, err := a.Get().AbsPath(path).SetHeader("Accept", "application/json").DoRaw(ctx)
	if err != nil {
		return err
	}
	if stdjson.Unmarshal(text, into) != nil {
		return errNoList
	}
	return nil
}

// errNoList is an answer that no API server gives: a proxy may have sent it.
var errNoList = errors.New("not a list")

// whyNot says why an answer could not be read.
func whyNot(err error) string {
	_, syntactic := errors.AsType[*jsontext.SyntacticError](err)
	_, semantic := errors.AsType[*json.SemanticError](err)
	if errors.Is(err, errNoList) || semantic || syntactic && !errors.Is(err, io.ErrUnexpectedEOF) {
		return "the answer is not what an API server sends"
	}
	return console.Reason(err)
}
