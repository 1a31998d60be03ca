package cli

import (
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

// closest returns the candidate that is fewest edits away from s, or "" if none is near.
func closest(s string, candidates []string) string {
	best, bestDistance := "", len(s)/2+2
	for _, c := range candidates {
		if d := distance(s, c); d < bestDistance {
			best, bestDistance = c, d
		}
	}
	return best
}

// distance is the Levenshtein distance of a and b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := diagonal
			if a[i-1] != b[j-1] {
				cost++
			}
			diagonal = row[j]
			row[j] = min(cost, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}
