package main

import (
	"net"
	"os"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"podvet": main, "kubectl-podvet": main})
}

// TestScripts runs the command as its users do: each file in testdata is a story.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		UpdateScripts:       os.Getenv("UPDATE_SCRIPTS") != "", // writes what cmp compares with again
		Setup: func(env *testscript.Env) error {
			// A port that is taken until the script ends, and one that was free a moment ago.
			taken, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return err
			}
			env.Defer(func() { _ = taken.Close() })
			free, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return err
			}
			env.Setenv("TAKEN_PORT", port(taken))
			env.Setenv("FREE_PORT", port(free))
			return free.Close()
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"send":    send,
			"waitlog": waitLog,
		},
	})
}

func port(l net.Listener) string { return strconv.Itoa(l.Addr().(*net.TCPAddr).Port) }
