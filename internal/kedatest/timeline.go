package kedatest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Kind says what an event is.
type Kind string

// What can happen to an object.
const (
	KindReconciled Kind = "reconciled" // the autoscaler was made, or given a new target
	KindReplicas   Kind = "replicas"
	KindStreamOpen Kind = "stream open"
	KindStreamEnd  Kind = "stream end"
	KindTrue       Kind = "true"
	KindDropped    Kind = "dropped"
	KindError      Kind = "error"
)

// Event is something that happened to an object.
type Event struct {
	Time     time.Time
	At       time.Duration // since New, in KEDA's time
	Key      Key
	Kind     Kind
	Text     string
	From, To int // of KindReplicas
}

func (e Event) String() string {
	what := string(e.Kind)
	if e.Kind == KindReplicas {
		what = fmt.Sprintf("replicas %d -> %d", e.From, e.To)
	}
	return fmt.Sprintf("%8.1fs %v: %s: %s", e.At.Seconds(), e.Key, what, e.Text)
}

// Timeline returns what has happened so far, except for polls that worked.
func (o *Operator) Timeline() []Event {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.timeline)
}

// Status returns what is known of an object; the zero Status if it was never added.
func (o *Operator) Status(key Key) Status {
	o.mu.Lock()
	defer o.mu.Unlock()
	if s := o.objects[key]; s != nil {
		return s.status
	}
	return Status{}
}

// Await waits until ok holds for an object. Its error says what was wanted, what was seen instead, and what happened last.
func (o *Operator) Await(ctx context.Context, key Key, want string, ok func(Status) bool) (Status, error) {
	for {
		status, changed, err := o.look(key)
		if err != nil || ok(status) {
			return status, err
		}
		select {
		case <-ctx.Done():
			return status, fmt.Errorf("await %s of %v: %w: have %+v\n%s", want, key, ctx.Err(), status, o.tail(key))
		case <-changed:
		}
	}
}

// AwaitReplicas waits until an object has n replicas.
func (o *Operator) AwaitReplicas(ctx context.Context, key Key, n int) error {
	_, err := o.Await(ctx, key, fmt.Sprintf("%d replicas", n), func(s Status) bool { return s.Replicas == n })
	return err
}

// look returns an object's status and a channel that is closed at the next change of any.
func (o *Operator) look(key Key) (Status, <-chan struct{}, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := o.objects[key]
	if s == nil {
		return Status{}, nil, fmt.Errorf("%w: %v", ErrUnknownObject, key)
	}
	if o.changed == nil {
		o.changed = make(chan struct{})
	}
	return s.status, o.changed, nil
}

// tail is the end of an object's timeline, for a person.
func (o *Operator) tail(key Key) string {
	const most = 20
	var lines []string
	for _, e := range o.Timeline() {
		if e.Key == key {
			lines = append(lines, e.String())
		}
	}
	return strings.Join(lines[max(0, len(lines)-most):], "\n")
}

// update changes state under the lock and wakes those who wait.
func (o *Operator) update(change func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	change()
	o.notify()
}

// notify wakes those who wait. The caller holds mu.
func (o *Operator) notify() {
	if o.changed != nil {
		close(o.changed)
		o.changed = nil
	}
}

func (s *scaledObject) count(change func(*Counters)) {
	s.op.update(func() { change(&s.status.Counters) })
}

// event changes the status and puts an event into the timeline. change may be nil.
func (s *scaledObject) event(kind Kind, text string, change func(*Status)) {
	s.op.update(func() {
		if change != nil {
			change(&s.status)
		}
		s.record(Event{Kind: kind, Text: text})
	})
}

// record puts an event into the timeline. The caller holds Operator.mu.
func (s *scaledObject) record(e Event) {
	e.Time, e.Key = time.Now(), s.obj.Key()
	e.At = time.Duration(float64(e.Time.Sub(s.op.started)) * s.op.cfg.Speed)
	s.op.timeline = append(s.op.timeline, e)
	if s.op.cfg.OnEvent != nil {
		s.op.cfg.OnEvent(e)
	}
}
