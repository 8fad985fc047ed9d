package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-logr/logr"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/podvet/podvet/test/cluster"
	"github.com/podvet/podvet/test/podvet"
)

// A handler is something that answers reviews, in a process of its own.
type handler struct {
	name    string
	url     string
	ca      string        // a file
	process *os.Process   // several handlers can be of one
	ready   time.Duration // from the start of podvet's process until it serves
}

// The handlers to compare podvet with, by what they do of the work of an admission webhook.
var anchors = map[string]func() http.Handler{
	"nothing":            answerAll,
	"controller-runtime": func() http.Handler { return standalone(allow) },
	"mutator":            func() http.Handler { return standalone(label) },
	"patch":              patches,
}

// answerAll reads the body, and allows what it may be.
func answerAll() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1",`+
			`"response":{"uid":%q,"allowed":true}}`, r.URL.Query().Get("uid"))
	})
}

// standalone is how a controller-runtime webhook serves.
func standalone(handle admission.HandlerFunc) http.Handler {
	h, err := admission.StandaloneWebhook(&admission.Webhook{Handler: handle}, admission.StandaloneOptions{})
	if err != nil {
		panic(err) // it can only be of its metrics, which are not asked for
	}
	return h
}

func allow(context.Context, admission.Request) admission.Response { return admission.Allowed("") }

// usualPatch is what podvet's /mutate answers to the usual review.
const usualPatch = `[{"op":"add","path":"/spec/containers/0/startupProbe","value":{"httpGet":{"path":"/healthz",` +
	`"port":"admin"},"periodSeconds":3,"failureThreshold":101}},` +
	`{"op":"add","path":"/metadata/annotations","value":{"podvet.dev/fixed":"no-startup-probe/app"}}]`

// patches decodes nothing of the pod either, and answers to /mutate what podvet would: what that costs the API server.
func patches() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/mutate", standalone(func(context.Context, admission.Request) admission.Response {
		kind := admissionv1.PatchTypeJSONPatch
		return admission.Response{AdmissionResponse: admissionv1.AdmissionResponse{
			Allowed: true, Patch: []byte(usualPatch), PatchType: &kind}}
	}))
	mux.Handle("/validate", standalone(allow))
	return mux
}

// label is what most mutating webhooks do: decode the pod, change it, encode it, compare both.
func label(_ context.Context, request admission.Request) admission.Response {
	if request.Kind.Kind != "Pod" {
		return admission.Allowed("")
	}
	pod := &corev1.Pod{}
	if err := decoder.Decode(request, pod); err != nil {
		return admission.Errored(http.StatusBadRequest, err)
	}
	if pod.Labels == nil {
		pod.Labels = map[string]string{}
	}
	pod.Labels["bench"] = "seen"
	changed, err := json.Marshal(pod)
	if err != nil {
		return admission.Errored(http.StatusInternalServerError, err)
	}
	return admission.PatchResponseFromRaw(request.Object.Raw, changed)
}

var decoder = admission.NewDecoder(func() *runtime.Scheme {
	s := runtime.NewScheme()
	if err := corev1.AddToScheme(s); err != nil {
		panic(err)
	}
	return s
}())

// serve is the process of an anchor: serve NAME FOLDER, where the folder holds tls.crt and tls.key. It prints its
// address.
func serve(ctx context.Context, args []string) error {
	name, folder := args[0], args[1]
	log.SetLogger(logr.Discard())
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr())
	server := &http.Server{Handler: anchors[name](), ReadHeaderTimeout: time.Minute}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	err = server.ServeTLS(listener, filepath.Join(folder, "tls.crt"), filepath.Join(folder, "tls.key"))
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// startAll starts podvet, whose certificate the others use, and then these.
func startAll(ctx context.Context, binary, folder string) (all []handler, stop func(), err error) {
	began := time.Now()
	served, err := podvet.Serve(ctx, binary, folder, "")
	if err != nil {
		return nil, nil, err
	}
	ready := time.Since(began)
	certificates := filepath.Join(folder, "certs")
	stop = func() { _ = served.Stop() }
	for _, name := range []string{"nothing", "controller-runtime", "mutator"} {
		h, err := startAnchor(ctx, name, certificates)
		if err != nil {
			stop()
			return nil, nil, err
		}
		all = append(all, h)
	}
	of := func(path string) handler {
		return handler{name: path, url: served.URL + path, ca: filepath.Join(certificates, "ca.crt"),
			process: served.Process, ready: ready}
	}
	return append(all, of("/validate"), of("/mutate")), stop, nil
}

// startAnchor starts the process of an anchor. It ends with the context.
func startAnchor(ctx context.Context, name, certificates string) (handler, error) {
	self, err := os.Executable()
	if err != nil {
		return handler{}, err
	}
	cmd := exec.CommandContext(ctx, self, "serve", name, certificates)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return handler{}, err
	}
	if err := cluster.StartChild(cmd); err != nil {
		return handler{}, err
	}
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return handler{}, fmt.Errorf("%s: %w", name, err)
	}
	return handler{name: name, url: "https://" + strings.TrimSpace(address) + "/",
		ca: filepath.Join(certificates, "ca.crt"), process: cmd.Process}, nil
}
