package strict_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/podvet/podvet/rules/policy/strict"
)

type animals struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Dogs       []animal `json:"dogs" doc:"those that bark"`
	Where      where    `json:"where" filled:"yes"`
}

type animal struct {
	Name       sound      `json:"name" required:"say what it is called"`
	Size       size       `json:"size"`
	MinAge     int64      `json:"minAge"`
	Legs       int64      `json:"legs"`
	Born       strict.Day `json:"born"`
	NotWritten int64
}

type where struct {
	Rooms  []string          `json:"rooms"`
	Labels map[string]string `json:"labels"`
}

type size string

func (size) Words() []string { return []string{"small", "large"} }

type sound string

func (s sound) Problem() string {
	if strings.Contains(string(s), "meow") {
		return "is no dog's"
	}
	return ""
}

var head = strict.Head{APIVersion: "v1", Kind: "Animals"}

// TestDecode: what types and tags declare is demanded, and each mistake is named at its line.
func TestDecode(t *testing.T) {
	var got animals
	err := strict.Decode("a.yaml", []byte(`apiVersion: v1
kind: Animals
dogs:
- &rex {name: rex, size: small, minAge: 0, born: 2020-02-29}
- *rex
where: {labels: {a: b}}
`), head, &got)
	if err != nil {
		t.Fatal(err)
	}
	rex := animal{Name: "rex", Size: "small", Born: "2020-02-29"}
	want := animals{APIVersion: "v1", Kind: "Animals", Dogs: []animal{rex, rex},
		Where: where{Labels: map[string]string{"a": "b"}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	err = strict.Decode("a.yaml", []byte(`kind: Cats
dogs:
- size: huge
- {name: meow, legs: 0, minAge: -1}
-
where:
  rooms:
  labels: {}
`), head, &animals{})
	mistakes, ok := errors.AsType[strict.Errors](err)
	if !ok {
		t.Fatalf("%T: %v", err, err)
	}
	wantMistakes := []string{
		"a.yaml:1: apiVersion: is missing: write apiVersion: v1",
		"a.yaml:1: kind: is Cats: write kind: Animals",
		"a.yaml:3: dogs[0].name: is missing: say what it is called",
		`a.yaml:3: dogs[0].size: is "huge": write small or large`,
		"a.yaml:4: dogs[1].legs: is 0: write a whole number from 1 to 86400",
		"a.yaml:4: dogs[1].minAge: is -1: write a whole number from 0 to 86400",
		"a.yaml:4: dogs[1].name: is no dog's",
		"a.yaml:5: dogs[2].name: is missing: say what it is called",
		"a.yaml:7: where.rooms: is empty, which limits nothing: remove the key, or write what is meant",
		"a.yaml:8: where.labels: is empty, which limits nothing: remove the key, or write what is meant",
	}
	if diff := cmp.Diff(wantMistakes, strings.Split(mistakes.Error(), "\n")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestSchemaOfTags: the schema demands the same.
func TestSchemaOfTags(t *testing.T) {
	text, err := json.Marshal((&strict.Schemas{}).Of(reflect.TypeFor[animals]())["properties"])
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"required":["name"]`,
		`"size":{"enum":["small","large"],"type":"string"}`,
		`"minAge":{"maximum":86400,"minimum":0,"type":"integer"}`,
		`"legs":{"maximum":86400,"minimum":1,"type":"integer"}`,
		`"born":{"format":"date","pattern":"^\\d{4}-\\d{2}-\\d{2}$","type":"string"}`,
		`"rooms":{"items":{"type":"string"},"minItems":1,"type":"array"}`,
		`"labels":{"additionalProperties":{"type":"string"},"minProperties":1,"type":"object"}`,
		`"dogs":{"description":"those that bark","items":{`,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	if strings.Contains(string(text), "NotWritten") {
		t.Errorf("a field without a name is in\n%s", text)
	}
}

// TestLine: what is in comments is written nowhere, an alias where it is written.
func TestLine(t *testing.T) {
	r := strict.NewReader("a.yaml")
	r.Document([]byte("apiVersion: v1\nkind: Animals\ndogs:\n- &rex {name: rex}\n- *rex\n-\n"), head, &animals{})
	for path, want := range map[string]int{"dogs": 4, "dogs[0]": 4, "dogs[1]": 5, "dogs[1].name": 4, "dogs[2]": 0,
		"where": 0} {
		if got := r.Line(path); got != want {
			t.Errorf("%s: line %d, want %d", path, got, want)
		}
	}
	if got := r.Nearest("dogs[1].born").Line; got != 5 {
		t.Errorf("nearest to what is not written: line %d", got)
	}
}
