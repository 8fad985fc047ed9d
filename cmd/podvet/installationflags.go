package main

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/podvet/podvet/cmd/podvet/internal/doctor"
)

// installationFlags say where a cluster is, and podvet in it.
type installationFlags struct {
	doctor.Kubeconfig
	namespace, configuration string
}

// register adds the flags to some of a command, which has its own name for the namespace of podvet.
func (f *installationFlags) register(flags *pflag.FlagSet, namespace, short string) {
	f.registerCluster(flags)
	flags.StringVarP(&f.namespace, namespace, short, "",
		"`NAMESPACE` of podvet (default: the one that the webhook configurations name)")
}

// registerCluster adds those that every command about an installation has.
func (f *installationFlags) registerCluster(flags *pflag.FlagSet) {
	registerKubeconfig(&f.Kubeconfig, flags)
	flags.StringVar(&f.configuration, "webhook-configuration", "podvet",
		"`NAME` of the mutating and the validating webhook configuration")
}

// registerKubeconfig adds those that name a cluster.
func registerKubeconfig(k *doctor.Kubeconfig, flags *pflag.FlagSet) {
	flags.StringVar(&k.File, "kubeconfig", "", "`FILE` that names the cluster "+
		"(default: KUBECONFIG, ~/.kube/config, or the cluster that podvet runs in)")
	flags.StringVar(&k.Context, "context", "", "`NAME` of the kubeconfig's context")
	_ = cobra.MarkFlagFilename(flags, "kubeconfig")
}
