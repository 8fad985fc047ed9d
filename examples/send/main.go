// Command send plays the API server for podvet serve: it takes manifests as kubectl would, sends the
// AdmissionReviews that a cluster would send, and prints what a kubectl user would see, and what podvet
// changed.
package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/pod"
)

func main() {
	server := flag.String("server", "https://127.0.0.1:9443", "podvet's `URL`")
	ca := flag.String("ca", ".podvet/certs/ca.crt", "`FILE` with the CA that signed its certificate")
	start := flag.String("start", "", "start this podvet `BINARY` first, and keep it serving afterwards")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: go run ./examples/send [flags] FILE...")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() == 0 {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(*server, *ca, *start, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "send: "+err.Error())
		os.Exit(1)
	}
}

func run(server, ca, start string, files []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	wait := func() error { return nil }
	if start != "" {
		var err error
		if wait, err = startServer(ctx, start, ca); err != nil {
			return err
		}
	}
	s, err := newSender(server, ca, os.Stdout)
	if err != nil {
		return err
	}
	for _, file := range files {
		if err := s.apply(ctx, file); err != nil {
			return err
		}
	}
	if start != "" {
		fmt.Printf("\npodvet goes on serving. Send your own from another terminal, Ctrl-C ends it:\n" +
			"  go run ./examples/send FILE...\n")
	}
	return wait()
}

// startServer runs podvet until ctx ends and returns once it serves.
func startServer(ctx context.Context, binary, ca string) (wait func() error, err error) {
	cmd := exec.CommandContext(ctx, binary, "serve", "--local", "--cert-dir", strings.TrimSuffix(ca, "/ca.crt"))
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		_ = cmd.Wait() // it has said why on its standard error
		return nil, errors.New("podvet did not start")
	}
	fmt.Print(line)
	return func() error {
		if err := cmd.Wait(); ctx.Err() == nil {
			return err
		}
		return nil // asked to end
	}, nil
}

type sender struct {
	server string
	client *http.Client
	out    io.Writer
	uid    int
}

