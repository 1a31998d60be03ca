package scalers

import (
	"context"
	"time"

	"github.com/kedacore/keda/v2/pkg/scalers/externalscaler"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/pelton-dev/pelton/internal/rpcserver"
)

// While events are taken, "true" only keeps KEDA's cooldown from running out; each one costs it calls to the apiserver.
const (
	keepAtLeast = 5 * time.Second
	keepDefault = 15 * time.Second // for consumers, whose ScaledObject alone knows the cooldown
)

// StreamIsActive sends the state when the stream opens, "true" as soon as something is due, and again while nobody takes it:
// KEDA drops one that comes before it knows the metric's name. "false" is sent for others who read: KEDA ignores it.
func (s *Scaler) StreamIsActive(ref *externalscaler.ScaledObjectRef,
	out grpc.ServerStreamingServer[externalscaler.IsActiveResponse],
) error {
	in, err := s.openStream(ref)
	if in == nil {
		return err
	}
	defer in.close()
	in.src.await(out.Context(), s.cfg.FirstReading)
	p := &pusher{scaler: s, inquiry: in, out: out}
	return s.loop(out.Context(), in.changed, p.push)
}

// errFixed makes KEDA content with GetMetricSpec, for as long as the ScaledObject is not written again.
var errFixed = status.Error(codes.Unimplemented, "the target is fixed by the ScaledObject: there is nothing to follow")

// StreamMetricSpec sends how much one replica is there for, and again whenever that changes. It is refused if that cannot
// change: an idle stream is the most that a trigger costs.
func (s *Scaler) StreamMetricSpec(ref *externalscaler.ScaledObjectRef,
	out grpc.ServerStreamingServer[externalscaler.GetMetricSpecResponse],
) error {
	if q, err := parse(ref); err == nil && q.fixed() {
		return errFixed
	}
	in, err := s.openStream(ref)
	if in == nil {
		return err
	}
	defer in.close()
	sent := 0.0
	return s.loop(out.Context(), in.changed, func(now time.Time) (time.Duration, bool, error) {
		w, _ := in.src.work(now)
		w.ownPolicy(&in.question)
		if w.policy.Concurrency == 0 {
			return 0, false, nil // the function is not known (any more): GetMetricSpec says so
		}
		if w.unmeasured() {
			return 0, false, nil // the HPA may have a target that was measured before we were started: it keeps that meanwhile
		}
		target := targetOf(&w)
		if target == sent {
			return 0, false, nil
		}
		sent = target
		in.object.record(callSpecPushed, &w, nil, &answer{target: target})
		return 0, false, out.Send(specOf(target))
	})
}

// inquiry is an open stream and what it is about.
type inquiry struct {
	question question
	src      *source
	object   *object
	changed  <-chan struct{}
	close    func()
}

// openStream finds out what a stream is about. It returns nil if there is nothing to stream: for a reason, which is the
// error, or because streams end now.
func (s *Scaler) openStream(ref *externalscaler.ScaledObjectRef) (*inquiry, error) {
	var in *inquiry
	err := rpcserver.Elsewhere(func() (err error) {
		in, err = s.inquire(ref)
		return err
	})
	return in, err
}

func (s *Scaler) inquire(ref *externalscaler.ScaledObjectRef) (*inquiry, error) {
	q, err := parse(ref)
	if err != nil {
		s.refused(&q, err)
		return nil, err
	}
	src, err := s.sourceOf(&q)
	if err != nil {
		s.refused(&q, err)
		return nil, err
	}
	if !s.beginStream() {
		return nil, nil
	}
	o := s.objectOf(&q)
	closed := o.open()
	changed, cancel := src.subscribe()
	return &inquiry{q, src, o, changed, func() {
		cancel()
		closed()
		s.streams.Done()
	}}, nil
}

// loop calls push now, whenever something has changed, and after the wait it returns; 0 is not before something changes. It
// returns nil when push says that the stream is over, when streams must end, and when the caller has gone. A stream waits
// here for hours; all it does it does elsewhere, as its goroutine keeps the largest stack that it ever needed.
func (s *Scaler) loop(ctx context.Context, changed <-chan struct{},
	push func(now time.Time) (wait time.Duration, over bool, err error),
) error {
	var wait time.Duration
	var over bool
	look := func() (err error) {
		wait, over, err = push(time.Now())
		return err
	}
	for {
		if err := rpcserver.Elsewhere(look); over || err != nil {
			return err
		}
		var again <-chan time.Time
		if wait > 0 {
			again = time.After(wait)
		}
		select {
		case <-changed:
		case <-again:
		case <-s.stopping:
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}

// pusher is one stream of activity.
type pusher struct {
	*inquiry

	scaler *Scaler
	out    grpc.ServerStreamingServer[externalscaler.IsActiveResponse]
	told   bool // a state was sent
	active bool // the last one
	sent   time.Time
}

// push sends what is due to be sent and returns when to look again.
func (p *pusher) push(now time.Time) (time.Duration, bool, error) {
	w, err := p.src.work(now)
	w.ownPolicy(&p.question)
	if err != nil && w.due == 0 {
		return p.scaler.cfg.Resend, false, nil // not known: nothing is sent, and nothing that was sent is taken back
	}
	again := p.repeat(&w)
	if p.told && w.active == p.active && (!w.active || now.Sub(p.sent) < again) {
		return p.next(&w, now, again), false, nil
	}
	p.object.record(callPushed, &w, nil, nil)
	if w.active {
		p.object.pushes.Add(1)
	}
	if err := p.out.Send(&externalscaler.IsActiveResponse{Result: w.active}); err != nil {
		return 0, true, err
	}
	p.told, p.active, p.sent = true, w.active, now
	return p.next(&w, now, again), p.object.endsNow(now, p.scaler), nil
}

// repeat is the time between two "true".
func (p *pusher) repeat(w *work) time.Duration {
	switch {
	case w.unattended:
		return p.scaler.cfg.Resend
	case w.policy.Cooldown > 0:
		return max(keepAtLeast, w.policy.Cooldown/4)
	default:
		return keepDefault
	}
}

// next is when time alone may change what there is to say.
func (p *pusher) next(w *work, now time.Time, again time.Duration) time.Duration {
	if !w.active {
		return 0
	}
	return min(max(again-now.Sub(p.sent), time.Millisecond), lately)
}
