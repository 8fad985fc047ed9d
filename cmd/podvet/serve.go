package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
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
	maxConcurrent int
	options       webhook.ServeOptions
}

func newServe() *cobra.Command {
	f := serveFlags{}
	cmd := &cobra.Command{
		Use:   "serve --local",
		Short: "Answer AdmissionReviews over TLS",
		Long: `Answer AdmissionReviews over TLS, at /mutate and /validate.

With --local no cluster is needed: podvet makes its own CA and a certificate for localhost and
127.0.0.1 in --cert-dir (ca.crt, tls.crt, tls.key), and follows the policy in --policy, which it
reads again whenever it changes. A bad policy leaves the last good one in force.`,
		Example: "  podvet serve --local --policy policy.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !f.local {
				return errors.New("this version serves without a cluster only: add --local")
			}
			if f.maxConcurrent < 0 || f.options.ShutdownDelay < 0 {
				return errors.New("--max-concurrent-reviews and --shutdown-delay cannot be negative: write 0 or more")
			}
			return serveLocal(cmd.Context(), f, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.BoolVar(&f.local, "local", false, "serve without a cluster")
	flags.StringVar(&f.policyFile, "policy", "", "policy `FILE` (default: the built-in policy)")
	flags.StringVar(&f.options.CertDir, "cert-dir", ".podvet/certs", "`DIR` for ca.crt, tls.crt and tls.key")
	flags.StringVar(&f.options.Address, "address", "127.0.0.1", "`ADDRESS` to listen on")
	flags.IntVar(&f.options.Port, "port", 9443, "`PORT` to listen on")
	flags.StringVar(&f.options.MetricsAddress, "metrics-address", "", "`ADDRESS:PORT` for /metrics (default: none)")
	flags.StringVar(&f.options.HealthAddress, "health-address", "", "`ADDRESS:PORT` for /healthz and /readyz (default: none)")
	flags.DurationVar(&f.options.ShutdownDelay, "shutdown-delay", 0, "`TIME` to go on serving after SIGTERM")
	flags.IntVar(&f.maxConcurrent, "max-concurrent-reviews", 256, "answer 429 to more than `N` reviews at once, 0 for no limit")
	_ = cmd.MarkFlagFilename("policy", "yaml", "yml")
	_ = cmd.MarkFlagDirname("cert-dir")
	return cmd
}

func serveLocal(ctx context.Context, f serveFlags, out, errOut io.Writer) error {
	log := slog.New(slog.NewTextHandler(errOut, nil))
	// The library tells of its every step; only its errors concern anyone here.
	quiet := slog.NewTextHandler(errOut, &slog.HandlerOptions{Level: slog.LevelError})
	ctrllog.SetLogger(logr.FromSlogHandler(quiet))

	inForce, text := policy.Default(), []byte(nil)
	if f.policyFile != "" {
		var err error
		if text, err = os.ReadFile(f.policyFile); err != nil {
			return fmt.Errorf("the policy cannot be read: %w", err)
		}
		if inForce, err = policy.Load(f.policyFile, text); err != nil {
			return fmt.Errorf("the policy is bad, nothing is served:\n%w", err)
		}
	}
	if err := certs.Local(f.options.CertDir, time.Now()); err != nil {
		return err
	}
	handler := webhook.NewHandler(inForce, f.maxConcurrent, log)
	if f.policyFile != "" {
		go followPolicy(ctx, f.policyFile, text, handler, log)
	}
	f.options.Started = func() {
		from := "the built-in policy"
		if f.policyFile != "" {
			from = f.policyFile
		}
		_, _ = fmt.Fprintf(out, "podvet %s serves on https://%s with %s (CA: %s/%s)\n", version(),
			net.JoinHostPort(f.options.Address, strconv.Itoa(f.options.Port)), from, f.options.CertDir, certs.CAFile)
	}
	return handler.Serve(ctx, f.options)
}

// followPolicy puts a changed policy in force, and leaves the last good one where the new one is bad.
func followPolicy(ctx context.Context, file string, seen []byte, handler *webhook.Handler, log *slog.Logger) {
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
		if bytes.Equal(text, seen) {
			continue
		}
		seen = text
		p, err := policy.Load(file, text)
		if err != nil {
			log.Error("the policy is bad: the last good one stays in force", "error", err.Error())
			continue
		}
		handler.SetPolicy(p)
		log.Info("policy in force", "file", file, "hash", p.Hash)
	}
}
