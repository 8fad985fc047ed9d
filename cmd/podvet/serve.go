package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/podvet/podvet/certs"
	"github.com/podvet/podvet/rules/policy"
	"github.com/podvet/podvet/webhook"
)

// policyPoll is how often a policy file is looked at. Reading it beats watching it: editors, links and
// network file systems all replace files in their own way.
const policyPoll = time.Second

type serveFlags struct {
	local         bool
	policyFile    string
	configMap     string
	maxConcurrent int
	helmRelease   string

	tls           string
	certDir       string
	caSecret      string
	dnsNames      []string
	configuration string
	clientCA      string
	caDuration    time.Duration
	leafDuration  time.Duration

	options webhook.ServeOptions
}

func newServe() *cobra.Command {
	f := serveFlags{}
	cmd := &cobra.Command{
		Use:   "serve (--local | --policy-configmap NAMESPACE/NAME)",
		Short: "Answer AdmissionReviews over TLS",
		Long: `Answer AdmissionReviews over TLS, at /mutate, /validate and /validate-policy.

In a cluster the policy is the key policy.yaml of the ConfigMap in --policy-configmap. It is followed through the API
server: a change is in force within two seconds. A bad policy leaves the last good one in force, which is kept in the
ConfigMap NAME-last-good. The cluster is that of the pod's ServiceAccount, or of KUBECONFIG.

The certificate is tls.crt and tls.key in --cert-dir, read again when they change; with --webhook-configuration podvet
is ready only while the CA bundles of those two verify it. With --tls self-managed podvet makes its own: a CA in
--ca-secret that all replicas share, and certificates for each --dns-name, both renewed in time. It publishes the CA in
the two configurations called --webhook-configuration, and serves no certificate before.

With --local no cluster is needed: podvet makes its own CA and a certificate for localhost and
127.0.0.1 in --cert-dir (ca.crt, tls.crt, tls.key), and follows the policy in --policy, which it
reads again whenever it changes. A bad policy leaves the last good one in force.`,
		Example: `  podvet serve --local --policy policy.yaml
  podvet serve --policy-configmap podvet/podvet-policy --tls files --cert-dir /certs
  podvet serve --policy-configmap podvet/podvet-policy --tls self-managed --ca-secret podvet/podvet-ca \
    --dns-name podvet.podvet.svc --webhook-configuration podvet`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(); err != nil {
				return err
			}
			if f.local {
				return serveLocal(cmd.Context(), f, cmd.OutOrStdout(), cmd.ErrOrStderr())
			}
			f.clusterDefaults(cmd)
			return serveCluster(cmd.Context(), f, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.BoolVar(&f.local, "local", false, "serve without a cluster")
	flags.StringVar(&f.policyFile, "policy", "", "with --local: policy `FILE` (default: the built-in policy)")
	flags.StringVar(&f.configMap, "policy-configmap", "", "`NAMESPACE/NAME` of the ConfigMap with the policy")
	flags.StringVar(&f.tls, "tls", "files", "`SOURCE` of the certificate in a cluster: files or self-managed")
	flags.StringVar(&f.certDir, "cert-dir", ".podvet/certs", "`DIR` for tls.crt and tls.key, and with --local for ca.crt")
	flags.StringVar(&f.caSecret, "ca-secret", "", "with self-managed: `NAMESPACE/NAME` of the Secret for the CA")
	flags.StringArrayVar(&f.dnsNames, "dns-name", nil, "with self-managed: `NAME` that the API server calls, SERVICE.NAMESPACE.svc (repeatable)")
	flags.StringVar(&f.configuration, "webhook-configuration", "", "`NAME` of the mutating and the validating webhook configuration; with files they are only read, by /readyz")
	flags.StringVar(&f.clientCA, "client-ca", "", "`FILE` with CAs: answer only callers with a certificate of theirs")
	flags.DurationVar(&f.caDuration, "ca-duration", 0, "")
	flags.DurationVar(&f.leafDuration, "leaf-duration", 0, "")
	_ = flags.MarkHidden("ca-duration") // shorter ones for tests
	_ = flags.MarkHidden("leaf-duration")
	flags.StringVar(&f.options.Address, "address", "127.0.0.1", "`ADDRESS` to listen on; in a cluster all by default")
	flags.IntVar(&f.options.Port, "port", 9443, "`PORT` to listen on")
	flags.StringVar(&f.options.MetricsAddress, "metrics-address", "", "`ADDRESS:PORT` for /metrics (default: none, in a cluster :8080)")
	flags.StringVar(&f.options.HealthAddress, "health-address", "", "`ADDRESS:PORT` for /healthz and /readyz (default: none, in a cluster :8081)")
	flags.DurationVar(&f.options.ShutdownDelay, "shutdown-delay", 0, "`TIME` to go on serving after SIGTERM (in a cluster 10s by default)")
	flags.IntVar(&f.maxConcurrent, "max-concurrent-reviews", 256, "answer 429 to more than `N` reviews at once, 0 for no limit")
	flags.StringVar(&f.helmRelease, "helm-release", "", "`NAMESPACE/NAME` of the Helm release that takes what podvet makes anew for its own")
	_ = cmd.MarkFlagFilename("policy", "yaml", "yml")
	_ = cmd.MarkFlagDirname("cert-dir")
	_ = cmd.RegisterFlagCompletionFunc("tls", cobra.FixedCompletions([]string{"files", "self-managed"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// check refuses flags that do not go together.
func (f *serveFlags) check() error {
	switch {
	case f.maxConcurrent < 0 || f.options.ShutdownDelay < 0:
		return errors.New("--max-concurrent-reviews and --shutdown-delay cannot be negative: write 0 or more")
	case f.local && f.configMap != "":
		return errors.New("--local and --policy-configmap exclude each other: choose one")
	case f.local:
	case f.configMap == "":
		return errors.New("where is the policy? write --policy-configmap NAMESPACE/NAME in a cluster, or --local to serve without one")
	case !isNamespaced(f.configMap):
		return fmt.Errorf("--policy-configmap %s: write NAMESPACE/NAME", f.configMap)
	case f.helmRelease != "" && !isNamespaced(f.helmRelease):
		return fmt.Errorf("--helm-release %s: write NAMESPACE/NAME", f.helmRelease)
	case f.policyFile != "":
		return errors.New("--policy is for --local: in a cluster the policy is in the ConfigMap of --policy-configmap")
	case f.tls == "files" && (f.caSecret != "" || f.dnsNames != nil):
		return errors.New("--ca-secret and --dns-name are for --tls self-managed: add that, or leave them out")
	case f.tls == "files":
	case f.tls != "self-managed":
		return fmt.Errorf("--tls %s is no source of certificates: write files or self-managed", f.tls)
	case !isNamespaced(f.caSecret) || len(f.dnsNames) == 0 || f.configuration == "":
		return errors.New("--tls self-managed takes --ca-secret NAMESPACE/NAME, --dns-name SERVICE.NAMESPACE.svc and --webhook-configuration NAME")
	}
	return nil
}

func isNamespaced(name string) bool {
	namespace, name, whole := strings.Cut(name, "/")
	return whole && namespace != "" && name != "" && !strings.Contains(name, "/")
}

// certificate is the source that the flags ask for.
func (f *serveFlags) certificate(config *rest.Config, handler *webhook.Handler, log *slog.Logger) (webhook.Certificate, error) {
	if f.tls == "files" || f.local {
		files, err := certs.NewFiles(f.certDir, log, handler.Registry())
		if err != nil || f.local || f.configuration == "" {
			return files, err
		}
		publisher, err := certs.NewPublisher(config, f.configuration, log)
		if err != nil {
			return nil, err
		}
		files.Against(publisher)
		return files, nil
	}
	namespace, name, _ := strings.Cut(f.caSecret, "/")
	return certs.NewSelfManaged(certs.SelfManagedOptions{Config: config, SecretNamespace: namespace, SecretName: name, SecretMarks: f.marks(), DNSNames: f.dnsNames,
		Configuration: f.configuration, CADuration: f.caDuration, LeafDuration: f.leafDuration, Log: log, Metrics: handler.Registry()})
}

// marks are those by which Helm knows its own (helm.sh/helm/v4/pkg/action/validate.go): uninstall leaves what has none,
// and the next install stumbles over it.
func (f *serveFlags) marks() metav1.ObjectMeta {
	namespace, name, _ := strings.Cut(f.helmRelease, "/")
	if name == "" {
		return metav1.ObjectMeta{}
	}
	return metav1.ObjectMeta{Labels: map[string]string{"app.kubernetes.io/managed-by": "Helm"},
		Annotations: map[string]string{"meta.helm.sh/release-name": name, "meta.helm.sh/release-namespace": namespace}}
}

// clientCAs reads the CAs of those who may call.
func (f *serveFlags) clientCAs() (*x509.CertPool, error) {
	if f.clientCA == "" {
		return nil, nil //nolint:nilnil // no restriction
	}
	text, err := os.ReadFile(f.clientCA)
	if err != nil {
		return nil, fmt.Errorf("--client-ca cannot be read: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("--client-ca %s holds no certificate: write PEM", f.clientCA)
	}
	return pool, nil
}

// clusterDefaults are those of a pod, where they were not given.
func (f *serveFlags) clusterDefaults(cmd *cobra.Command) {
	given := cmd.Flags().Changed
	if !given("address") {
		f.options.Address = ""
	}
	if !given("metrics-address") {
		f.options.MetricsAddress = ":8080"
	}
	if !given("health-address") {
		f.options.HealthAddress = ":8081"
	}
	if !given("shutdown-delay") {
		f.options.ShutdownDelay = 10 * time.Second
	}
}

// quietLibraries lets the libraries tell of errors only: they tell of their every step.
func quietLibraries(log slog.Handler) {
	errors := logr.FromSlogHandler(onlyErrors{log})
	ctrllog.SetLogger(errors)
	klog.SetLogger(errors)
}

type onlyErrors struct{ slog.Handler }

func (o onlyErrors) Enabled(_ context.Context, level slog.Level) bool {
	return level >= slog.LevelError
}

func (o onlyErrors) WithAttrs(attrs []slog.Attr) slog.Handler {
	return onlyErrors{o.Handler.WithAttrs(attrs)}
}

func (o onlyErrors) WithGroup(name string) slog.Handler { return onlyErrors{o.Handler.WithGroup(name)} }

// serveCluster follows the policy of a cluster. It serves from the start: what is missing is said by /readyz.
func serveCluster(ctx context.Context, f serveFlags, out, errOut io.Writer) error {
	log := slog.New(slog.NewJSONHandler(errOut, nil))
	slog.SetDefault(log) // net/http tells of failed handshakes by the log package
	quietLibraries(log.Handler())
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(clientcmd.NewDefaultClientConfigLoadingRules(), nil).ClientConfig()
	if err != nil {
		return fmt.Errorf("no cluster: %w: run podvet in a pod, or set KUBECONFIG", err)
	}
	config.UserAgent = "podvet/" + version()
	handler := webhook.NewHandler(nil, f.maxConcurrent, log)
	namespace, name, _ := strings.Cut(f.configMap, "/")
	cluster, err := handler.InCluster(ctx, config, types.NamespacedName{Namespace: namespace, Name: name})
	if err != nil {
		return fmt.Errorf("the cluster cannot be followed: %w", err)
	}
	cluster.Marks = f.marks()
	if f.options.Certificate, err = f.certificate(config, handler, log); err != nil {
		return err
	}
	if f.options.ClientCAs, err = f.clientCAs(); err != nil {
		return err
	}
	// While it drains podvet still judges, and so still follows.
	following, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	failed := make(chan error, 1)
	go func() { failed <- cluster.Run(following) }()
	f.options.Started = func() {
		_, _ = fmt.Fprintf(out, "podvet %s serves on port %d with the policy in the ConfigMap %s\n", version(), f.options.Port, f.configMap)
	}
	if err := handler.Serve(ctx, f.options); err != nil {
		return err
	}
	stop()
	return <-failed
}

func serveLocal(ctx context.Context, f serveFlags, out, errOut io.Writer) error {
	log := slog.New(slog.NewTextHandler(errOut, nil))
	quietLibraries(log.Handler())
	inForce, text := policy.Default(), []byte(nil)
	if f.policyFile != "" {
		var err error
		if text, err = os.ReadFile(f.policyFile); err != nil {
			return fmt.Errorf("the policy cannot be read: %w", err)
		}
		if inForce, err = policy.Load(f.policyFile, text, time.Now()); err != nil {
			return fmt.Errorf("the policy is bad, nothing is served:\n%w", err)
		}
	}
	if err := certs.Local(f.certDir, time.Now()); err != nil {
		return err
	}
	handler := webhook.NewHandler(inForce, f.maxConcurrent, log)
	var err error
	if f.options.Certificate, err = f.certificate(nil, handler, slog.New(slog.DiscardHandler)); err != nil {
		return err
	}
	if f.options.ClientCAs, err = f.clientCAs(); err != nil {
		return err
	}
	if f.policyFile != "" {
		handler.SetPolicy(inForce, "file")
		go followPolicy(ctx, f.policyFile, text, inForce.Until, handler, log)
	}
	f.options.Started = func() {
		from := "the built-in policy"
		if f.policyFile != "" {
			from = f.policyFile
		}
		_, _ = fmt.Fprintf(out, "podvet %s serves on https://%s with %s (CA: %s/%s)\n", version(),
			net.JoinHostPort(f.options.Address, strconv.Itoa(f.options.Port)), from, f.certDir, certs.CAFile)
	}
	return handler.Serve(ctx, f.options)
}

// followPolicy puts a changed policy in force, and leaves the last good one where the new one is bad.
func followPolicy(ctx context.Context, file string, seen []byte, until time.Time, handler *webhook.Handler, log *slog.Logger) {
	ticker := time.NewTicker(policyPoll)
	defer ticker.Stop()
	lastErr := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		text, err := os.ReadFile(file)
		if err != nil {
			if err.Error() != lastErr {
				log.Error("the policy cannot be read: the last good one stays in force", "error", err.Error())
			}
			lastErr = err.Error()
			continue
		}
		lastErr = ""
		expiry := !until.IsZero() && !time.Now().Before(until)
		if bytes.Equal(text, seen) && !expiry {
			continue
		}
		seen, until = text, time.Time{}
		p, err := policy.Load(file, text, time.Now())
		if err != nil {
			log.Error("the policy is bad: the last good one stays in force", "error", err.Error())
			continue
		}
		until = p.Until
		handler.SetPolicy(p, "file")
		log.Info("policy in force", "file", file, "hash", p.Hash)
	}
}
