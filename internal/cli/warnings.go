package cli

import (
	"fmt"

	"github.com/pelton-dev/pelton/internal/function"
)

// warningOf says what of a valid manifest is most likely a mistake; nil if nothing is.
func warningOf(fn *function.Function) *function.Problem {
	if fn.Spec.Reply == nil {
		return nil
	}
	for _, t := range fn.Spec.Triggers {
		if t.Event == nil || t.Event.Filter != "" {
			continue // a filter is how replies are kept from coming round
		}
		for _, subject := range t.Event.Subjects {
			if function.MatchSubject(subject, fn.Spec.Reply.Subject) {
				return &function.Problem{
					File: fn.Origin.File, Line: fn.Origin.Line, Path: "spec.reply.subject",
					Message: fmt.Sprintf("its own trigger takes %s (%s): every reply is its next event, without end",
						fn.Spec.Reply.Subject, subject),
					Hint: "reply on another subject, or give the trigger a filter that replies do not pass",
				}
			}
		}
	}
	return nil
}

// warningsOf lists the warnings about some functions.
func warningsOf(fns []*function.Function) []function.Problem {
	warnings := []function.Problem{}
	for _, fn := range fns {
		if w := warningOf(fn); w != nil {
			warnings = append(warnings, *w)
		}
	}
	return warnings
}

// warnings remembers what was told of which function.
type warnings struct{ told map[function.Key]string }

// news returns the warnings that were not told yet, and forgets those of which the cause is gone.
func (w *warnings) news(fns []*function.Function) map[function.Key]string {
	now, news := map[function.Key]string{}, map[function.Key]string{}
	for _, fn := range fns {
		problem := warningOf(fn)
		if problem == nil {
			continue
		}
		now[fn.Key()] = problem.Message
		if w.told[fn.Key()] != problem.Message {
			news[fn.Key()] = problem.Message
		}
	}
	w.told = now
	return news
}
