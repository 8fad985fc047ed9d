package strict

import (
	"fmt"
	"math"
	"reflect"
	"regexp"
	"strings"
	"time"
)

// Enum is a type of text of which only some words are values.
type Enum interface{ Words() []string }

// EnumList is a list of words for which people also write true, for all of them, or false, for none. It is never empty.
type EnumList interface {
	Enum
	Switch(on bool)
}

// Text is a type of text that says what is wrong with a value, "" for nothing.
type Text interface{ Problem() string }

// Abbreviated is a struct for which people write one word: it says what the word means, "" for nothing.
type Abbreviated interface{ InFull(word string) string }

// Described is a type that has a schema of its own.
type Described interface{ Schema() Schema }

// Schema is a JSON Schema of draft 7, the one that editors know best.
type Schema map[string]any

// TextLike is the schema of text that matches a pattern.
func TextLike(pattern *regexp.Regexp) Schema {
	return Schema{"type": "string", "pattern": pattern.String()}
}

// Day is a date in UTC.
type Day string

// Problem names what is wrong with the day.
func (d Day) Problem() string {
	if _, err := time.Parse(time.DateOnly, string(d)); err != nil {
		return fmt.Sprintf("is %q, which is not a day: write one such as 2027-03-01", string(d))
	}
	return ""
}

// Schema is what an editor marks.
func (Day) Schema() Schema {
	return Schema{"type": "string", "format": "date", "pattern": `^\d{4}-\d{2}-\d{2}$`}
}

// Start is when the day begins.
func (d Day) Start() time.Time {
	t, _ := time.Parse(time.DateOnly, string(d)) // it was checked when it was read
	return t
}

// leastOf is the smallest number that a field may have. An int32 is a probe's. An int64 is in seconds, at least one;
// those called min may be none.
func leastOf(kind reflect.Kind, name string) int64 {
	if kind == reflect.Int32 || strings.HasPrefix(name, "min") {
		return 0
	}
	return 1
}

// mostOf is the largest number that a field may have: Kubernetes' own are int32, and a day is enough for any of ours.
func mostOf(kind reflect.Kind) int64 {
	if kind == reflect.Int32 {
		return math.MaxInt32
	}
	return 24 * 60 * 60
}

// field is a field of a struct as it is declared.
type field struct {
	name     string
	required string // what to write
	filled   bool
	doc      string
}

// fieldOf is the declaration of a field, false for one that is not part of the document.
func fieldOf(f reflect.StructField) (field, bool) {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	filled := f.Tag.Get("filled") != ""
	declared := field{name: name, required: f.Tag.Get("required"), filled: filled, doc: f.Tag.Get("doc")}
	return declared, name != "" && name != "-"
}
