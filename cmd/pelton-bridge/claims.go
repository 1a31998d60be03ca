package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pelton-dev/pelton/internal/bridge"
	"github.com/pelton-dev/pelton/internal/catalog"
	"github.com/pelton-dev/pelton/internal/function"
)

// claim is a method and a path that a function asks for.
type claim struct {
	what  string // METHOD PATH
	path  string
	key   function.Key
	since time.Time // zero is before all that have a time
}

// claimsOf lists what functions ask for, in the order of the entries.
func claimsOf(entries []catalog.Entry) (list []claim) {
	for i := range entries {
		e := &entries[i]
		if e.HTTP == nil {
			continue
		}
		for j := range e.HTTP.Triggers {
			t := &e.HTTP.Triggers[j]
			for _, what := range catalog.Claims(t) {
				list = append(list, claim{what, t.Path, e.Key(), e.HTTP.Since[what]})
			}
		}
	}
	return list
}

// holders says which function has a METHOD PATH.
type holders map[string]function.Key

func (h holders) has(c claim) bool { return h[c.what] == c.key }

// settle decides anew who has what. Who had it keeps it; of others, who was first entered with it, and where that is not known, the
// first by namespace and name. problems says of functions what they do not get.
func (h holders) settle(list []claim) (now holders, problems map[function.Key]string) {
	slices.SortStableFunc(list, func(a, b claim) int {
		if h.has(a) != h.has(b) {
			if h.has(a) {
				return -1
			}
			return 1
		}
		return a.since.Compare(b.since)
	})
	now, problems = holders{}, map[function.Key]string{}
	wide := map[string]function.Key{} // who has a path with /* at its end, by what is before that
	for _, c := range list {
		problem := ""
		above, covered := cover(wide, c.path)
		if other, taken := now[c.what]; taken {
			problem = fmt.Sprintf("%s is function %s's already", c.what, other)
		} else if covered && above.Namespace != c.key.Namespace && !h.has(c) {
			problem = fmt.Sprintf("%s is below a path of function %s, which has all below it and is in another namespace", c.what, above)
		}
		if problem != "" {
			problems[c.key] = strings.TrimPrefix(problems[c.key]+"; "+problem, "; ")
			continue
		}
		now[c.what] = c.key
		if base, ok := strings.CutSuffix(c.path, "/*"); ok {
			wide[base] = cmp.Or(wide[base], c.key)
		}
	}
	return now, problems
}

// cover finds who has everything below a path that this one is below, or is.
func cover(wide map[string]function.Key, path string) (function.Key, bool) {
	for above := strings.TrimSuffix(path, "/*"); ; above = above[:strings.LastIndexByte(above, '/')] {
		if key, ok := wide[strings.TrimSuffix(above, "/")]; ok {
			return key, true
		}
		if !strings.Contains(above, "/") {
			return function.Key{}, false
		}
	}
}

// only leaves of a function's routes what it has.
func (h holders) only(routes []bridge.Route, key function.Key) (list []bridge.Route) {
	for _, r := range routes {
		r.Methods = slices.DeleteFunc(slices.Clone(r.Methods), func(method string) bool { return h[method+" "+r.Path] != key })
		if len(r.Methods) > 0 {
			list = append(list, r)
		}
	}
	return list
}
