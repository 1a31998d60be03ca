package claim

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/stream"
)

// DefaultEvery is how often a Janitor looks, and how long nothing must have come for a body before it can be an orphan: far longer than
// a body that is being stored may pause, and than it takes to store its event then.
const DefaultEvery = time.Hour

// Janitor removes bodies that no event has a claim to: whoever stored one has died before its event was stored, or its event is gone
// in another way than by being settled, such as a dead letter that was kept for its full time.
//
// A body is removed when it was found without a claim in two rounds. One round is not enough: an event can be on its way from one
// stream to another while they are read.
type Janitor struct {
	js       jetstream.JetStream
	every    time.Duration
	log      *zap.Logger
	suspects map[owned]bool // of the round before; only the goroutine of Run uses it
}

// owned is one body of one function.
type owned struct {
	key function.Key
	id  string
}

// NewJanitor makes a Janitor. every is DefaultEvery if it is 0.
func NewJanitor(js jetstream.JetStream, every time.Duration, log *zap.Logger) *Janitor {
	if every == 0 {
		every = DefaultEvery
	}
	if log == nil {
		log = zap.NewNop()
	}
	return &Janitor{js: js, every: every, log: log}
}

// Run looks now and then until ctx ends.
func (j *Janitor) Run(ctx context.Context) error {
	tick := time.NewTicker(j.every)
	defer tick.Stop()
	for {
		if err := j.round(ctx); err != nil && ctx.Err() == nil {
			j.log.Warn("large bodies not looked through, trying again later", zap.Error(err))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// round removes what was a suspect before and is one still.
func (j *Janitor) round(ctx context.Context) error {
	orphans, err := j.orphans(ctx)
	if err != nil {
		return err
	}
	suspects := map[owned]bool{}
	for _, o := range orphans {
		if !j.suspects[o] {
			suspects[o] = true
			continue
		}
		if err := j.remove(ctx, o); err != nil {
			return err
		}
		j.log.Info("large body removed, no event has a claim to it", zap.Stringer("function", o.key), zap.String("body", o.id))
	}
	j.suspects = suspects
	return nil
}

// orphans are the old bodies that nobody has a claim to.
func (j *Janitor) orphans(ctx context.Context) ([]owned, error) {
	s, err := j.js.Stream(ctx, stream.BodiesStream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look up stream %s: %w", stream.BodiesStream, err)
	}
	info, err := s.Info(ctx, jetstream.WithSubjectFilter("pelton.body.*.*.*.0"))
	if err != nil {
		return nil, fmt.Errorf("list bodies: %w", err)
	}
	old := map[function.Key]map[string]bool{} // by function, as what has a claim to them is
	for subject := range info.State.Subjects {
		o, ok := ownedBy(subject)
		if !ok {
			continue
		}
		if resting, err := j.resting(ctx, s, o); err != nil {
			return nil, err
		} else if resting {
			if old[o.key] == nil {
				old[o.key] = map[string]bool{}
			}
			old[o.key][o.id] = true
		}
	}
	var orphans []owned
	for key, ids := range old {
		if err := j.claimed(ctx, key, ids); err != nil {
			return nil, err
		}
		for id := range ids {
			orphans = append(orphans, owned{key, id})
		}
	}
	return orphans, nil
}

func ownedBy(subject string) (owned, bool) {
	tokens := strings.Split(subject, ".")
	if len(tokens) != 6 {
		return owned{}, false
	}
	return owned{function.Key{Namespace: tokens[2], Name: tokens[3]}, tokens[4]}, true
}

// resting says that nothing has come for a body for long.
func (j *Janitor) resting(ctx context.Context, s jetstream.Stream, o owned) (bool, error) {
	last, err := s.GetLastMsgForSubject(ctx, event.BodyPrefix(o.key.Namespace, o.key.Name)+o.id+".*")
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return false, nil // it has just been removed
	}
	if err != nil {
		return false, fmt.Errorf("look at body %s of %s: %w", o.id, o.key, err)
	}
	return time.Since(last.Time) > j.every, nil
}

// claimed takes those off ids that an event has a claim to. The queue comes first, as events go from there to the dead letters. Within
// it whatever becomes of an event is stored behind it, so one look from its beginning to its end meets each.
func (j *Janitor) claimed(ctx context.Context, key function.Key, ids map[string]bool) error {
	for _, place := range []struct{ stream, subjects string }{
		{stream.WorkStream, "pelton.*." + key.Namespace + "." + key.Name + ".>"}, // due and parked
		{stream.DeadStream, "pelton.dead." + key.Namespace + "." + key.Name},
	} {
		if err := j.takeOff(ctx, place.stream, place.subjects, ids); err != nil {
			return err
		}
	}
	return nil
}

func (j *Janitor) takeOff(ctx context.Context, name, subjects string, ids map[string]bool) error {
	s, err := j.js.Stream(ctx, name)
	if err != nil {
		return fmt.Errorf("look up stream %s: %w", name, err)
	}
	for next := uint64(1); len(ids) > 0; {
		m, err := s.GetMsg(ctx, next, jetstream.WithGetMsgSubject(subjects))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("look for claims in stream %s: %w", name, err)
		}
		next = m.Sequence + 1
		if id := claimOf(m.Header, m.Data); id != "" {
			delete(ids, id)
		}
	}
	return nil
}

// remove takes all pieces that there are: how many those are, nobody may know.
func (j *Janitor) remove(ctx context.Context, o owned) error {
	s, err := j.js.Stream(ctx, stream.BodiesStream)
	if err != nil {
		return fmt.Errorf("look up stream %s: %w", stream.BodiesStream, err)
	}
	subjects := event.BodyPrefix(o.key.Namespace, o.key.Name) + o.id + ".*"
	if err := s.Purge(ctx, jetstream.WithPurgeSubject(subjects)); err != nil {
		return fmt.Errorf("remove body %s of %s: %w", o.id, o.key, err)
	}
	return nil
}

// headerMoved is of a dead letter whose event had headers too large to stay headers: so many bytes of its data are these (package
// deadletter).
const headerMoved = "Pelton-Dead-Moved-Headers"

// claimOf is the id of the body that a message has a claim to, "" if it has none.
func claimOf(h nats.Header, data []byte) string {
	line := h.Get(event.HeaderBody)
	if n, err := strconv.Atoi(h.Get(headerMoved)); line == "" && err == nil && n > 0 && n <= len(data) {
		if moved, err := nats.DecodeHeadersMsg(data[:n]); err == nil {
			line = moved.Get(event.HeaderBody)
		}
	}
	id, _, _ := strings.Cut(line, " ")
	return id
}
