package serve

import (
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/podvet/podvet/certs"
	"github.com/podvet/podvet/cmd/podvet/internal/stream"
	"github.com/podvet/podvet/webhook"
)

// Options are those of podvet serve.
type Options struct {
	Local           bool   // without a cluster
	PolicyFile      string // with Local; "" is the built-in policy
	PolicyConfigMap string // NAMESPACE/NAME
	MaxConcurrent   int    // reviews at once; 0 is no limit
	HelmRelease     string // NAMESPACE/NAME of the release that owns what podvet makes again; "" for none
	GuardMetrics    bool   // only tokens whose holder may get /metrics read them, by TLS

	TLS                      string // files or self-managed
	CertDir                  string
	CASecret                 string // NAMESPACE/NAME
	DNSNames                 []string
	WebhookConfiguration     string
	ClientCA                 string        // a file; "" lets everyone call
	CADuration, LeafDuration time.Duration // 0: those of the library

	Server  webhook.ServeOptions // address, ports and delay; the rest is filled in here
	Version string
}

// Check refuses flags that do not go together.
func (o *Options) Check() error {
	switch {
	case o.MaxConcurrent < 0 || o.Server.ShutdownDelay < 0:
		return errors.New("--max-concurrent-reviews and --shutdown-delay cannot be negative: write 0 or more")
	case o.Local && o.PolicyConfigMap != "":
		return errors.New("--local and --policy-configmap exclude each other: choose one")
	case o.Local && o.GuardMetrics:
		return errors.New("--metrics-authorization asks a cluster: leave it out with --local")
	case o.Local:
	case o.PolicyConfigMap == "":
		return errors.New("where is the policy? write --policy-configmap NAMESPACE/NAME in a cluster, " +
			"or --local to serve without one")
	case !isNamespaced(o.PolicyConfigMap):
		return fmt.Errorf("--policy-configmap %s: write NAMESPACE/NAME", o.PolicyConfigMap)
	case o.HelmRelease != "" && !isNamespaced(o.HelmRelease):
		return fmt.Errorf("--helm-release %s: write NAMESPACE/NAME", o.HelmRelease)
	case o.PolicyFile != "":
		return errors.New("--policy is for --local: in a cluster the policy is in the ConfigMap of --policy-configmap")
	case o.TLS == "files" && (o.CASecret != "" || o.DNSNames != nil):
		return errors.New("--ca-secret and --dns-name are for --tls self-managed: add that, or leave them out")
	case o.TLS == "files":
	case o.TLS != "self-managed":
		return fmt.Errorf("--tls %s is not a source of certificates: write files or self-managed", o.TLS)
	case !isNamespaced(o.CASecret) || len(o.DNSNames) == 0 || o.WebhookConfiguration == "":
		return errors.New("--tls self-managed takes --ca-secret NAMESPACE/NAME, --dns-name SERVICE.NAMESPACE.svc " +
			"and --webhook-configuration NAME")
	}
	return nil
}

func isNamespaced(name string) bool {
	namespace, name, whole := strings.Cut(name, "/")
	return whole && namespace != "" && name != "" && !strings.Contains(name, "/")
}

// certificate is the source that the flags ask for.
func (o *Options) certificate(
	config *rest.Config, handler *webhook.Handler, log *slog.Logger,
) (webhook.Certificate, error) {
	if o.TLS == "files" || o.Local {
		files, err := certs.NewFiles(o.CertDir, log, handler.Registry())
		if err != nil || o.Local || o.WebhookConfiguration == "" {
			return files, err
		}
		publisher, err := certs.NewPublisher(config, o.WebhookConfiguration, log)
		if err != nil {
			return nil, err
		}
		files.Against(publisher)
		return files, nil
	}
	namespace, name, _ := strings.Cut(o.CASecret, "/")
	return certs.NewSelfManaged(certs.SelfManagedOptions{
		Config: config, SecretNamespace: namespace, SecretName: name, SecretMarks: o.marks(),
		DNSNames: o.DNSNames, Configuration: o.WebhookConfiguration,
		CADuration: o.CADuration, LeafDuration: o.LeafDuration, Log: log, Metrics: handler.Registry(),
	})
}

// marks are those by which Helm knows its own (helm.sh/helm/v4/pkg/action/validate.go): uninstall leaves what has none,
// and the next install stumbles over it.
func (o *Options) marks() metav1.ObjectMeta {
	namespace, name, _ := strings.Cut(o.HelmRelease, "/")
	if name == "" {
		return metav1.ObjectMeta{}
	}
	return metav1.ObjectMeta{
		Labels:      map[string]string{"app.kubernetes.io/managed-by": "Helm"},
		Annotations: map[string]string{"meta.helm.sh/release-name": name, "meta.helm.sh/release-namespace": namespace},
	}
}

// explain says of an address that cannot be listened on which flag it is of. The libraries tell what they did with it.
func (o *Options) explain(err error) error {
	_, unknown := errors.AsType[*net.DNSError](err)
	_, malformed := errors.AsType[*net.AddrError](err)
	if !unknown && !malformed && !errors.Is(err, syscall.EADDRNOTAVAIL) {
		return err
	}
	for flag, address := range map[string]string{
		"--metrics-address": o.Server.MetricsAddress, "--health-address": o.Server.HealthAddress,
	} {
		if address != "" && strings.HasPrefix(err.Error(), "serving on "+address+": ") {
			return fmt.Errorf("%s %s is not an address and a port of this machine: write others", flag, address)
		}
	}
	return fmt.Errorf("--address %s is not an address of this machine: write another", o.Server.Address)
}

// clientCAs reads the CAs of those who may call.
func (o *Options) clientCAs() (*x509.CertPool, error) {
	if o.ClientCA == "" {
		return nil, nil // no restriction
	}
	text, err := os.ReadFile(o.ClientCA)
	if err != nil {
		return nil, errors.New("--client-ca " + stream.Unreadable(o.ClientCA, 0, err).Error())
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("--client-ca %s holds no certificate: write PEM", o.ClientCA)
	}
	return pool, nil
}
