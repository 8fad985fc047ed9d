package main

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/podvet/podvet/cmd/podvet/internal/serve"
)

func newServe() *cobra.Command {
	o := serve.Options{Version: version()}
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
  podvet serve --policy-configmap podvet-system/podvet-policy --tls files --cert-dir /certs
  podvet serve --policy-configmap podvet-system/podvet-policy --tls self-managed \
    --ca-secret podvet-system/podvet-ca --dns-name podvet.podvet-system.svc --webhook-configuration podvet`,
		Args: usage.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.Check(); err != nil {
				return err
			}
			if !o.Local {
				inPod(cmd, &o)
			}
			return serve.Run(cmd.Context(), o, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	serveFlags(cmd, &o)
	return cmd
}

// serveFlags adds the flags to the command.
func serveFlags(cmd *cobra.Command, o *serve.Options) {
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.BoolVar(&o.Local, "local", false, "serve without a cluster")
	flags.StringVar(&o.PolicyFile, "policy", "", "with --local: policy `FILE` (default: the built-in policy)")
	flags.StringVar(&o.PolicyConfigMap, "policy-configmap", "", "`NAMESPACE/NAME` of the ConfigMap with the policy")
	flags.StringVar(&o.TLS, "tls", "files", "`SOURCE` of the certificate in a cluster: files or self-managed")
	flags.StringVar(&o.CertDir, "cert-dir", ".podvet/certs",
		"`DIR` for tls.crt and tls.key, and with --local for ca.crt")
	flags.StringVar(&o.CASecret, "ca-secret", "", "with self-managed: `NAMESPACE/NAME` of the Secret for the CA")
	flags.StringArrayVar(&o.DNSNames, "dns-name", nil,
		"with self-managed: `NAME` that the API server calls, SERVICE.NAMESPACE.svc (repeatable)")
	flags.StringVar(&o.WebhookConfiguration, "webhook-configuration", "",
		"`NAME` of the mutating and the validating webhook configuration; with files they are only read, by /readyz")
	flags.StringVar(&o.ClientCA, "client-ca", "", "`FILE` with CAs: answer only callers with a certificate of theirs")
	flags.DurationVar(&o.CADuration, "ca-duration", 0, "")
	flags.DurationVar(&o.LeafDuration, "leaf-duration", 0, "")
	_ = flags.MarkHidden("ca-duration") // shorter ones for tests
	_ = flags.MarkHidden("leaf-duration")
	flags.StringVar(&o.Server.Address, "address", "127.0.0.1", "`ADDRESS` to listen on; in a cluster all by default")
	flags.IntVar(&o.Server.Port, "port", 9443, "`PORT` to listen on")
	flags.StringVar(&o.Server.MetricsAddress, "metrics-address", "",
		"`ADDRESS:PORT` for /metrics (default: none, in a cluster :8080)")
	flags.BoolVar(&o.GuardMetrics, "metrics-authorization", false,
		"in a cluster: answer /metrics by TLS, and only to tokens whose holder may get /metrics")
	flags.StringVar(&o.Server.HealthAddress, "health-address", "",
		"`ADDRESS:PORT` for /healthz and /readyz (default: none, in a cluster :8081)")
	flags.DurationVar(&o.Server.ShutdownDelay, "shutdown-delay", 0,
		"`TIME` to go on serving after SIGTERM (in a cluster 10s by default)")
	flags.IntVar(&o.MaxConcurrent, "max-concurrent-reviews", 256,
		"answer 429 to more than `N` reviews of one caller at once, 0 for no limit")
	flags.StringVar(&o.HelmRelease, "helm-release", "",
		"`NAMESPACE/NAME` of the Helm release that owns what podvet makes again")
	_ = cmd.MarkFlagFilename("policy", "yaml", "yml")
	_ = cmd.MarkFlagDirname("cert-dir")
	completeWith(cmd, "tls", []string{"files", "self-managed"})
}

// inPod has what was not given be as a pod needs it.
func inPod(cmd *cobra.Command, o *serve.Options) {
	given := cmd.Flags().Changed
	if !given("address") {
		o.Server.Address = ""
	}
	if !given("metrics-address") {
		o.Server.MetricsAddress = ":8080"
	}
	if !given("health-address") {
		o.Server.HealthAddress = ":8081"
	}
	if !given("shutdown-delay") {
		o.Server.ShutdownDelay = 10 * time.Second
	}
}
