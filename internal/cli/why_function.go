package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/deadletter"
	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/filter"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/ledger"
	"github.com/pelton-dev/pelton/internal/stream"
)

// whyFunction makes the lines of why for one function of a running `pelton up`.
type whyFunction struct {
	view functionView
	js   jetstream.JetStream
	now  time.Time
}

// all goes the way of an event.
func (w *whyFunction) all(ctx context.Context, d *diagnosis) {
	d.add(w.manifest())
	d.add(w.handler())
	for _, c := range stream.ConsumersOf(w.view.Manifest) {
		if c.Work() {
			continue
		}
		d.add(w.stream(ctx, c))
		d.add(w.consumer(ctx, c))
		d.add(w.arrived(ctx, c))
	}
	runs, err := ledger.History(ctx, w.js, w.view.Namespace, w.view.Name, recentRuns)
	d.add(w.filtered(runs, err))
	d.add(w.queue())
	d.add(w.parked(ctx))
	d.add(w.scale())
	d.add(w.replicas())
	d.add(w.outcomes(runs, err))
	d.add(w.deadLetters(ctx))
}

// recentRuns is how far back why looks.
const recentRuns = 20

// stream says whether the stream of a trigger exists and holds its subjects.
func (w *whyFunction) stream(ctx context.Context, c stream.Consumer) check {
	line := check{Name: "stream " + c.Stream, State: checkOK, Detail: "has the subjects " + strings.Join(c.Filters, ", ")}
	s, err := w.js.Stream(ctx, c.Stream)
	if err != nil {
		line.State, line.Detail = checkFail, err.Error()
		return line
	}
	have := s.CachedInfo().Config.Subjects
	for _, subject := range c.Filters {
		if !slices.ContainsFunc(have, func(h string) bool { return function.SubjectsOverlap(h, subject) }) {
			line.State = checkFail
			line.Detail = fmt.Sprintf("it holds %s, and the trigger needs %s", strings.Join(have, ", "), subject)
		}
	}
	return line
}

// consumer says whether the consumer of a trigger exists and asks for the right subjects.
func (w *whyFunction) consumer(ctx context.Context, c stream.Consumer) check {
	line := check{Name: "consumer", State: checkOK, Detail: c.Name}
	cons, err := w.js.Consumer(ctx, c.Stream, c.Name)
	if err != nil {
		line.State, line.Detail = checkFail, fmt.Sprintf("%s: %v; pelton up makes it again once its stream exists", c.Name, err)
		return line
	}
	cfg := cons.CachedInfo().Config
	have := cfg.FilterSubjects
	if cfg.FilterSubject != "" {
		have = []string{cfg.FilterSubject}
	}
	if !slices.Equal(slices.Sorted(slices.Values(have)), slices.Sorted(slices.Values(c.Filters))) {
		line.State, line.Detail = checkFail, fmt.Sprintf("%s asks for %v, and the manifest for %v", c.Name, have, c.Filters)
	}
	return line
}

// arrived says what came last on a trigger's subjects, and whether its filter takes that.
func (w *whyFunction) arrived(ctx context.Context, c stream.Consumer) check {
	line := check{Name: "events", State: checkFail, Detail: "none has come on " + strings.Join(c.Filters, ", ")}
	last, err := w.lastMessage(ctx, c)
	if err != nil {
		line.Detail = err.Error()
		return line
	}
	if last == nil {
		line.Try = "pelton send " + example(c.Filters[0]) + " --data '{}'"
		if s := w.view.Status; len(w.view.Triggers) > 1 || s.Due+s.InFlight > 0 || !s.LastRun.IsZero() {
			line.State = checkNote // it gets its work in another way
		}
		return line
	}
	line.State = checkOK
	line.Detail = fmt.Sprintf("the last came %s on %s, sequence %d", ago(last.Time, w.now), last.Subject, last.Sequence)
	if rejected := w.rejects(c, last); rejected != "" {
		line.State, line.Detail = checkNote, line.Detail+"; "+rejected
	}
	return line
}

func (w *whyFunction) lastMessage(ctx context.Context, c stream.Consumer) (*jetstream.RawStreamMsg, error) {
	s, err := w.js.Stream(ctx, c.Stream)
	if err != nil {
		return nil, err
	}
	var last *jetstream.RawStreamMsg
	for _, subject := range c.Filters {
		m, err := s.GetLastMsgForSubject(ctx, subject)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if last == nil || m.Sequence > last.Sequence {
			last = m
		}
	}
	return last, nil
}

