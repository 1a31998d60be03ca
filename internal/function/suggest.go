package function

import (
	"reflect"
	"strings"
)

// suggestField returns a hint for a field that does not exist, and the path of the field that was probably meant, if any.
func suggestField(path, name string, in reflect.Type) (hint, meant string) {
	if near := Nearest(name, fieldNames(in)); near != "" {
		return "did you mean " + near + "?", join(path, near)
	}
	for _, known := range fieldPaths("", reflect.TypeFor[Function]()) {
		if known == name || strings.HasSuffix(known, "."+name) {
			return "it belongs at " + known, known
		}
	}
	return "the fields here are " + strings.Join(fieldNames(in), ", "), ""
}

// fieldNames lists the json names of a struct's fields.
func fieldNames(in reflect.Type) []string {
	var names []string
	for i := range in.NumField() {
		if name := jsonName(in.Field(i)); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// fieldPaths lists every field of the manifest: "spec.scale.maxReplicas", "spec.triggers[].event.stream".
func fieldPaths(path string, in reflect.Type) []string {
	switch in.Kind() {
	case reflect.Pointer:
		return fieldPaths(path, in.Elem())
	case reflect.Slice:
		if in.Elem().Kind() == reflect.Struct {
			return fieldPaths(path+"[]", in.Elem())
		}
	case reflect.Struct:
		var paths []string
		for i := range in.NumField() {
			if name := jsonName(in.Field(i)); name != "" {
				paths = append(paths, join(path, name))
				paths = append(paths, fieldPaths(join(path, name), in.Field(i).Type)...)
			}
		}
		return paths
	}
	return nil
}

// Nearest returns the word that is a likely misspelling away from name, another case or a letter in three, or "".
func Nearest(name string, words []string) string {
	best, bestDistance := "", len(name)/3+1
	if len(name) > 40 {
		return ""
	}
	for _, word := range words {
		if n := distance(strings.ToLower(name), strings.ToLower(word)); n < bestDistance {
			best, bestDistance = word, n
		}
	}
	return best
}

// distance is the number of insertions, deletions, replacements and swaps of neighbours that make b of a.
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			change := rows[i-1][j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			rows[i][j] = min(change, rows[i-1][j]+1, rows[i][j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
