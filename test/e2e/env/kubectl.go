package env

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// Kubectl runs a command line in a namespace, with a manifest as standard input, and returns what the user sees.
func Kubectl(t *testing.T, ns, stdin string, args ...string) (stdout, stderr string, ok bool) {
	t.Helper()
	cmd := API.KubectlCommand(t.Context(), append(args, "-n", ns)...)
	var out, said bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &said
	err := cmd.Run()
	return out.String(), said.String(), err == nil
}

// Must is Kubectl that succeeds.
func Must(t *testing.T, ns, stdin string, args ...string) (stdout, stderr string) {
	t.Helper()
	stdout, stderr, ok := Kubectl(t, ns, stdin, args...)
	if !ok {
		t.Fatalf("kubectl %s: %s%s", strings.Join(args, " "), stdout, stderr)
	}
	return stdout, stderr
}

// JSON is the text of what can always be written as JSON.
func JSON(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return text
}
