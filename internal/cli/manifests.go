package cli

import (
	"errors"
	"fmt"

	"github.com/pelton-dev/pelton/internal/filter"
	"github.com/pelton-dev/pelton/internal/function"
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

// checkFilters compiles the filters of event triggers.
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
	return problems
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
