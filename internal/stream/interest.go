package stream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/function"
)

// Interest is which events the newest manifest of a function asks for, and which those before it asked for as far as that still
// matters. It is kept in the metadata of the consumer on the function's own queue, where replicas of any manifest can read it.
//
// It says what the filters of a consumer cannot. Measured on server 2.15.2, where the filters of a consumer are changed in place:
//   - What is in flight stays in flight, and its acknowledgement counts. Handed back or timed out it is delivered again, also if its
//     subject matches no filter any more.
//   - What waits is counted anew, by the new filters from the consumer's position on. The position is the last message delivered or
//     passed over, and the server passes over messages only while somebody pulls: of a function that has been idle for a week, a
//     week of events on an added subject would be due. It forgets what it has passed over when it stops.
//   - Requests that wait, probes too, go on waiting and get what comes next. They do not hear of what became due by the change.
type Interest struct {
	Streams map[string]StreamInterest `json:"streams,omitempty"`

	// Changing says that the consumers are being changed to it, or that somebody was stopped in the middle of that.
	Changing bool `json:"changing,omitempty"`
}

// StreamInterest is the part of one stream.
type StreamInterest struct {
	Subjects []string `json:"subjects"`
	Before   []Epoch  `json:"before,omitempty"` // oldest first
}

// Epoch is what was asked for until a place in the stream. A stream that was made anew counts from 1 again: what it holds was stored
// later, so the place has a time as well.
type Epoch struct {
	Subjects []string  `json:"subjects"`
	Sequence uint64    `json:"sequence"` // the last message of the epoch
	Time     time.Time `json:"time"`     // when that was stored
}

// metadataKey is where an Interest is kept in a consumer's metadata.
const metadataKey = "pelton.dev/interest"

// errNoInterest says that nothing was written down yet.
var errNoInterest = errors.New("the consumer on the function's own queue does not say what the function asks for")

// ReadInterest asks the server.
func ReadInterest(ctx context.Context, js jetstream.JetStream, key function.Key) (*Interest, error) {
	c, err := js.Consumer(ctx, WorkStream, consumerName(key, workRole))
	if err != nil {
		return nil, fmt.Errorf("look up what %s asks for: %w", key, err)
	}
	i, err := interestOf(c.CachedInfo().Config)
	if err != nil {
		return nil, err
	}
	return i, nil
}

func interestOf(cfg jetstream.ConsumerConfig) (*Interest, error) {
	text, ok := cfg.Metadata[metadataKey]
	if !ok {
		return nil, errNoInterest
	}
	var i Interest
	if err := json.Unmarshal([]byte(text), &i); err != nil {
		return nil, fmt.Errorf("read metadata %s of consumer %s: %w", metadataKey, cfg.Durable, err)
	}
	return &i, nil
}

// write puts the interest into a consumer's metadata. A nil one is that of the other consumers.
func (i *Interest) write(cfg *jetstream.ConsumerConfig) error {
	if i == nil {
		return nil
	}
	text, err := json.Marshal(i)
	if err != nil {
		return fmt.Errorf("write metadata %s of consumer %s: %w", metadataKey, cfg.Durable, err)
	}
	cfg.Metadata = map[string]string{metadataKey: string(text)}
	return nil
}

// Wants reports whether the newest manifest asks for an event, and the function did so when the event was stored.
func (i *Interest) Wants(stream, subject string, sequence uint64, stored time.Time) bool {
	s := i.Streams[stream]
	return matchesAny(s.Subjects, subject) && WantedThen(s.Before, subject, sequence, stored)
}

// WantedThen reports whether the epoch of an event asked for it. An event that is newer than all epochs is of none.
func WantedThen(before []Epoch, subject string, sequence uint64, stored time.Time) bool {
	if len(before) == 0 || sequence > before[len(before)-1].Sequence {
		return true
	}
	for _, e := range before {
		if sequence <= e.Sequence && !stored.After(e.Time) {
			return matchesAny(e.Subjects, subject)
		}
	}
	return true
}

func matchesAny(patterns []string, subject string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return function.MatchSubject(p, subject) })
}

// interest is what the consumers are to be brought to. While nothing has changed it is what is written down already; otherwise the
// event consumers that are not wanted any more are looked for, on all streams.
func (e *ensuring) interest(ctx context.Context, work Consumer) (*Interest, error) {
	was := &Interest{Changing: true}
	if have, err := e.js.Consumer(ctx, work.Stream, work.Name); err == nil {
		if i, err := interestOf(have.CachedInfo().Config); err == nil {
			was = i
		}
	} else if !errors.Is(err, jetstream.ErrConsumerNotFound) {
		return nil, fmt.Errorf("look up consumer %s on stream %s: %w", work.Name, work.Stream, err)
	}
	want := &Interest{Streams: map[string]StreamInterest{}, Changing: true}
	same := !was.Changing && len(was.Streams) == len(e.consumers)-1
	for _, c := range e.consumers[:len(e.consumers)-1] {
		want.Streams[c.Stream] = StreamInterest{Subjects: c.Filters, Before: was.Streams[c.Stream].Before}
		same = same && slices.Equal(was.Streams[c.Stream].Subjects, c.Filters)
	}
	if same {
		return was, nil
	}
	return want, e.noteEpochs(ctx, want)
}

// noteEpochs looks at the event consumers that there are and, where one has other filters than it is to have, writes down that these
// held until now.
func (e *ensuring) noteEpochs(ctx context.Context, want *Interest) error {
	owned, err := eventConsumers(ctx, e.js, e.fn.Key())
	if err != nil {
		return err
	}
	// Another who changes the same may have been through since the first look: what it has noted is there if the filters are new.
	if now, err := ReadInterest(ctx, e.js, e.fn.Key()); err == nil {
		for name, s := range want.Streams {
			s.Before = now.Streams[name].Before
			want.Streams[name] = s
		}
	} else if !errors.Is(err, errNoInterest) && !errors.Is(err, jetstream.ErrConsumerNotFound) {
		return err
	}
	filters, floors := map[string][]string{}, map[string]uint64{}
	for _, c := range owned {
		wanted := slices.ContainsFunc(e.consumers, func(w Consumer) bool { return w.Stream == c.Stream && w.Name == c.Name })
		if wanted {
			floors[c.Stream] = c.AckFloor.Stream
		} else {
			e.others = append(e.others, c)
		}
		filters[c.Stream] = append(filters[c.Stream], filtersOf(c.Config)...)
	}
	for name, s := range want.Streams {
		s.Before = slices.DeleteFunc(s.Before, func(p Epoch) bool { return p.Sequence <= floors[name] }) // all of it is settled
		slices.Sort(filters[name])
		switch had := filters[name]; {
		case len(had) == 0: // the consumer will be a new one
			s.Before = nil
		case !slices.Equal(had, s.Subjects):
			end := e.streams[name].State
			s.Before = prolong(s.Before, Epoch{had, end.LastSeq, end.LastTime})
		}
		want.Streams[name] = s
	}
	return nil
}

// prolong adds an epoch. One that asked for the same as the last is that one, later: a change was cut off and is taken up again.
func prolong(before []Epoch, e Epoch) []Epoch {
	if n := len(before); n > 0 && slices.Equal(before[n-1].Subjects, e.Subjects) {
		before = before[:n-1]
	}
	return append(before, e)
}

// filtersOf returns the subjects a consumer selects: the server keeps a single one in a field of its own.
func filtersOf(cfg jetstream.ConsumerConfig) []string {
	if cfg.FilterSubject != "" {
		return []string{cfg.FilterSubject}
	}
	return cfg.FilterSubjects
}
