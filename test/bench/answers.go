package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"

	"github.com/podvet/podvet/test/podvet"
)

// answersFile has what podvet must answer to each body, by title and path. bench answers writes it.
const answersFile = "test/bench/testdata/answers.json"

// An answer is what is said of a body that is allowed.
type answer struct {
	Patch    string   `json:"patch,omitempty"`
	Findings string   `json:"findings,omitempty"` // by the audit annotation
	Fixed    string   `json:"fixed,omitempty"`
	Warnings []string `json:"warnings,omitempty"`
}

// right is an error where an answer of a handler is not what it must be: of podvet what the file says, of the mutator
// some patch, of the others nothing.
func (a answer) right(c benchCase, handler string) error {
	var want answer
	switch handler {
	case "mutator":
		if (a.Patch != "") != c.ofPod() {
			return fmt.Errorf("the patch %q", a.Patch)
		}
		want.Patch = a.Patch
	case "/validate", "/mutate":
		text, err := os.ReadFile(answersFile)
		if err != nil {
			return err
		}
		var all map[string]map[string]answer
		if err := json.Unmarshal(text, &all); err != nil {
			return fmt.Errorf("%s: %w", answersFile, err)
		}
		var known bool
		if want, known = all[c.title][handler]; !known {
			return fmt.Errorf("%s has no %s of %q: look at what bench answers writes", answersFile, handler, c.title)
		}
	}
	if !reflect.DeepEqual(a, want) {
		return fmt.Errorf("answered %+v, and %+v is right", a, want)
	}
	return nil
}

// writeAnswers writes what a podvet answers to each body.
func writeAnswers(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("bench answers", flag.ExitOnError)
	binary := flags.String("podvet", "bin/podvet", "`FILE` of the podvet to ask")
	_ = flags.Parse(args)
	folder, err := os.MkdirTemp("", "podvet-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	cases, err := makeCases(folder)
	if err != nil {
		return err
	}
	served, err := podvet.Serve(ctx, *binary, folder, "")
	if err != nil {
		return err
	}
	all := map[string]map[string]answer{}
	for _, c := range cases {
		all[c.title] = map[string]answer{}
		for _, path := range []string{"/validate", "/mutate"} {
			asks, err := newCaller(served.URL+path, filepath.Join(folder, "certs", "ca.crt"), c.file, 1, false)
			if err != nil {
				return errors.Join(err, served.Stop())
			}
			if all[c.title][path], err = asks.first(ctx); err != nil {
				return errors.Join(err, served.Stop())
			}
		}
	}
	text, err := json.MarshalIndent(all, "", "  ")
	if err == nil {
		err = os.WriteFile(answersFile, append(text, '\n'), 0o644)
	}
	return errors.Join(err, served.Stop())
}