// example makes a subject that a pattern takes, as send wants it.
func example(pattern string) string {
	s := strings.NewReplacer("*", "something", ">", "something").Replace(pattern)
	return strings.TrimPrefix(s, "events.")
}

// rejects says so if the trigger's filter does not take a message.
func (w *whyFunction) rejects(c stream.Consumer, m *jetstream.RawStreamMsg) string {
	selector, err := filter.NewSelector(w.view.Manifest, c.Triggers)
	if err != nil {
		return err.Error()
	}
	e, err := event.Decode(&event.Message{
		Subject: m.Subject, Header: m.Header, Data: m.Data, Stream: c.Stream, Sequence: m.Sequence, Time: m.Time,
	})
	if err != nil {
		return "it is not an event: " + err.Error()
	}
	switch takes, err := selector.Takes(m.Subject, e); {
	case takes:
		return ""
	case err != nil:
		return "the filter cannot be evaluated for it: " + err.Error()
	default:
		return "the filter does not take it: " + strings.Join(w.filtersFor(c, m.Subject), "; ")
	}
}

// filtersFor returns the expressions that an event on a subject must meet, any of them.
func (w *whyFunction) filtersFor(c stream.Consumer, subject string) []string {
	var exprs []string
	for _, i := range c.Triggers {
		t := w.view.Manifest.Spec.Triggers[i].Event
		if slices.ContainsFunc(t.Subjects, func(p string) bool { return function.MatchSubject(p, subject) }) {
			exprs = append(exprs, t.Filter)
		}
	}
	return exprs
}

// filtered says how many of the recent events the filter did not take.
func (w *whyFunction) filtered(runs []ledger.Run, err error) check {
	c := check{Name: "filter", State: checkOK}
	n := count(runs, ledger.OutcomeFiltered)
	switch {
	case err != nil:
		c.State, c.Detail = checkNote, "run records cannot be read: "+err.Error()
	case n > 0 && n == len(runs):
		c.State, c.Detail = checkFail, fmt.Sprintf("it has taken none of the last %s", plural(n, "event"))
	case n > 0:
		c.State, c.Detail = checkNote, fmt.Sprintf("it has not taken %d of the last %s", n, plural(len(runs), "event"))
	default:
		c.Detail = "it has kept nothing back lately"
	}
	return c
}

func count(runs []ledger.Run, outcome string) int {
	n := 0
	for _, r := range runs {
		if r.Outcome == outcome {
			n++
		}
	}
	return n
}

func (w *whyFunction) queue() check {
	s := w.view.Status
	if s.QueueError != "" {
		return check{Name: "queue", State: checkFail, Detail: "it cannot be read: " + s.QueueError}
	}
	return check{Name: "queue", State: checkOK, Detail: fmt.Sprintf("%d due, %d in flight", s.Due, s.InFlight)}
}

// scale is the supervisor's decision in its own words.
func (w *whyFunction) scale() check {
	s := w.view.Status
	if s.Reason == "" {
		return check{Name: "scale", State: checkNote, Detail: "nothing is decided yet"}
	}
	return check{Name: "scale", State: checkOK, Detail: fmt.Sprintf("wants %d of %s: %s", s.Wanted, w.view.Scale, s.Reason)}
}

// outcomes says what the last events came to.
func (w *whyFunction) outcomes(runs []ledger.Run, err error) check {
	c := check{Name: "last runs", State: checkOK}
	if err != nil || len(runs) == 0 {
		c.State, c.Detail = checkNote, "there are none"
		return c
	}
	last := runs[len(runs)-1]
	c.Detail = fmt.Sprintf("%d of the last %d done; the last one %s: %s",
		count(runs, ledger.OutcomeDone), len(runs), ago(last.Started, w.now), last.Outcome)
	if slices.Contains([]string{ledger.OutcomeRetry, ledger.OutcomeDead, ledger.OutcomeFailed}, last.Outcome) {
		c.State = checkFail
		c.Detail += fmt.Sprintf(", attempt %d of %d: %s: %s", last.Attempt, last.MaxAttempts, last.Reason, last.Error)
	}
	return c
}

func (w *whyFunction) deadLetters(ctx context.Context) check {
	c := check{Name: "dead letters", State: checkOK, Detail: "none"}
	n, err := deadletter.Count(ctx, w.js, w.view.Namespace, w.view.Name)
	switch {
	case err != nil:
		c.State, c.Detail = checkNote, err.Error()
	case n > 0:
		c.State, c.Detail, c.Try = checkNote, plural(int(n), "dead letter"), "pelton dlq list --function "+w.view.key().String()
	}
	return c
}
