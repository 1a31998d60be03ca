package cli

import (
	"cmp"
	"strings"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/function"
)

// parseKey reads a function's name as people and messages write it: name, or namespace/name.
func parseKey(s string) (function.Key, error) {
	namespace, name, found := strings.Cut(s, "/")
	if !found {
		namespace, name = function.DefaultNamespace, s
	}
	if !event.ValidToken(namespace) || !event.ValidToken(name) {
		return function.Key{}, usage("pelton functions list", "%q is not a function: want NAME or NAMESPACE/NAME", s)
	}
	return function.Key{Namespace: namespace, Name: name}, nil
}

// compareKeys puts functions in order: by namespace, then by name.
func compareKeys(a, b function.Key) int {
	return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
}

// closest returns the candidate that is fewest edits away from s, or "" if none is so near that it may have been meant.
func closest(s string, candidates []string) string {
	best, bestDistance := "", max(2, len(s)/3)+1
	for _, c := range candidates {
		if d := distance(s, c); d < bestDistance && d < len(c) {
			best, bestDistance = c, d
		}
	}
	return best
}

// distance is how many letters have to be put in, taken out, replaced, or swapped with the next one, to make b of a.
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
			replace := rows[i-1][j-1]
			if a[i-1] != b[j-1] {
				replace++
			}
			rows[i][j] = min(replace, rows[i-1][j]+1, rows[i][j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
