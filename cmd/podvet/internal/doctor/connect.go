package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/version"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/podvet/podvet/cmd/podvet/internal/console"
	"github.com/podvet/podvet/rules/pod"
)

// Connect makes sure that an API server answers. It asks the pods through the API server, or directly: by their own
// addresses. It changes the configuration's warning handler and its limit of requests.
func Connect(ctx context.Context, config *rest.Config, direct bool) (Cluster, error) {
	said := &warnings{}
	config.WarningHandler = said
	config.QPS = -1 // a few dozen requests
	requests, err := rest.HTTPClientFor(config)
	var client *kubernetes.Clientset
	if err == nil {
		client, err = kubernetes.NewForConfigAndClient(config, requests)
	}
	if err != nil {
		return Cluster{}, console.Own("the kubeconfig cannot be used because " + console.Reason(err) + ": " +
			"write --kubeconfig or --context, or set KUBECONFIG")
	}
	about, err := client.CoreV1().RESTClient().Get().AbsPath("/version").DoRaw(ctx)
	switch {
	case apierrors.IsUnauthorized(err):
		return Cluster{}, fmt.Errorf(
			"the API server %s does not know you: log in, or choose another user with --context", config.Host)
	case err != nil && !apierrors.IsForbidden(err):
		return Cluster{}, fmt.Errorf(
			"the API server %s cannot be used because %s: see that the cluster runs, or choose another with --context",
			config.Host, console.Reason(err))
	}
	cluster := Cluster{Client: client, Minor: minorOf(about), Warnings: said.all, Dial: dialDirectly}
	if !direct {
		cluster.Dial = func(ctx context.Context, replica *corev1.Pod, port int32) (net.Conn, error) {
			return dialForwarded(ctx, config, client, replica, port)
		}
	}
	cluster.Page = func(ctx context.Context, replica *corev1.Pod, port int32, path string) (string, error) {
		name := fmt.Sprintf("http:%s:%d", replica.Name, port)
		url := client.CoreV1().RESTClient().Get().Resource("pods").Namespace(replica.Namespace).Name(name).
			SubResource("proxy").Suffix(path).URL()
		return fetch(ctx, requests, url.String())
	}
	return cluster, nil
}

// minorOf is the minor version in an answer to /version: that of podvet's types where it says none.
func minorOf(about []byte) int {
	var said version.Info
	if json.Unmarshal(about, &said) != nil {
		return pod.Newest
	}
	return pod.MinorOf(said.Minor)
}

// longestPage is how much is read of a page: more than the metrics of any podvet.
const longestPage = 16 << 20

// fetch gets a page through the API server. Client-go's own way would lose the words of an error.
func fetch(ctx context.Context, requests *http.Client, url string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	response, err := requests.Do(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(response.Body, longestPage))
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
	return string(text), nil
}

// dialDirectly connects to a pod's own address.
func dialDirectly(ctx context.Context, replica *corev1.Pod, port int32) (net.Conn, error) {
	address := net.JoinHostPort(replica.Status.PodIP, strconv.Itoa(int(port)))
	return (&net.Dialer{}).DialContext(ctx, "tcp", address)
}

// warnings are those that the API server sent with its answers.
type warnings struct {
	mu    sync.Mutex
	lines []string
}

// HandleWarningHeader notes a warning.
func (w *warnings) HandleWarningHeader(_ int, _, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lines = append(w.lines, text)
}

func (w *warnings) all() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.lines)
}
