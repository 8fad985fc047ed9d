package node

import (
	"testing"
	"time"
)

func TestTry(t *testing.T) {
	begin := time.Now()
	n, err := Start(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Log("ready", time.Since(begin))
	out, err := n.Kubectl(t.Context(), "", "get", "nodes,pods", "-A", "-o", "wide")
	t.Log(out, err)
	begin = time.Now()
	t.Log(n.Stop(), time.Since(begin))
}
