package soak

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

// A proxy is the way of one replica to the API server, with faults.
type proxy struct {
	server *httptest.Server
	ca     []byte // that verifies it
	fault  atomic.Pointer[action]
}

func newProxy(t *testing.T, api *rest.Config) *proxy {
	t.Helper()
	target, err := url.Parse(api.Host)
	if err != nil {
		t.Fatal(err)
	}
	anonymous := rest.AnonymousClientConfig(api) // the caller's token is handed on
	transport, err := rest.TransportFor(anonymous)
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{}
	p.server = httptest.NewUnstartedServer(&httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport:     p.between(transport),
		FlushInterval: -1, // watches
		ErrorLog:      discard,
		ErrorHandler:  func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	})
	p.server.EnableHTTP2 = true
	p.server.Config.ErrorLog = discard
	p.server.StartTLS()
	t.Cleanup(func() { p.server.CloseClientConnections(); p.server.Close() })
	p.ca = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.server.Certificate().Raw})
	return p
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// between has two of three requests meet the fault that is set.
func (p *proxy) between(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		fault := p.fault.Load()
		if fault == nil || rand.IntN(3) == 0 {
			return next.RoundTrip(r)
		}
		writes := r.Method != http.MethodGet
		switch fault.Kind {
		case cut:
			return nil, io.ErrUnexpectedEOF
		case slow:
			select {
			case <-time.After(200*time.Millisecond + rand.N(2*time.Second)):
			case <-r.Context().Done():
			}
		case conflict:
			if writes {
				return status(r, http.StatusConflict, metav1.StatusReasonConflict), nil
			}
		case gone:
			if !writes {
				return status(r, http.StatusGone, metav1.StatusReasonExpired), nil
			}
		case tooMany:
			return status(r, http.StatusTooManyRequests, metav1.StatusReasonTooManyRequests), nil
		case broken:
			return status(r, http.StatusInternalServerError, metav1.StatusReasonInternalError), nil
		}
		return next.RoundTrip(r)
	})
}

// status is an API server's error.
func status(r *http.Request, code int, reason metav1.StatusReason) *http.Response {
	text, err := json.Marshal(metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"},
		Status: metav1.StatusFailure, Code: int32(code), Reason: reason, Message: "the soak says so"})
	if err != nil {
		panic(err)
	}
	header := http.Header{"Content-Type": {"application/json"}}
	if code == http.StatusTooManyRequests {
		header.Set("Retry-After", "1")
	}
	return &http.Response{StatusCode: code, Status: http.StatusText(code), Proto: "HTTP/1.1", ProtoMajor: 1,
		ProtoMinor: 1, Header: header, Body: io.NopCloser(bytes.NewReader(text)), ContentLength: int64(len(text)),
		Request: r}
}

// set puts a fault in force, nil for none. Open connections end, so that watches meet it too.
func (p *proxy) set(fault *action) {
	p.fault.Store(fault)
	if fault != nil && fault.Kind != slow {
		p.server.CloseClientConnections()
	}
}
