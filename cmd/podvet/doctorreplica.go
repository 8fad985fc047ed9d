package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"
	"k8s.io/streaming/pkg/httpstream"
)

// replica is a pod of podvet.
type replica struct {
	*corev1.Pod

	served    []*x509.Certificate // the leaf first
	servedErr error
	metrics   metricsPage
	metricErr error
	silent    bool // it did not answer in time, and is not asked again
}

// metricsPage is the text of /metrics.
type metricsPage string

var policyInfo = regexp.MustCompile(`(?m)^podvet_policy_info\{hash="([^"]*)",source="([^"]*)"\} 1$`)

// policy tells which policy is in force and where it came from.
func (m metricsPage) policy() (hash, source string) {
	if found := policyInfo.FindStringSubmatch(string(m)); found != nil {
		return found[1], found[2]
	}
	return "", ""
}

var reviewsTotal = regexp.MustCompile(`(?m)^podvet_reviews_total\{decision="(?:[^e"]|e[^r"])[^"]*",endpoint="([^"]*)"\} ([0-9.e+]+)$`)

// reviews counts what was judged, by endpoint. Errors are no answers.
func (m metricsPage) reviews() map[string]float64 {
	sum := map[string]float64{}
	for _, found := range reviewsTotal.FindAllStringSubmatch(string(m), -1) {
		n, _ := strconv.ParseFloat(found[2], 64)
		sum[found[1]] += n
	}
	return sum
}

// readMetrics asks a replica for its metrics, through the API server.
func (d *doctor) readMetrics(ctx context.Context, r *replica) {
	if r.silent {
		return
	}
	r.metrics, r.metricErr = d.page(ctx, r, r.port("metrics", 8080), "metrics")
	if hash, _ := r.metrics.policy(); r.metricErr == nil && hash == "" {
		r.metricErr = errors.New("they name no policy")
	}
}

// unready asks a replica why it is not ready, for the kubelet does not say. It is "" where the replica does not say.
func (d *doctor) unready(ctx context.Context, r *replica) string {
	if r.Status.Phase != corev1.PodRunning {
		return ""
	}
	_, err := d.page(ctx, r, r.port("health", 8081), "readyz")
	if r.silent {
		r.metricErr = err
		return "it does not answer the API server's proxy either"
	}
	if err == nil {
		return ""
	}
	reason, found := strings.CutPrefix(err.Error(), "503 Service Unavailable ")
	if !found {
		return ""
	}
	return reason
}

// page asks a replica for a page, through the API server, and notes when it does not answer in time.
func (d *doctor) page(ctx context.Context, r *replica, port int32, path string) (metricsPage, error) {
	name := fmt.Sprintf("http:%s:%d", r.Name, port)
	url := d.client.CoreV1().RESTClient().Get().Resource("pods").Namespace(r.Namespace).Name(name).SubResource("proxy").Suffix(path).URL()
	text, err := d.fetch(ctx, url.String())
	r.silent = errors.Is(err, context.DeadlineExceeded)
	return text, err
}

// fetch gets a page through the API server. Client-go's own way would lose the words of an error.
func (d *doctor) fetch(ctx context.Context, url string) (metricsPage, error) {
	ctx, stop := context.WithTimeout(ctx, dialLimit)
	defer stop()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	response, err := d.http.Do(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(response.Body, 16<<20))
	if err != nil {
		return "", err
	}
	if response.StatusCode != http.StatusOK {
		var status metav1.Status
		if json.Unmarshal(text, &status) != nil || status.Message == "" {
			status.Message = response.Status + " " + string(text)
		}
		return "", errors.New(status.Message)
	}
	return metricsPage(text), nil
}

// running are the replicas that can be asked, ready or not: what is wrong with a certificate is why they are not.
func (d *doctor) running() []*replica {
	return slices.DeleteFunc(slices.Clone(d.replicas), func(r *replica) bool { return r.Status.Phase != corev1.PodRunning || r.Status.PodIP == "" })
}

// ready are the replicas that requests go to.
func (d *doctor) ready() []*replica {
	var list []*replica
	for _, r := range d.replicas {
		if condition(r.Pod, corev1.PodReady).Status == corev1.ConditionTrue {
			list = append(list, r)
		}
	}
	return list
}

func condition(pod *corev1.Pod, kind corev1.PodConditionType) corev1.PodCondition {
	for _, c := range pod.Status.Conditions {
		if c.Type == kind {
			return c
		}
	}
	return corev1.PodCondition{}
}

// whyNotReady is what the pod's status says, as short as it gets.
func (r *replica) whyNotReady() string {
	for _, c := range r.Status.ContainerStatuses {
		if waiting := c.State.Waiting; waiting != nil && waiting.Reason != "" {
			return strings.TrimSuffix(waiting.Reason+": "+waiting.Message, ": ")
		}
	}
	for _, kind := range []corev1.PodConditionType{corev1.PodScheduled, corev1.PodReady} {
		if c := condition(r.Pod, kind); c.Status == corev1.ConditionFalse && c.Message != "" {
			return c.Message
		}
	}
	return "it is " + string(r.Status.Phase)
}

