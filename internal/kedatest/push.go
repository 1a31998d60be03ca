package kedatest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	pb "github.com/kedacore/keda/v2/pkg/scalers/externalscaler"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// pushLoop keeps StreamIsActive open. Its back-off grows with every end and only a clean one resets it: not time, not
// what came before the end.
func (s *scaledObject) pushLoop(ctx context.Context) {
	for retry := s.op.cfg.ReconnectMin; ; retry = min(2*retry, s.op.cfg.ReconnectMax) {
		err := s.push(ctx)
		if ctx.Err() != nil {
			return
		}
		clean := errors.Is(err, io.EOF)
		if clean {
			retry = s.op.cfg.ReconnectMin
		}
		s.event(KindStreamEnd, fmt.Sprintf("%v, again in %v", err, retry), func(st *Status) {
			st.Backoff = retry
			if clean {
				st.CleanEnds++
			} else {
				st.UncleanEnds++
			}
		})
		if !s.op.sleep(ctx, retry) {
			return
		}
	}
}

// push reads one stream to its end and returns what ended it.
func (s *scaledObject) push(ctx context.Context) error {
	client, err := s.op.pool.client()
	if err != nil {
		return err
	}
	stream, err := client.StreamIsActive(ctx, s.ref)
	if err != nil {
		return err
	}
	s.event(KindStreamOpen, "", func(st *Status) { st.StreamsOpened++ })
	for {
		answer, err := stream.Recv()
		if err != nil {
			return err
		}
		s.pushed(answer.GetResult())
	}
}

// pushed obeys one message. A false counts for nothing: only polls scale to zero.
func (s *scaledObject) pushed(active bool) {
	if !active {
		s.count(func(c *Counters) { c.FalsesIgnored++ })
		return
	}
	if !s.namesSeen() {
		s.event(KindDropped, "true, but the metric names are missing", func(st *Status) { st.Trues++; st.TruesDropped++ })
		return
	}
	s.event(KindTrue, "", func(st *Status) { st.Trues++ })
	s.scaling.Lock()
	defer s.scaling.Unlock()
	s.requestScale(true, false, "push")
}

func (s *scaledObject) namesSeen() bool {
	s.op.mu.Lock()
	defer s.op.mu.Unlock()
	return !s.namesSeenAt.IsZero() && !time.Now().Before(s.namesSeenAt)
}

// specLoop keeps StreamMetricSpec open, unless the scaler does not have it. A stream that has brought something resets
// the back-off, too.
func (s *scaledObject) specLoop(ctx context.Context) {
	for retry := s.op.cfg.ReconnectMin; ; retry = min(2*retry, s.op.cfg.ReconnectMax) {
		received, err := s.streamSpecs(ctx)
		if ctx.Err() != nil {
			return
		}
		if status.Code(err) == codes.Unimplemented {
			s.count(func(c *Counters) { c.SpecUnimplemented = true })
			return
		}
		if received || errors.Is(err, io.EOF) {
			retry = s.op.cfg.ReconnectMin
		}
		s.op.update(func() { s.status.SpecStreamsEnded++; s.status.SpecBackoff = retry })
		if !s.op.sleep(ctx, retry) {
			return
		}
	}
}

// streamSpecs reads one stream to its end: whether anything came, and what ended it.
func (s *scaledObject) streamSpecs(ctx context.Context) (received bool, err error) {
	client, err := s.op.pool.client()
	if err != nil {
		return false, err
	}
	stream, err := client.StreamMetricSpec(ctx, s.ref)
	if err != nil {
		return false, err
	}
	s.count(func(c *Counters) { c.SpecStreamsOpened++ })
	for {
		answer, err := stream.Recv()
		if err != nil {
			return received, err
		}
		received = true
		s.specPushed(answer)
	}
}

// specPushed puts an update into the built scaler, and then into the autoscaler.
func (s *scaledObject) specPushed(answer *pb.GetMetricSpecResponse) {
	specs := readSpecs(answer)
	if len(specs) == 0 {
		return // a bug of the scaler, ignored
	}
	l, err := s.lease()
	if err != nil {
		s.event(KindError, err.Error(), func(st *Status) { st.Err = err })
		return
	}
	defer l.release()
	s.op.update(func() { l.c.streamed = specs; s.status.SpecUpdates++ })
	if err := s.reconcile(specs); err != nil {
		s.event(KindError, fmt.Sprintf("streamed spec: %v", err), func(st *Status) { st.Err = err })
	}
}
