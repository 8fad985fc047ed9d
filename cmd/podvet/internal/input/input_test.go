package input

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestChangedWhileRead: an editor that saves between podvet's reading and its writing wins.
func TestChangedWhileRead(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a.yaml")
	const saved = "saved: meanwhile\n"
	if err := os.WriteFile(name, []byte(saved), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := NewReplacement(name, []byte("what: was fixed\n"))
	if err != nil {
		t.Fatal(err)
	}
	err = r.Replace(func(now []byte) bool { return string(now) == "what: was read\n" })
	r.Forget()
	if err == nil || !strings.Contains(err.Error(), "has changed while it was read: run podvet fix again") {
		t.Errorf("%v", err)
	}
	if now, _ := os.ReadFile(name); string(now) != saved {
		t.Errorf("the file is %q", now)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(name), ".podvet-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestExcludes: a pattern fits a file, a folder above it, or the end of a path.
func TestExcludes(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"vendor", "deploy/vendor/a.yaml", true},
		{"vendor", "deploy/vendors/a.yaml", false},
		{"vendor/", "vendor", true},
		{"*.json", "a/b/c.json", true},
		{"*.json", "a/b.json/c.yaml", true},
		{"test/*.yaml", "a/test/b.yaml", true},
		{"test/*.yaml", "a/test/b/c.yaml", false},
		{"./a/b", "a/b/c.yaml", true},
		{"**/b/c.yaml", "a/b/c.yaml", true},
		{"**/b/c.yaml", "b/c.yaml", true},
		{"b.yaml", "./a/../b.yaml", true},
		{"[ab].yaml", "/abs/c.yaml", false},
		{"abs/*", "/abs/c.yaml", true},
	} {
		s := Selection{Exclude: []string{"never", c.pattern}}
		if got := s.excludes(c.name); got != c.want {
			t.Errorf("%s of %s: %t", c.pattern, c.name, got)
		}
	}
}

// TestGlance: what tells a manifest is found also where what is read at once ends within it.
func TestGlance(t *testing.T) {
	for _, c := range []struct {
		text                string
		template, hasObject bool
	}{
		{"apiVersion: v1\nkind: Foo\n", false, true},
		{`{"kind":"Foo", "apiVersion" : "v1"}`, false, true},
		{"Kind: Pod\napiVersion: v1", false, true},
		{"kind: deployment\n", false, true},
		{"kind: pipeline\n", false, false},
		{"apiVersion: v2\nname: web\n", false, false},
		{"mankind: 1\napiVersion: v1\n", false, false},
		{"a: {{ b }}\nkind: Pod\n", true, true},
		{"k\x00i\x00n\x00d\x00:\x00 \x00P\x00o\x00d\x00", false, true},
	} {
		for cut := range c.text {
			var g glance
			for _, part := range []string{strings.Repeat("# long\n", 100), c.text[:cut], c.text[cut:]} {
				if n, err := g.Write([]byte(part)); n != len(part) || err != nil {
					t.Fatal(n, err)
				}
			}
			if g.template != c.template || g.holdsObject() != c.hasObject {
				t.Fatalf("%q, cut at %d: template %t, object %t", c.text, cut, g.template, g.holdsObject())
			}
		}
	}
}
