package function_test

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pelton-dev/pelton/internal/function"
)

const sampleFile = "../../deploy/docs/function.yaml"

func TestSampleLoads(t *testing.T) {
	t.Parallel()
	functions, err := function.Load([]string{sampleFile}, function.CheckCommand)
	if err != nil {
		t.Fatal(err)
	}
	if len(functions) != 1 || functions[0].Metadata.Name != "thumbnail" || len(functions[0].Spec.Triggers) != 4 {
		t.Fatalf("loaded %+v", functions)
	}
	if got := functions[0].Origin; got.File != sampleFile || got.Line != 8 || !strings.HasSuffix(got.Dir, "/deploy/docs") {
		t.Errorf("origin is %+v", got)
	}
}

// TestSampleNamesEveryField keeps the sample complete: each field of the types is written in it, or in a comment if it is
// refused or excluded by another one.
func TestSampleNamesEveryField(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(sampleFile)
	if err != nil {
		t.Fatal(err)
	}
	code := regexp.MustCompile(`(?m)(^|\s)#.*$`).ReplaceAll(text, nil)
	inComments := []string{}
	for _, name := range fieldNames(reflect.TypeFor[function.Function]()) {
		field := regexp.MustCompile(`(^|[\s{,-])` + name + `:`)
		switch {
		case field.Match(code):
		case field.Match(text):
			inComments = append(inComments, name)
		default:
			t.Errorf("field %s is not in %s", name, sampleFile)
		}
	}
	want := []string{"maxBody", "ordering", "backlog"}
	if diff := cmp.Diff(want, inComments); diff != "" {
		t.Errorf("fields that only comments name (-want +got):\n%s", diff)
	}
}

// fieldNames lists the json names of a type and of all types in it.
func fieldNames(in reflect.Type) (names []string) {
	switch in.Kind() {
	case reflect.Pointer, reflect.Slice:
		return fieldNames(in.Elem())
	case reflect.Struct:
		for i := range in.NumField() {
			name, _, _ := strings.Cut(in.Field(i).Tag.Get("json"), ",")
			if name != "-" {
				names = append(append(names, name), fieldNames(in.Field(i).Type)...)
			}
		}
	}
	return names
}
