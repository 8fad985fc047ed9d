package doctor

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/podvet/podvet/cmd/podvet/internal/console"
)

// Cluster is how doctor asks a cluster.
type Cluster struct {
	Client kubernetes.Interface
	Minor  int // of the API server's version
	// Page gets a page from a port of a pod. Where the pod answers something else than 200 the error begins with the
	// status, such as "503 Service Unavailable ", and goes on with the text of the answer.
	Page func(ctx context.Context, pod *corev1.Pod, port int32, path string) (string, error)
	// Dial connects to a port of a pod, until ctx ends.
	Dial func(ctx context.Context, pod *corev1.Pod, port int32) (net.Conn, error)
	// Warnings are those that the API server has sent with its answers so far.
	Warnings func() []string
}

// installation is a podvet in a cluster. What the first checks read of it the later ones use.
type installation struct {
	Cluster

	configuration      string // name of both webhook configurations
	namespace, service string
	webhooks           []webhook
	replicas           []*replica // nil where they are not known
}

// server is the name that the API server wants a certificate to be for.
func (in *installation) server() string { return in.service + "." + in.namespace + ".svc" }

// running are the replicas that can be asked.
func (in *installation) running() []*replica { return in.those((*replica).running) }

// ready are the replicas that requests go to.
func (in *installation) ready() []*replica { return in.those((*replica).ready) }

func (in *installation) those(are func(*replica) bool) []*replica {
	var list []*replica
	for _, r := range in.replicas {
		if are(r) {
			list = append(list, r)
		}
	}
	return list
}

// replicaTimeout bounds the wait for one answer of a replica.
const replicaTimeout = 5 * time.Second

// page asks a replica for a page, and notes when it does not answer in time.
func (in *installation) page(ctx context.Context, r *replica, port int32, path string) (string, error) {
	ctx, stop := context.WithTimeout(ctx, replicaTimeout)
	defer stop()
	text, err := in.Page(ctx, r.Pod, port, path)
	r.silent = errors.Is(err, context.DeadlineExceeded)
	return text, err
}

// errGuarded is that the metrics need a token.
var errGuarded = console.Own("they need a token, which the API server does not pass on")

// readMetrics asks a replica for its metrics.
func (in *installation) readMetrics(ctx context.Context, r *replica) {
	if r.silent {
		return
	}
	if r.flag("--metrics-authorization") == "true" {
		r.metricErr = errGuarded
		return
	}
	var page string
	page, r.metricErr = in.page(ctx, r, r.port("metrics", 8080), "metrics")
	if r.metrics = parseMetrics(page); r.metricErr == nil && r.metrics.policy == "" {
		r.metricErr = console.Own("they name no policy")
	}
}

// readUnready asks a replica why it is not ready, because the kubelet does not say. It is "" where the replica does not
// say either.
func (in *installation) readUnready(ctx context.Context, r *replica) string {
	if r.Status.Phase != corev1.PodRunning {
		return ""
	}
	_, err := in.page(ctx, r, r.port("health", 8081), "readyz")
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

// readServed sees which certificate a replica serves.
func (in *installation) readServed(ctx context.Context, r *replica) {
	ctx, stop := context.WithTimeout(ctx, replicaTimeout)
	defer stop()
	conn, err := in.Dial(ctx, r.Pod, r.servedPort())
	if err != nil {
		r.servedErr = err
		return
	}
	defer func() { _ = conn.Close() }()
	client := tls.Client(conn, &tls.Config{
		ServerName:         in.server(),
		InsecureSkipVerify: true, // the checks verify it, and say more
		VerifyConnection: func(state tls.ConnectionState) error {
			r.served = state.PeerCertificates
			return nil
		},
	})
	// With --client-ca the handshake ends in an error, after the certificate was shown.
	if err := client.HandshakeContext(ctx); err != nil && r.served == nil {
		r.servedErr = err
	}
}

// policiesInForce are the names of the running replicas by the hash of the policy that each has in force. A replica may
// be about to follow a change: until the answer is settled they are asked again, for a moment.
func (in *installation) policiesInForce(
	ctx context.Context, settled func(map[string][]string) bool,
) map[string][]string {
	const followTimeout = 3 * time.Second
	for deadline := time.Now().Add(followTimeout); ; {
		by := map[string][]string{}
		for _, r := range in.running() {
			if in.readMetrics(ctx, r); r.metricErr == nil {
				by[r.metrics.policy] = append(by[r.metrics.policy], r.Name)
			}
		}
		if settled(by) || time.Now().After(deadline) || ctx.Err() != nil {
			return by
		}
		time.Sleep(200 * time.Millisecond)
	}
}
