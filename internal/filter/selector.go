package filter

import (
	"errors"
	"fmt"
	"slices"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/function"
)

// Selector says which events of a stream a function's triggers take. An event is the function's if any trigger takes it: one whose
// subjects match and whose expression, if it has one, is true. It is given once, however many do. A Selector is safe for
// concurrent use.
type Selector struct{ triggers []selection }

type selection struct {
	subjects []string
	filter   *Filter // nil takes everything
}

// NewSelector compiles some of a function's event triggers, by their indices.
func NewSelector(fn *function.Function, triggers []int) (*Selector, error) {
	s := &Selector{}
	for _, i := range triggers {
		t := fn.Spec.Triggers[i].Event
		sel := selection{subjects: t.Subjects}
		if t.Filter != "" {
			compiled, err := Compile(t.Filter)
			if err != nil {
				return nil, fmt.Errorf("spec.triggers[%d].event.filter: %w", i, err)
			}
			sel.filter = compiled
		}
		s.triggers = append(s.triggers, sel)
	}
	return s, nil
}

// ErrNoTrigger says that an event is on a subject that no trigger asks for.
var ErrNoTrigger = errors.New("no trigger asks for the subject")

// Takes reports whether an event on a subject is taken. The error is ErrNoTrigger, or why an expression could not be evaluated while
// no other trigger takes the event.
func (s *Selector) Takes(subject string, e *event.Event) (bool, error) {
	err := ErrNoTrigger
	for i := range s.triggers {
		t := &s.triggers[i]
		if !slices.ContainsFunc(t.subjects, func(p string) bool { return function.MatchSubject(p, subject) }) {
			continue
		}
		if t.filter == nil {
			return true, nil
		}
		match, why := t.filter.Match(e)
		if match && why == nil {
			return true, nil
		}
		if errors.Is(err, ErrNoTrigger) || why != nil {
			err = why
		}
	}
	return false, err
}
