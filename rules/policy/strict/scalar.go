package strict

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/util/intstr"
)

func (r *Reader) text(n *yaml.Node, path, want string) (string, bool) {
	if n.Kind != yaml.ScalarNode || n.Tag != "!!str" {
		if n.Kind == yaml.ScalarNode && !isNull(n) {
			want += fmt.Sprintf(", in quotes: %q", n.Value)
		}
		r.failAt(n, path, "is %s: write %s", Describe(n), want)
		return "", false
	}
	return n.Value, true
}

func (r *Reader) boolean(n *yaml.Node, path string, v reflect.Value) {
	word := strings.ToLower(n.Value)
	value, isBool := map[string]bool{"true": true, "false": false}[word]
	if n.Kind == yaml.ScalarNode && n.Tag == "!!bool" && isBool {
		v.SetBool(value)
		return
	}
	hint := ""
	switch {
	case isBool:
		hint = ", without quotes"
	case slices.Contains([]string{"yes", "no", "on", "off", "y", "n"}, word): // booleans of YAML 1.1
		hint = " (" + n.Value + " is text here)"
	}
	r.failAt(n, path, "is %s: write true or false%s", Describe(n), hint)
}

func (r *Reader) integer(n *yaml.Node, path string, v reflect.Value, least int64) {
	if n.Kind != yaml.ScalarNode || n.Tag != "!!int" {
		r.failAt(n, path, "is %s: write a whole number", Describe(n))
		return
	}
	value, err := strconv.ParseInt(n.Value, 10, 64)
	octal := len(n.Value) > 1 && n.Value[0] == '0'
	most := mostOf(v.Kind())
	if err != nil || octal || value < least || value > most {
		r.failAt(n, path, "is %s: write a whole number from %d to %d", n.Value, least, most)
		return
	}
	v.SetInt(value)
}

func (r *Reader) enum(n *yaml.Node, path string, v reflect.Value, words []string) {
	// Some read off as false: here it is the word.
	if n.Kind == yaml.ScalarNode && slices.Contains(words, n.Value) {
		v.SetString(n.Value)
		return
	}
	value := ""
	if n.Kind == yaml.ScalarNode {
		value = n.Value
	}
	r.failAt(n, path, "is %s: write %s%s", Describe(n), OrList(words), DidYouMean(value, words))
}

func (r *Reader) day(n *yaml.Node, path string, day *Day) {
	if n.Kind == yaml.ScalarNode && n.Tag == "!!timestamp" { // as YAML reads a date without quotes
		*day = Day(n.Value)
	} else if s, ok := r.text(n, path, "a day such as 2027-03-01"); ok {
		*day = Day(s)
	}
	if problem := day.Problem(); *day != "" && problem != "" {
		r.failAt(n, path, "%s", problem)
	}
}

func (r *Reader) numberOrName(n *yaml.Node, path string, value *intstr.IntOrString) {
	if n.Tag == "!!int" {
		r.integer(n, path, reflect.ValueOf(&value.IntVal).Elem(), 1)
	} else if s, ok := r.text(n, path, "a number or a name"); ok {
		*value = intstr.FromString(s)
	}
}

// declared reads a value whose type says what it may be, false where it does not.
func (r *Reader) declared(n *yaml.Node, path string, v reflect.Value) bool {
	switch target := v.Addr().Interface().(type) {
	case *intstr.IntOrString:
		r.numberOrName(n, path, target)
	case *Day:
		r.day(n, path, target)
	case EnumList:
		if n.Kind == yaml.SequenceNode && len(n.Content) > 0 {
			return false
		}
		if word := strings.ToLower(n.Value); n.Tag == "!!bool" && (word == "true" || word == "false") {
			target.Switch(word == "true")
		} else {
			r.failAt(n, path, "is %s: write true, false, or a list of %s", Describe(n), OrList(target.Words()))
		}
	case Enum:
		r.enum(n, path, v, target.Words())
	case Text:
		if s, ok := r.text(n, path, "text"); ok {
			v.SetString(s)
			if problem := target.Problem(); problem != "" {
				r.failAt(n, path, "%s", problem)
			}
		}
	default:
		return false
	}
	return true
}
