package vet

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strconv"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/yaml"

	"github.com/podvet/podvet/rules/pod"
)

// filler gives every field of a value a value, so that none is left out when it is written.
type filler struct{ fields int }

func (f *filler) fill(v reflect.Value) {
	switch leaf := v.Addr().Interface().(type) {
	case *resource.Quantity:
		*leaf = resource.MustParse("100m")
		return
	case *intstr.IntOrString:
		*leaf = intstr.FromString("http")
		return
	case *metav1.Time:
		leaf.Time = time.Unix(1, 0).UTC()
		return
	case *metav1.MicroTime:
		leaf.Time = time.Unix(1, 0).UTC()
		return
	case *metav1.FieldsV1:
		leaf.SetRawString(`{"f:spec":{"f:livenesProbe":{}}}`)
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		f.fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		f.fill(v.Index(0))
	case reflect.Map:
		value := reflect.New(v.Type().Elem()).Elem()
		f.fill(value)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf("chosen.by/people").Convert(v.Type().Key()), value)
	case reflect.Struct:
		for _, field := range v.Fields() {
			f.fields++
			f.fill(field)
		}
	case reflect.String:
		v.SetString("text")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int32, reflect.Int64:
		v.SetInt(7)
	case reflect.Uint8:
		v.SetUint('x')
	default:
		panic(v.Type().String())
	}
}

// filled is an object of a kind with every field that there is.
func filled(t *testing.T, kind string) (object pod.Object, fields int) {
	t.Helper()
	for _, apiVersion := range []string{"v1", "apps/v1", "batch/v1"} {
		if object = pod.NewObject(apiVersion, kind); object != nil {
			var f filler
			f.fill(reflect.ValueOf(object).Elem())
			typed := reflect.ValueOf(object).Elem().FieldByName("TypeMeta")
			typed.Set(reflect.ValueOf(metav1.TypeMeta{APIVersion: apiVersion, Kind: kind}))
			return object, f.fields
		}
	}
	t.Fatalf("no kind %s", kind)
	return nil, 0
}

// TestKubernetesFieldsAreKnown: of Kubernetes' own types every field is known, in YAML and in JSON.
func TestKubernetesFieldsAreKnown(t *testing.T) {
	for _, kind := range pod.OwnerKinds() {
		object, fields := filled(t, kind)
		if fields < 1000 {
			t.Errorf("%s: only %d fields are filled", kind, fields)
		}
		for _, marshal := range []func(any) ([]byte, error){yaml.Marshal, json.Marshal} {
			text, err := marshal(object)
			if err != nil {
				t.Fatal(err)
			}
			docs, problems := documents(string(text))
			if len(docs) != 1 || docs[0].Object == nil || problems != nil {
				t.Fatalf("%s: %v %.2000s", kind, problems, text)
			}
			if len((Judge{Policy: strictPolicy()}).Of(docs[0])) == 0 {
				t.Errorf("%s is not judged", kind)
			}
			for _, f := range unknownIn(t, strictPolicy(), string(text)) {
				t.Errorf("%s: %s", kind, f.Message)
			}
		}
	}
}

// TestUnknownAsKubernetesHasIt: a key that no type has, put into each mapping of an object in turn, is found where a
// strict decoder refuses it, and nowhere else.
func TestUnknownAsKubernetesHasIt(t *testing.T) {
	for _, kind := range []string{"Pod", "CronJob"} {
		object, _ := filled(t, kind)
		text, err := json.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		var tree map[string]any
		if err := json.Unmarshal(text, &tree); err != nil {
			t.Fatal(err)
		}
		refused, taken := 0, 0
		eachMapping(tree, "", func(mapping map[string]any, path string) {
			mapping["noSuchKey"] = nil
			defer delete(mapping, "noSuchKey")
			text, err := json.Marshal(tree)
			if err != nil {
				t.Fatal(err)
			}
			docs, problems := documents(string(text))
			if len(docs) != 1 || docs[0].Object == nil {
				t.Fatalf("%s: %v", path, problems)
			}
			var search unknownKeys
			search.below(newPlace(nil, "", -1, docs[0].Root(), reflect.TypeOf(docs[0].Object)))
			decoder := json.NewDecoder(bytes.NewReader(text))
			decoder.DisallowUnknownFields()
			strictly := decoder.Decode(pod.NewObject(docs[0].APIVersion, kind))
			if strictly == nil {
				taken++
			} else {
				refused++
			}
			if found := len(search.found) > 0; found != (strictly != nil) {
				t.Errorf("%s: found %v, strictly: %v", path, found, strictly)
			}
		})
		if refused < 300 || taken < 10 {
			t.Errorf("%s: %d places are refused and %d are not", kind, refused, taken)
		}
	}
}

func eachMapping(value any, path string, visit func(map[string]any, string)) {
	switch v := value.(type) {
	case map[string]any:
		visit(v, path)
		for key, below := range v {
			eachMapping(below, path+"."+key, visit)
		}
	case []any:
		for i, below := range v {
			eachMapping(below, path+"["+strconv.Itoa(i)+"]", visit)
		}
	}
}

// BenchmarkUnknownFields is what the search costs beside reading an object.
func BenchmarkUnknownFields(b *testing.B) {
	docs, _ := documents(onePod)
	for b.Loop() {
		var search unknownKeys
		search.below(newPlace(nil, "", -1, docs[0].Root(), reflect.TypeOf(docs[0].Object)))
	}
}
