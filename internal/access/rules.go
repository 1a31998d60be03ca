package access

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pelton-dev/pelton/internal/function"
)

// mayAsk says why a caller may not make a request for a path, nil if he may.
func (p *policy) mayAsk(c Caller, method, path string) *Refusal {
	if p.rules == nil {
		return nil
	}
	var allowed []string
	for _, r := range p.rules {
		if !r.isFor(c) {
			continue
		}
		rightMethod := len(r.Methods) == 0 || slices.Contains(r.Methods, method)
		for _, pattern := range r.Paths {
			if rightMethod && matchPath(pattern, path) {
				return nil
			}
			allowed = append(allowed, strings.Join(append(slices.Clone(r.Methods), pattern), " "))
		}
	}
	return forbidden("Caller %s may not %s %s. Allowed paths: %s.", c.Name, method, clip(path), listed(allowed))
}

// mayPublish says why a caller may not send an event to a subject, nil if he may.
func (p *policy) mayPublish(c Caller, subject string) *Refusal {
	if p.rules == nil {
		return nil
	}
	var allowed []string
	for _, r := range p.rules {
		if !r.isFor(c) {
			continue
		}
		for _, pattern := range r.Subjects {
			if function.MatchSubject(pattern, subject) {
				return nil
			}
			allowed = append(allowed, pattern)
		}
	}
	return forbidden("Caller %s may not send events to %s. Allowed subjects: %s.", c.Name, clip(subject), listed(allowed))
}

func forbidden(format string, args ...any) *Refusal {
	return &Refusal{Reason: Forbidden, Detail: fmt.Sprintf(format, args...)}
}

func (r *Rule) isFor(c Caller) bool {
	return matchAny(r.Callers, c.Name) ||
		slices.ContainsFunc(c.Groups, func(group string) bool { return matchAny(r.Groups, group) })
}

// limitOf is the first limit for a caller, nil if there is none.
func (p *policy) limitOf(c Caller) *Limit {
	for i := range p.limits {
		if matchAny(p.limits[i].Callers, c.Name) {
			return &p.limits[i]
		}
	}
	return nil
}

func matchAny(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		start, open := strings.CutSuffix(pattern, "*")
		return open && strings.HasPrefix(name, start) || name == pattern
	})
}

// matchPath compares a path as it was sent. One that a handler behind may read as another, by an escape or by dots, is below
// nothing but /*.
func matchPath(pattern, path string) bool {
	base, below := strings.CutSuffix(pattern, "/*")
	switch {
	case !below:
		return path == pattern
	case base == "":
		return true
	}
	rest, ok := strings.CutPrefix(path, base)
	return ok && (rest == "" || rest[0] == '/') && plain(strings.TrimSuffix(path, "/"))
}

// plain reports whether everybody reads a path in the same way.
func plain(path string) bool {
	if strings.ContainsAny(path, `%\;`) || strings.Contains(path, "//") {
		return false
	}
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "." || segment == ".." {
			return false
		}
	}
	return true
}

// maxListed bounds what a refusal lists.
const maxListed = 10

func listed(allowed []string) string {
	slices.Sort(allowed)
	allowed = slices.Compact(allowed)
	switch {
	case len(allowed) == 0:
		return "none"
	case len(allowed) > maxListed:
		return fmt.Sprintf("%s and %d more", strings.Join(allowed[:maxListed], ", "), len(allowed)-maxListed)
	}
	return strings.Join(allowed, ", ")
}

// clip bounds what an answer repeats of a request.
func clip(s string) string {
	const most = 200
	if len(s) > most {
		return s[:most] + "..."
	}
	return s
}