func newSender(server, ca string, out io.Writer) (*sender, error) {
	pem, err := os.ReadFile(ca)
	if err != nil {
		return nil, fmt.Errorf("is podvet serving? its CA cannot be read: %w", err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	transport := &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2: true,
	}
	return &sender{server: server, out: out, client: &http.Client{Transport: transport, Timeout: 10 * time.Second}}, nil
}

// apply does what `kubectl apply -f FILE` sets off.
func (s *sender) apply(ctx context.Context, file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	for {
		doc, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		s.printf("\n$ kubectl apply -f %s\n", file)
		var kind metav1.TypeMeta
		if err := yaml.Unmarshal(doc, &kind); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		obj := pod.NewObject(kind.APIVersion, kind.Kind)
		if obj == nil {
			s.printf("# podvet does not vet a %s\n", kind.Kind)
			continue
		}
		if err := yaml.UnmarshalStrict(doc, obj); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		obj.SetNamespace("default")
		if err := s.create(ctx, file, obj); err != nil {
			return err
		}
	}
}

func (s *sender) create(ctx context.Context, file string, obj pod.Object) error {
	admitted, err := s.admit(ctx, obj, fmt.Sprintf("error when creating %q: ", file))
	if err != nil || !admitted {
		return err
	}
	s.printf("%s/%s created\n", resource(obj), obj.GetName())
	if pod := podOf(obj); pod != nil {
		s.printf("# and each of its pods:\n")
		_, err = s.admit(ctx, pod, "")
	}
	return err
}

// admit sends a pod through /mutate and /validate, a workload through /validate.
func (s *sender) admit(ctx context.Context, obj pod.Object, doing string) (bool, error) {
	pod.Default(obj) // as the API server does before it asks
	raw, err := json.Marshal(obj)
	if err != nil {
		return false, err
	}
	if resource(obj) == "pod" {
		mutated, err := s.review(ctx, "/mutate", obj, raw)
		if err != nil {
			return false, err
		}
		if raw, err = s.patched(raw, mutated.Patch); err != nil {
			return false, err
		}
	}
	answer, err := s.review(ctx, "/validate", obj, raw)
	if err != nil {
		return false, err
	}
	for _, warning := range answer.Warnings {
		s.printf("Warning: %s\n", warning)
	}
	if !answer.Allowed {
		s.printf("Error from server (%s): %sadmission webhook \"validate.podvet.dev\" denied the request: %s\n",
			answer.Result.Reason, doing, answer.Result.Message)
	} else if len(answer.Warnings) == 0 && doing == "" {
		s.printf("# admitted\n")
	}
	return answer.Allowed, nil
}

// patched applies a patch as the API server would, and shows it.
func (s *sender) patched(raw, patch []byte) ([]byte, error) {
	if len(patch) == 0 {
		return raw, nil
	}
	var ops []rules.Operation
	if err := json.Unmarshal(patch, &ops); err != nil {
		return nil, err
	}
	for _, op := range ops {
		value, err := json.Marshal(op.Value)
		if err != nil {
			return nil, err
		}
		s.printf("# patched: %s %s\n", op.Path, value)
	}
	decoded, err := jsonpatch.DecodePatch(patch)
	if err != nil {
		return nil, err
	}
	return decoded.Apply(raw)
}

func (s *sender) review(
	ctx context.Context, path string, obj pod.Object, raw []byte,
) (*admissionv1.AdmissionResponse, error) {
	s.uid++
	gvk := obj.GetObjectKind().GroupVersionKind()
	resource := strings.ToLower(gvk.Kind) + "s"
	body, err := json.Marshal(admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{APIVersion: "admission.k8s.io/v1", Kind: "AdmissionReview"},
		Request: &admissionv1.AdmissionRequest{
			UID: types.UID(fmt.Sprintf("send-%d", s.uid)), Operation: admissionv1.Create,
			Kind: metav1.GroupVersionKind(gvk), Name: obj.GetName(), Namespace: obj.GetNamespace(),
			Resource: metav1.GroupVersionResource{Group: gvk.Group, Version: gvk.Version, Resource: resource},
			Object:   runtime.RawExtension{Raw: raw},
		},
	})
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.server+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s: %s", path, resp.Status, strings.TrimSpace(string(text)))
	}
	var answer admissionv1.AdmissionReview
	if err := json.Unmarshal(text, &answer); err != nil {
		return nil, err
	}
	if answer.Response == nil {
		return nil, fmt.Errorf("%s answers without a response: %s", path, text)
	}
	return answer.Response, nil
}

// podOf is the pod that the workload's controller will create, nil for a pod.
func podOf(workload pod.Object) *corev1.Pod {
	subject, ok := pod.SubjectOf(workload)
	if !ok || !subject.Template {
		return nil
	}
	pod := &corev1.Pod{ObjectMeta: *subject.Meta.DeepCopy(), Spec: *subject.Spec.DeepCopy()}
	pod.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Pod"))
	gvk, name := workload.GetObjectKind().GroupVersionKind(), workload.GetName()
	switch gvk.Kind { // these make others, which make the pods
	case "Deployment":
		gvk.Kind, name = "ReplicaSet", name+"-5d4f8c7b9"
	case "CronJob":
		gvk.Kind, name = "Job", name+"-29384950"
	}
	pod.GenerateName, pod.Namespace = name+"-", workload.GetNamespace()
	owner := &metav1.ObjectMeta{Name: name, UID: "send"}
	pod.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(owner, gvk)}
	return pod
}

// resource is the kind as kubectl prints it.
func resource(obj pod.Object) string {
	gvk := obj.GetObjectKind().GroupVersionKind()
	name := strings.ToLower(gvk.Kind)
	if gvk.Group != "" {
		name += "." + gvk.Group
	}
	return name
}

func (s *sender) printf(format string, args ...any) {
	_, _ = fmt.Fprintf(s.out, format, args...)
}
