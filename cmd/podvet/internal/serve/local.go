package serve

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/podvet/podvet/certs"
	"github.com/podvet/podvet/cmd/podvet/internal/console"
	"github.com/podvet/podvet/cmd/podvet/internal/stream"
	"github.com/podvet/podvet/rules/catalogue"
	"github.com/podvet/podvet/rules/policy"
	"github.com/podvet/podvet/webhook"
	"github.com/podvet/podvet/webhook/budget"
)

// policyPoll is how often a policy file is looked at. Reading it beats watching it: editors, links and
// network file systems all replace files in their own way.
const policyPoll = time.Second

func local(ctx context.Context, o Options, out, errOut io.Writer) error {
	log := slog.New(console.Calm(slog.NewTextHandler(errOut, console.LogOptions)))
	console.QuietLibraries(log.Handler())
	inForce, text := policy.Default(catalogue.All), []byte(nil)
	if o.PolicyFile != "" {
		var err error
		if text, err = os.ReadFile(o.PolicyFile); err != nil {
			return stream.Unreadable(o.PolicyFile, 0, err)
		}
		if inForce, err = policy.Load(catalogue.All, o.PolicyFile, text, time.Now()); err != nil {
			return fmt.Errorf("the policy is bad, nothing is served:\n%w", err)
		}
	}
	if err := certs.Local(o.CertDir, time.Now()); err != nil {
		if path, ok := errors.AsType[*fs.PathError](err); ok {
			err = fmt.Errorf("--cert-dir: %s cannot be written (%w): choose another folder", path.Path, path.Err)
		}
		return err
	}
	handler := webhook.NewHandler(inForce, o.MaxConcurrent, log)
	handler.Within(budget.Memory())
	var err error
	if o.Server.Certificate, err = o.certificate(nil, handler, slog.New(slog.DiscardHandler)); err != nil {
		return err
	}
	if o.Server.ClientCAs, err = o.clientCAs(); err != nil {
		return err
	}
	if o.PolicyFile != "" {
		handler.SetPolicy(inForce, "file")
		go followPolicy(ctx, o.PolicyFile, text, inForce.Until, handler, log)
	}
	o.Server.Started = func() {
		from := "the built-in policy"
		if o.PolicyFile != "" {
			from = o.PolicyFile
		}
		_, _ = fmt.Fprintf(out, "podvet %s serves on https://%s with %s (CA: %s/%s)\n", o.Version,
			net.JoinHostPort(o.Server.Address, strconv.Itoa(o.Server.Port)), from, o.CertDir, certs.CAFile)
	}
	return o.explain(handler.Serve(ctx, o.Server))
}

// followPolicy puts a changed policy in force, and leaves the last good one where the new one is bad.
func followPolicy(
	ctx context.Context, file string, seen []byte, until time.Time, handler *webhook.Handler, log *slog.Logger,
) {
	ticker := time.NewTicker(policyPoll)
	defer ticker.Stop()
	unread := "" // why, as it was logged
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		text, err := os.ReadFile(file)
		if err != nil {
			if why := stream.Unreadable(file, 0, err).Error(); why != unread {
				unread = why
				log.Error("the last good policy stays in force", "error", why)
			}
			continue
		}
		unread = ""
		expiry := !until.IsZero() && !time.Now().Before(until)
		if bytes.Equal(text, seen) && !expiry {
			continue
		}
		seen, until = text, time.Time{}
		p, err := policy.Load(catalogue.All, file, text, time.Now())
		if err != nil {
			log.Error("the policy is bad: the last good one stays in force", "error", err.Error())
			continue
		}
		until = p.Until
		handler.SetPolicy(p, "file")
		log.Info("policy in force", "file", file, "hash", p.Hash)
	}
}
