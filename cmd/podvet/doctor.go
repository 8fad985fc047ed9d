package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/podvet/podvet/cmd/podvet/internal/console"
	"github.com/podvet/podvet/cmd/podvet/internal/doctor"
)

type doctorFlags struct {
	installationFlags
	output  string
	timeout time.Duration
}

func newDoctor() *cobra.Command {
	f := doctorFlags{}
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Say what is wrong with podvet in a cluster, and what to do",
		Long: `Say what is wrong with podvet in a cluster, and what to do.

doctor looks at the webhook configurations, the Service and its replicas, the certificate that each replica serves
against the CA bundles, what happens while podvet is down, and the policy in force. It asks the API server for a dry run
of a pod in the namespace default, to see whether podvet is called. It changes nothing.

What you may not read is unknown, and the right that is missing is named. All rights together: get services,
configmaps, namespaces and the webhook configurations, list pods and endpointslices, get pods/proxy, create pods in the
namespace default, and outside of the cluster get and create pods/portforward.

Exit status: 0 no problem, 1 a problem, 2 nothing could be found out.`,
		Example: `  podvet doctor
  podvet doctor --context production -o json`,
		Args: usage.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := usage.OneOf("-o", f.output, "text", "json"); err != nil {
				return err
			}
			if f.timeout <= 0 {
				return fmt.Errorf("--timeout %s leaves no time: write more, such as 1m", f.timeout)
			}
			return f.examine(cmd.Context(), cmd.OutOrStdout())
		},
	}
	f.register(cmd)
	return cmd
}

// register adds the flags to a command.
func (f *doctorFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.SortFlags = false
	f.installationFlags.register(flags, "namespace", "n")
	flags.BoolVar(&f.Direct, "direct", false, "dial the pods' own addresses, not through port-forward: "+
		"for machines on the pods' network, in a cluster the default")
	flags.StringVarP(&f.output, "output", "o", "text", "`FORMAT`: text or json")
	flags.DurationVar(&f.timeout, "timeout", 30*time.Second, "`TIME` for all of it")
	completeWith(cmd, "output", []string{"text", "json"})
}

// examine prints what is wrong with a podvet. The error is the exit status.
func (f *doctorFlags) examine(ctx context.Context, out io.Writer) error {
	ctx, stop := context.WithTimeout(ctx, f.timeout)
	defer stop()
	cluster, err := f.Connect(ctx, "podvet-doctor/"+version())
	if err != nil {
		return err
	}
	found := doctor.Examine(ctx, cluster, f.configuration, f.namespace)
	if f.output == "json" {
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		encoder.SetEscapeHTML(false)
		err = encoder.Encode(found)
	} else {
		_, err = io.WriteString(out, found.Text(console.Width(out)))
	}
	switch {
	case err != nil:
		return err
	case found.Summary[doctor.Problem] > 0:
		return errFound
	case found.Summary[doctor.Unknown] == len(found.Checks):
		return errors.New("nothing could be found out: the lines above say why")
	}
	return nil
}
