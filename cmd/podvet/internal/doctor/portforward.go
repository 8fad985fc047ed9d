package doctor

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"
	"k8s.io/streaming/pkg/httpstream"
)

// dialForwarded connects to a port of a pod through the API server, as kubectl port-forward does, until ctx ends.
func dialForwarded(
	ctx context.Context, config *rest.Config, client kubernetes.Interface, pod *corev1.Pod, port int32,
) (net.Conn, error) {
	local, err := forward(ctx, config, client, pod, port)
	if err != nil {
		return nil, err
	}
	return (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(int(local))))
}

// forward opens a port on this machine that leads to one of a pod.
func forward(
	ctx context.Context, config *rest.Config, client kubernetes.Interface, pod *corev1.Pod, port int32,
) (uint16, error) {
	to := client.CoreV1().RESTClient().Post().Resource("pods").Namespace(pod.Namespace).Name(pod.Name).
		SubResource("portforward").URL()
	transport, upgrader, err := spdy.RoundTripperFor(config)
	if err != nil {
		return 0, err
	}
	older := spdy.NewDialer(upgrader, &http.Client{Transport: transport}, http.MethodPost, to)
	newer, err := portforward.NewSPDYOverWebsocketDialer(to, config)
	if err != nil {
		return 0, err
	}
	dialer := portforward.NewFallbackDialer(newer, older, func(err error) bool {
		return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
	})
	ready, ended := make(chan struct{}), make(chan error, 1)
	forwarder, err := portforward.NewOnAddressesWithContext(ctx, dialer, []string{"127.0.0.1"},
		[]string{fmt.Sprintf("0:%d", port)}, ready, io.Discard, io.Discard)
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
