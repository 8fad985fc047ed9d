package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/client-go/rest"

	"github.com/podvet/podvet/cmd/podvet/internal/console"
	"github.com/podvet/podvet/cmd/podvet/internal/doctor"
	"github.com/podvet/podvet/cmd/podvet/internal/input"
	"github.com/podvet/podvet/cmd/podvet/internal/manifest"
	"github.com/podvet/podvet/cmd/podvet/internal/vet"
	"github.com/podvet/podvet/webhook/budget"
)

// clusterFlags choose a cluster in place of files.
type clusterFlags struct {
	installationFlags
	on    bool
	only  string // namespace
	apply bool
	set   *pflag.FlagSet
}

func (f *clusterFlags) register(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.on, "cluster", false, "judge what a cluster holds, by the policy that podvet follows there")
	f.set = pflag.NewFlagSet("", pflag.ContinueOnError)
	f.set.StringVarP(&f.only, "namespace", "n", "", "`NAMESPACE` to look at (default: all)")
	f.set.BoolVar(&f.apply, "apply", false, "write the reports of -o policyreport or openreports into the cluster, "+
		"and delete those that podvet wrote for namespaces without findings")
	f.installationFlags.register(f.set, "podvet-namespace", "")
	cmd.Flags().AddFlagSet(f.set)
}

// check finds flags and arguments that contradict each other.
func (f *clusterFlags) check(cmd *cobra.Command, args []string) error {
	if f.on {
		for _, name := range []string{"exclude", "skip-others"} {
			if cmd.Flags().Changed(name) {
				return fmt.Errorf("--%s is about files: leave it out, or leave out --cluster", name)
			}
		}
		if len(args) > 0 {
			return fmt.Errorf("--cluster reads a cluster: leave out %s, or leave out --cluster", args[0])
		}
		return nil
	}
	var err error
	f.set.VisitAll(func(flag *pflag.Flag) {
		if flag.Changed {
			err = fmt.Errorf("--%s is about a cluster: write --cluster too", flag.Name)
		}
	})
	return err
}

// reachTimeout bounds the wait for a cluster to answer, and for its policy. Each list has a limit of its own.
const reachTimeout = 30 * time.Second

// judged is what check reads: by which policy it judges, and what.
type judged struct {
	vet.Judge
	objects  func(vet.Input)
	nothing  func() manifest.Problem // where there is nothing to judge
	close    func() error
	requests rest.Interface // of a cluster
}

// open finds a cluster's policy, unless one is named, and its namespaces.
func (f *clusterFlags) open(cmd *cobra.Command, by *policyFlags) (in judged, err error) {
	ctx := cmd.Context()
	budget.Memory() // the chart runs this in a pod
	reach, stop := context.WithTimeout(ctx, reachTimeout)
	defer stop()
	cluster, err := f.Connect(reach, "podvet-check/"+version())
	if err != nil {
		return in, err
	}
	if by.file == "" {
		found := doctor.PolicyInForce(reach, cluster, f.configuration, f.namespace)
		console.Say(cmd.ErrOrStderr(), slices.Values([]string{found.Source}))
		for _, unknown := range found.Unknown {
			warn(cmd, unknown)
		}
		in.Policy = by.replaceKeys(found.Policy)
	} else if in.Policy, err = by.load(cmd, []string{"the cluster"}); err == nil && by.kubernetes == "" {
		in.Policy = cluster.OnNodes(in.Policy)
	}
	if err != nil {
		return in, err
	}
	in.requests = cluster.Client.CoreV1().RESTClient()
	held, namespaces, err := input.ReadCluster(ctx, in.requests, f.only)
	in.Namespaces = namespaces
	in.objects = func(to vet.Input) { held.Objects(ctx, in.Policy.Written().Templates, to) }
	in.nothing = func() manifest.Problem {
		return manifest.Problem{File: "the cluster", Text: "holds no pod and no workload that you may list"}
	}
	in.close = func() error { return nil }
	return in, err
}
