package cli

import (
	"errors"
	"fmt"

	"github.com/pelton-dev/pelton/internal/filter"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/stream"
)

// loadFunctions reads manifests with every rule that this program knows. All problems come in one *Error.
func loadFunctions(paths []string, checks ...function.Check) ([]*function.Function, error) {
	fns, err := function.Load(paths, append([]function.Check{checkFilters}, checks...)...)
	var invalid *function.Invalid
	switch {
	case errors.As(err, &invalid):
		return nil, &Error{
			Exit: ExitInvalid, Message: plural(len(invalid.Problems), "problem") + " in the manifests", Cause: invalid,
			Hint: "mend the lines above, then pelton validate",
		}
	case err != nil:
		return nil, fmt.Errorf("load manifests: %w", err)
	}
	return fns, nil
}

// checkFilters compiles the filters of event triggers and the key of an order.
func checkFilters(fn *function.Function) []function.Problem {
	var problems []function.Problem
	for i, t := range fn.Spec.Triggers {
		if t.Event == nil || t.Event.Filter == "" {
			continue
		}
		if _, err := filter.Compile(t.Event.Filter); err != nil {
			p := function.Problem{Path: fmt.Sprintf("spec.triggers[%d].event.filter", i), Message: err.Error()}
			problems = append(problems, p)
		}
	}
	if o := fn.Spec.Ordering; o != nil {
		if _, err := filter.CompileKey(o.Key); err != nil {
			problems = append(problems, function.Problem{Path: "spec.ordering.key", Message: err.Error()})
		}
	}
	return problems
}

// checkEventSubjects refuses triggers on the stream of events that could never match: it stores what is below events. A
// stream of the user's own is named in the trigger and looked at when functions start.
func checkEventSubjects(fn *function.Function) []function.Problem {
	var problems []function.Problem
	for i, t := range fn.Spec.Triggers {
		if t.Event == nil || t.Event.Stream != stream.EventsStream {
			continue
		}
		for j, subject := range t.Event.Subjects {
			if !function.SubjectsOverlap(subject, "events.>") {
				problems = append(problems, function.Problem{
					Path:    fmt.Sprintf("spec.triggers[%d].event.subjects[%d]", i, j),
					Message: fmt.Sprintf("stream %s stores only events.>, so nothing can match %q", stream.EventsStream, subject),
					Hint:    "write events." + subject + ", or name the stream that has these subjects",
				})
			}
		}
	}
	return problems
}

// checks are the rules for functions that run here. On a server of the user's own, EVENTS may hold other subjects too.
func (o upOptions) checks() []function.Check {
	if o.natsURL != "" {
		return []function.Check{function.CheckCommand}
	}
	return []function.Check{function.CheckCommand, checkEventSubjects}
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
