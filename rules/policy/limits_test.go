package policy_test

import (
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/podvet/podvet/rules"
)

// TestAliasesExpandToLittle: a few lines of aliases must not fill the memory of every replica.
func TestAliasesExpandToLittle(t *testing.T) {
	names := make([]string, 100)
	for i := range names {
		names[i] = fmt.Sprint("n", i)
	}
	one := "exemptions:\n- &e {rules: [no-readiness-probe], reason: r, match: {namespaces: [" +
		strings.Join(names, ",") + "]}}\n"
	if got := mistakes(t, header+one+strings.Repeat("- *e\n", 50)); got != nil {
		t.Errorf("a few aliases: %q", got)
	}
	got := mistakes(t, header+one+strings.Repeat("- *e\n", 9400))
	if len(got) != 1 || !strings.HasSuffix(got[0], "aliases make this too large: write it out") {
		t.Errorf("%d mistakes, %q", len(got), got[:min(len(got), 3)])
	}
	// Parameters are read after the rest, and may be an alias themselves.
	params := "params: &p {template: {portName: http, probe: {httpGet: {path: /, port: http, httpHeaders: [" +
		strings.Repeat("{name: a, value: b}, ", 500) + "]}}}}"
	got = mistakes(t, header+"rules: {no-readiness-probe: {"+params+"}}\nscopes:\n"+
		strings.Repeat("- rules: {no-readiness-probe: {params: *p}}\n", 500))
	if len(got) != 1 || !strings.HasSuffix(got[0], "aliases make this too large: write it out") {
		t.Errorf("of parameters: %d mistakes, %q", len(got), got[:min(len(got), 3)])
	}
	got = mistakes(t, header+"rules: {no-readiness-probe: {"+params+", fix: true}}\n"+
		"scopes: [{rules: {no-readiness-probe: {params: *p, fix: true}}}]\n")
	if got != nil {
		t.Errorf("an alias of parameters: %q", got)
	}
}

// TestManyNodes: what no list is too long for is still bounded.
func TestManyNodes(t *testing.T) {
	var text strings.Builder
	text.WriteString("scopes:\n")
	for range 3000 {
		text.WriteString("- match: {namespaces: [" + strings.Repeat("a,", 70) + "]}\n")
	}
	got := mistakes(t, header+text.String())
	if len(got) != 1 || !strings.Contains(got[0], "there are more than 200000 values in this policy") {
		t.Errorf("%q", got)
	}
}

// TestLongKeysAreNotKept: what a request brings is not validated yet, and must not fill the memory.
func TestLongKeysAreNotKept(t *testing.T) {
	p := load(t, "", time.Now())
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	// Nor what comes of them: the scopes and the exemptions that labels choose.
	var scopes strings.Builder
	scopes.WriteString("scopes:\n")
	for i := range 12 {
		fmt.Fprintf(&scopes, "- match: {podSelector: {matchLabels: {l%d: \"1\"}}}\n", i)
	}
	scopes.WriteString("- match: {podSelector: {matchExpressions: [{key: long, operator: Exists}]}}\nexemptions:\n")
	for range 10 { // so many that it pays to remember which are about a container
		scopes.WriteString("- {rules: [\"*\"], reason: r, match: {containers: [app], " +
			"podSelector: {matchLabels: {l0: \"1\"}}}}\n")
	}
	chosen := load(t, scopes.String(), time.Now())
	before := heap()
	for i := range 4096 {
		s := podIn("x", map[string]string{"long": strings.Repeat("x", 1100)})
		for bit := range 12 {
			if i>>bit&1 == 1 {
				s.Meta.Labels[fmt.Sprint("l", bit)] = "1"
			}
		}
		rules.Judge(s, chosen.For(s, nil).Plan)
	}
	if used := int64(heap()) - int64(before); used > 4<<20 {
		t.Errorf("of chosen scopes %d bytes are kept", used)
	}
	runtime.KeepAlive(chosen)
	before = heap()
	for i := range 500 {
		s := podIn("x", nil)
		s.OwnerKind = strings.Repeat("k", 100_000) + strconv.Itoa(i)
		p.For(s, nil)
	}
	if used := int64(heap()) - int64(before); used > 10<<20 {
		t.Errorf("%d bytes are kept", used)
	}
	runtime.KeepAlive(p)
}

// TestManyMistakes: aliases do not make a flood of them.
func TestManyMistakes(t *testing.T) {
	var text strings.Builder
	text.WriteString(header + `rules:
  restart-policy-not-allowed:
    params:
      allowed:
        A: &a [` + strings.Repeat("1,", 2000) + "1]\n")
	for i := range 50 {
		fmt.Fprintf(&text, "        B%d: *a\n", i)
	}
	got := mistakes(t, text.String())
	if len(got) != 101 || !strings.HasSuffix(got[len(got)-1], "p.yaml: there are more mistakes: fix these first") {
		t.Errorf("%d mistakes, last %q", len(got), got[len(got)-1])
	}
}

func TestYAMLBomb(t *testing.T) {
	var text strings.Builder
	text.WriteString(header + "a: &a [x,x,x,x,x,x,x,x,x,x]\n")
	for c := 'b'; c < 'l'; c++ {
		ten := strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*%c,", c-1), 10), ",")
		fmt.Fprintf(&text, "%c: &%c [%s]\n", c, c, ten)
	}
	text.WriteString("injectedContainers: *k\n")
	const listInList = "injectedContainers[0]: is a list: write text"
	got := mistakes(t, header+"injectedContainers: &a [*a]\n")
	if len(got) != 1 || !strings.HasSuffix(got[0], listInList) {
		t.Errorf("an alias to itself: %q", got)
	}
	if got := mistakes(t, text.String()); len(got) == 0 || len(got) > 100 {
		t.Errorf("%d mistakes", len(got))
	}
}
