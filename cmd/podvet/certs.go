package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/podvet/podvet/certs"
)

func newCerts() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "certs",
		Short: "Withdraw a CA that podvet's webhooks trust",
		Args:  usage.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newCertsWithdraw())
	return cmd
}

func newCertsWithdraw() *cobra.Command {
	f, secret, timeout := installationFlags{}, "", time.Duration(0)
	cmd := &cobra.Command{
		Use:   "withdraw SHA256",
		Short: "Take a CA out of the CA bundles for good, such as one whose key was stolen",
		Long: `Take a CA out of the CA bundles of podvet's webhooks for good, such as one whose key was stolen.

SHA256 is the CA's fingerprint in hexadecimal, or its first 16 digits, which are those in the metric
podvet_ca_expiry_timestamp_seconds. If it is the CA in force, podvet makes a new one first, and no creation of a pod
fails. This takes about a minute and needs the rights to get podvet's webhook configurations, and to get and update the
Secret of its CA.

Exit status: 0 no webhook trusts the CA, 2 it could not be withdrawn.`,
		Example: `  podvet certs withdraw 5f0a8a4bd4d42c1e
  podvet certs withdraw --ca-secret podvet-system/podvet-self-managed-ca 5F:0A:8A:4B:...`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf("certs withdraw takes one SHA256, not %d", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			namespace, name, _ := strings.Cut(secret, "/")
			if secret != "" && (namespace == "" || name == "" || strings.Contains(name, "/")) {
				return fmt.Errorf("--ca-secret %s: write NAMESPACE/NAME", secret)
			}
			if timeout <= 0 {
				return errors.New("--timeout leaves no time: write more, such as 3m")
			}
			ctx, stop := context.WithTimeout(cmd.Context(), timeout)
			defer stop()
			cluster, err := f.Connect(ctx, "podvet-certs/"+version())
			if err != nil {
				return err
			}
			withdrawal := certs.Withdrawal{Client: cluster.Client, Configuration: f.configuration,
				SecretNamespace: namespace, SecretName: name,
				Tell: func(line string) { _, _ = fmt.Fprintln(cmd.OutOrStdout(), line) }}
			return withdrawal.Withdraw(ctx, args[0])
		},
	}
	f.registerCluster(cmd.Flags())
	cmd.Flags().StringVar(&secret, "ca-secret", "",
		"`NAMESPACE/NAME` of the Secret with podvet's CA (default: the one that the chart makes)")
	cmd.Flags().DurationVar(&timeout, "timeout", 5*time.Minute, "`TIME` to wait until the CA has left the bundles")
	return cmd
}
