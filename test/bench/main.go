// Command bench compares podvet with what does less, or nothing, on the same machine and in turn, so that what disturbs
// one disturbs all: bench webhook compares handlers, bench api what each adds to the creation of a pod. bench files
// times podvet on manifests.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench: "+err.Error())
		os.Exit(1)
	}
}

// run is one of the comparisons, or one of the processes that they start.
func run(args []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	commands := map[string]func(context.Context, []string) error{
		"webhook": benchWebhook, "api": benchAPI, "files": benchFiles, "manifests": writeManifests,
		"answers": writeAnswers, "serve": serve, "load": load}
	if len(args) > 0 && commands[args[0]] != nil {
		return commands[args[0]](ctx, args[1:])
	}
	return errors.New("write bench webhook, bench api or bench files")
}
