// Package replay owns giving stored events to one function again.
//
// It reads the streams of a function's event triggers, message by message, and stores a copy of those that match in the function's
// own queue: no other function sees them. No consumer is made, so nothing is left behind on the server, however a replay ends. It
// does not know what the function has done with an event before. Each goes on until it has come to the end or its context is over;
// there is nothing else to stop.
package replay

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/filter"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/stream"
)

// Selection says which of a function's events are meant. The zero value is all of them.
type Selection struct {
	Since  time.Time      // stored then or later
	Until  time.Time      // stored before
	Filter *filter.Filter // in addition to those of the triggers
	Stream string         // of this stream alone
	After  Position       // behind this one
}

// Position is the place of a stored message. Streams are read one after another, by name, and each by sequence.
type Position struct {
	Stream   string
	Sequence uint64
}

// String is the form in which messages are named everywhere: STREAM-SEQUENCE.
func (p Position) String() string { return fmt.Sprintf("%s-%d", p.Stream, p.Sequence) }

// The errors of a selection that cannot be read.
var (
	ErrNoEvents = errors.New("it has no event trigger")                // of a function that gets its work in another way
	ErrNoStream = errors.New("no event trigger reads that stream")     // of Selection.Stream or Selection.After
	ErrNotKept  = errors.New("it keeps no events that are worked off") // of a stream with another retention
)

// Replay is what is to be read for one function.
type Replay struct {
	js      jetstream.JetStream
	fn      *function.Function
	want    Selection
	streams []*source
}

// source is one stream with the triggers that read it.
type source struct {
	name     string
	stream   jetstream.Stream
	triggers []trigger
	last     uint64 // what is stored later is not read
}

type trigger struct {
	subjects []string
	filter   *filter.Filter // nil takes everything
}

// Open looks up the streams. What is stored from now on is not part of the replay.
func Open(ctx context.Context, js jetstream.JetStream, fn *function.Function, want Selection) (*Replay, error) {
	r := &Replay{js: js, fn: fn, want: want}
	if err := r.readTriggers(); err != nil {
		return nil, err
	}
	for _, s := range r.streams {
		if err := s.open(ctx, js); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func (r *Replay) readTriggers() error {
	var names []string
	for i, t := range r.fn.Spec.Triggers {
		if t.Event == nil {
			continue
		}
		names = append(names, t.Event.Stream)
		if r.skips(t.Event.Stream) {
			continue
		}
		read := trigger{subjects: t.Event.Subjects}
		if t.Event.Filter != "" {
			compiled, err := filter.Compile(t.Event.Filter)
			if err != nil {
				return fmt.Errorf("compile spec.triggers[%d].event.filter: %w", i, err)
			}
			read.filter = compiled
		}
		r.add(t.Event.Stream, read)
	}
	if len(names) == 0 {
		return fmt.Errorf("read triggers of function %s: %w", r.fn.Key(), ErrNoEvents)
	}
	for _, named := range []string{r.want.Stream, r.want.After.Stream} {
		if named != "" && !slices.Contains(names, named) {
			slices.Sort(names)
			return fmt.Errorf("select stream %q of %s: %w", named, strings.Join(slices.Compact(names), ", "), ErrNoStream)
		}
	}
	slices.SortFunc(r.streams, func(a, b *source) int { return cmp.Compare(a.name, b.name) })
	return nil
}

// skips says that nothing of a stream is selected.
func (r *Replay) skips(name string) bool {
	return r.want.Stream != "" && r.want.Stream != name || name < r.want.After.Stream
}

func (r *Replay) add(name string, t trigger) {
	i := slices.IndexFunc(r.streams, func(s *source) bool { return s.name == name })
	if i < 0 {
		r.streams = append(r.streams, &source{name: name})
		i = len(r.streams) - 1
	}
	r.streams[i].triggers = append(r.streams[i].triggers, t)
}

// open looks the stream up, which must keep what was worked off.
func (s *source) open(ctx context.Context, js jetstream.JetStream) error {
	found, err := js.Stream(ctx, s.name)
	if err != nil {
		return fmt.Errorf("look up stream %s: %w", s.name, err)
	}
	info := found.CachedInfo()
	if info.Config.Retention != jetstream.LimitsPolicy {
		return fmt.Errorf("read stream %s, whose retention is %s: %w", s.name, strings.ToLower(info.Config.Retention.String()), ErrNotKept)
	}
	s.stream, s.last = found, info.State.LastSeq
	return nil
}

// End is a time by which everything that is part of the replay was stored, and nothing later.
func (r *Replay) End() (end time.Time) {
	for _, s := range r.streams {
		if last := s.stream.CachedInfo().State.LastTime; last.After(end) {
			end = last
		}
	}
	return end.Add(time.Nanosecond)
}

// Ready says whether the function has a queue on the server from which somebody would take what is given to it.
func (r *Replay) Ready(ctx context.Context) error {
	consumers := stream.ConsumersOf(r.fn)
	own := consumers[len(consumers)-1]
	if _, err := r.js.Consumer(ctx, own.Stream, own.Name); err != nil {
		return fmt.Errorf("look up the queue of function %s: %w", r.fn.Key(), err)
	}
	return nil
}