// port is the number of a port that has a name.
func (r *replica) port(name string, otherwise int32) int32 {
	for _, c := range r.Spec.Containers {
		for _, p := range c.Ports {
			if p.Name == name {
				return p.ContainerPort
			}
		}
	}
	return otherwise
}

// flag is what the replica is started with, "" for none.
func (r *replica) flag(name string) string {
	for _, c := range r.Spec.Containers {
		args := append(append([]string(nil), c.Command...), c.Args...)
		for i, arg := range args {
			if value, found := strings.CutPrefix(arg, name+"="); found {
				return value
			}
			if arg == name && i+1 < len(args) {
				return args[i+1]
			}
		}
	}
	return ""
}

// dialLimit bounds the look at one replica.
const dialLimit = 5 * time.Second

// readServed sees which certificate a replica serves for a name.
func (d *doctor) readServed(ctx context.Context, r *replica, port int32, server string) {
	ctx, stop := context.WithTimeout(ctx, dialLimit)
	defer stop()
	address := net.JoinHostPort(r.Status.PodIP, strconv.Itoa(int(port)))
	if !d.direct {
		forwarded, err := d.forward(ctx, r, port)
		if err != nil {
			r.servedErr = err
			return
		}
		address = net.JoinHostPort("127.0.0.1", strconv.Itoa(int(forwarded)))
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		r.servedErr = err
		return
	}
	defer func() { _ = conn.Close() }()
	client := tls.Client(conn, &tls.Config{ServerName: server, InsecureSkipVerify: true, //nolint:gosec // the checks verify it, and say more
		VerifyConnection: func(state tls.ConnectionState) error {
			r.served = state.PeerCertificates
			return nil
		}})
	// With --client-ca the handshake ends in an error, after the certificate was shown.
	if err := client.HandshakeContext(ctx); err != nil && r.served == nil {
		r.servedErr = fmt.Errorf("it serves no certificate: %w", err)
	}
}

// forward opens a port on this machine that leads to one of a replica until ctx ends, as kubectl port-forward does.
func (d *doctor) forward(ctx context.Context, r *replica, port int32) (uint16, error) {
	to := d.client.CoreV1().RESTClient().Post().Resource("pods").Namespace(r.Namespace).Name(r.Name).SubResource("portforward").URL()
	transport, upgrader, err := spdy.RoundTripperFor(d.config)
	if err != nil {
		return 0, err
	}
	older := spdy.NewDialer(upgrader, &http.Client{Transport: transport}, http.MethodPost, to)
	newer, err := portforward.NewSPDYOverWebsocketDialer(to, d.config)
	if err != nil {
		return 0, err
	}
	dialer := portforward.NewFallbackDialer(newer, older, func(err error) bool {
		return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
	})
	ready, ended := make(chan struct{}), make(chan error, 1)
	forwarder, err := portforward.NewOnAddressesWithContext(ctx, dialer, []string{"127.0.0.1"}, []string{fmt.Sprintf("0:%d", port)}, ready, io.Discard, io.Discard)
	if err != nil {
		return 0, err
	}
	go func() { ended <- forwarder.ForwardPorts() }()
	select {
	case err := <-ended:
		return 0, fmt.Errorf("port-forward ended: %w", err)
	case <-ctx.Done():
		return 0, fmt.Errorf("port-forward: %w", context.Cause(ctx))
	case <-ready:
	}
	ports, err := forwarder.GetPorts()
	if err != nil {
		return 0, err
	}
	return ports[0].Local, nil
}

// denied is how the API server's RBAC says no.
// https://github.com/kubernetes/kubernetes/blob/v1.37.2/staging/src/k8s.io/apiserver/pkg/endpoints/handlers/responsewriters/errors.go
var denied = regexp.MustCompile(`cannot (\w+) resource "([^"]+)" in API group "([^"]*)" (at the cluster scope|in the namespace "[^"]+")`)

// missingRight is the right that an error says is missing, "" for none.
func missingRight(err error) string {
	found := denied.FindStringSubmatch(err.Error())
	if found == nil {
		return ""
	}
	resource := found[2]
	if found[3] != "" {
		resource += "." + found[3]
	}
	return found[1] + " " + resource + " " + strings.ReplaceAll(found[4], `"`, "")
}

// notKnown is the finding where something could not be read.
func notKnown(what string, err error) finding {
	if right := missingRight(err); right != "" {
		return wrong(resultUnknown, "ask for that right, or let someone who has it run doctor", "%s cannot be read: you may not %s", what, right)
	}
	if apierrors.IsNotFound(err) {
		return wrong(resultUnknown, "run doctor again", "%s is gone", what)
	}
	return wrong(resultUnknown, "run doctor again, with more --timeout where time ran out", "%s cannot be read: %v", what, oneLine(err))
}

// oneLine is an error that fits a line.
func oneLine(err error) error {
	text := strings.Join(strings.Fields(err.Error()), " ")
	if len(text) > 300 {
		text = strings.ToValidUTF8(text[:300], "") + "…"
	}
	return errors.New(text)
}
