package scalers

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pelton-dev/pelton/internal/decision"
	"github.com/pelton-dev/pelton/internal/function"
)

// maxObjects bounds how many ScaledObjects are remembered. Who reaches the port may make up names.
const maxObjects = 50_000

// objectKey names a ScaledObject.
type objectKey struct{ Namespace, Name string }

// triggerKey names a trigger of a ScaledObject by what it asks for: KEDA does not say which one it is. Triggers that make no
// sense are one.
type triggerKey struct {
	objectKey

	source function.Key
}

// object is what is remembered of one trigger of a ScaledObject.
type object struct {
	key     objectKey
	streams atomic.Int64
	pushes  atomic.Uint64

	mu        sync.Mutex
	source    string
	asked     time.Time
	first     time.Time // it was heard of
	ended     time.Time // a stream of it was ended for the sake of KEDA's back-off
	decisions []Decision
}

// objectOf returns what is remembered of a question's trigger.
func (s *Scaler) objectOf(q *question) *object {
	key := triggerKey{q.object, q.source}
	s.mu.Lock()
	o := s.objects[key]
	if o == nil {
		o = &object{key: q.object, first: time.Now()}
		if len(s.objects) < maxObjects {
			s.objects[key] = o
		}
	}
	s.mu.Unlock()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asked = time.Now()
	if o.source == "" || q.source == (function.Key{}) {
		o.source = short(q.describe())
	}
	return o
}

// describe says what a question is about, for people.
func (q *question) describe() string {
	switch {
	case q.function.Name != "":
		return decision.FunctionSource(q.function.Name)
	case q.consumer.Name != "":
		return decision.ConsumerSource(q.consumer.Stream, q.consumer.Name)
	default:
		return ""
	}
}

// refused records a question that makes no sense. It returns the object.
func (s *Scaler) refused(q *question, err error) *object {
	if q.object.Namespace == "" || q.object.Name == "" {
		return &object{}
	}
	o := s.objectOf(q)
	o.record(callRefused, &work{}, err, nil)
	return o
}

// open counts a stream until the function that it returns is called.
func (o *object) open() (closed func()) {
	o.streams.Add(1)
	return func() {
		o.streams.Add(-1)
		o.mu.Lock()
		defer o.mu.Unlock()
		o.asked = time.Now()
	}
}

func (o *object) unused(now time.Time, after time.Duration) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.streams.Load() == 0 && now.Sub(o.asked) > after
}

// endsNow reports whether a stream that has just sent its state shall end although all is well. KEDA doubles its wait between
// streams, up to a minute, after each that did not end cleanly; one clean end has it begin anew. So a stream that seems to
// follow a broken one is ended once. One of a ScaledObject that is new is not: until KEDA comes back, only its polls wake.
func (o *object) endsNow(now time.Time, s *Scaler) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	isNew := now.Sub(o.first) < s.cfg.Settle && now.Sub(s.started) > s.cfg.FreshStart && o.ended.IsZero()
	if isNew || now.Sub(o.ended) < s.cfg.Settle {
		return false
	}
	o.ended = now
	return true
}

// Decisions returns the last decisions of every ScaledObject that has asked lately, by namespace, name and what its triggers
// ask for.
func (s *Scaler) Decisions() []Object {
	return s.decisions(func(objectKey) bool { return true })
}

// DecisionsOf returns those of one ScaledObject, one for each trigger: none if it has not asked lately.
func (s *Scaler) DecisionsOf(namespace, name string) []Object {
	return s.decisions(func(key objectKey) bool { return key == objectKey{namespace, name} })
}

func (s *Scaler) decisions(of func(objectKey) bool) []Object {
	s.mu.Lock()
	objects := make([]*object, 0, len(s.objects))
	for key, o := range s.objects {
		if of(key.objectKey) {
			objects = append(objects, o)
		}
	}
	s.mu.Unlock()
	list := make([]Object, len(objects))
	for i, o := range objects {
		list[i] = o.view()
	}
	slices.SortFunc(list, func(a, b Object) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name),
			cmp.Compare(a.Source, b.Source))
	})
	return list
}

func (o *object) view() Object {
	o.mu.Lock()
	defer o.mu.Unlock()
	return Object{
		Namespace: o.key.Namespace, Name: o.key.Name, Source: o.source, Streams: int(o.streams.Load()), Asked: o.asked,
		Decisions: slices.Clone(o.decisions),
	}
}
