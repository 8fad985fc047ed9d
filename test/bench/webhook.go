package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// mostToServe is how long after its start podvet serves at most, with a certificate of its own to make.
const mostToServe = 300 * time.Millisecond

// benchWebhook compares handlers by requests per second. The load comes from a second process, and each answer is
// checked.
func benchWebhook(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("bench webhook", flag.ExitOnError)
	binary := flags.String("podvet", "bin/podvet", "`FILE` of the podvet to measure")
	rounds := flags.Int("rounds", 5, "`N` rounds; in each, every handler has its turn in every case")
	turn := flags.Duration("turn", time.Second, "`TIME` of a turn")
	only := flags.String("case", "", "only cases whose name holds this `TEXT`")
	_ = flags.Parse(args)
	if *rounds < 1 {
		return errors.New("-rounds is at least 1")
	}

	folder, err := os.MkdirTemp("", "podvet-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	cases, err := makeCases(folder)
	if err != nil {
		return err
	}
	cases = slices.DeleteFunc(cases, func(c benchCase) bool { return !strings.Contains(c.name(), *only) })
	if len(cases) == 0 {
		return fmt.Errorf("no case has %q in its name", *only)
	}
	handlers, stop, err := startAll(ctx, *binary, folder)
	if err != nil {
		return err
	}
	defer stop()
	if took := handlers[len(handlers)-1].ready; took > mostToServe {
		return fmt.Errorf("podvet served %d ms after its start: %d are the most", took.Milliseconds(),
			mostToServe.Milliseconds())
	}
	var all results
	for round := range *rounds {
		for _, c := range cases {
			order := slices.Clone(handlers)
			if round%2 == 1 {
				slices.Reverse(order) // none always comes after the same one
			}
			for _, h := range order {
				result, err := measure(ctx, c, h, *turn)
				if err != nil {
					return fmt.Errorf("%s, %s: %w", h.name, c.name(), err)
				}
				all.add(c, h, result)
			}
		}
		fmt.Fprintf(os.Stderr, "round %d of %d\n", round+1, *rounds)
	}
	all.print(os.Stdout, cases, handlers)
	return printProcesses(os.Stdout, handlers)
}
