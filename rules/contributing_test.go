package rules_test

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/podvet/podvet/rules"
)

// TestContributing: whoever adds a rule finds each field of a declaration, and each setter of a fix, in CONTRIBUTING.md
// alone.
func TestContributing(t *testing.T) {
	text, err := os.ReadFile("../CONTRIBUTING.md")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, of := range []reflect.Type{reflect.TypeFor[rules.Who](), reflect.TypeFor[rules.Rule]()} {
		for field := range of.Fields() {
			if field.IsExported() {
				names = append(names, field.Name)
			}
		}
	}
	for method := range reflect.TypeFor[*rules.Pass]().Methods() {
		if strings.HasPrefix(method.Name, "Set") {
			names = append(names, method.Name)
		}
	}
	if len(names) < 20 {
		t.Errorf("only %q", names)
	}
	for _, name := range names {
		if !strings.Contains(string(text), "`"+name+"`") && !strings.Contains(string(text), "\t"+name+":") {
			t.Errorf("it does not say what %s is", name)
		}
	}
}
