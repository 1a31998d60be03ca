package kedatest_test

import (
	"errors"
	"testing"
	"time"

	pb "github.com/kedacore/keda/v2/pkg/scalers/externalscaler"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/pelton-dev/pelton/internal/kedatest"
	"github.com/pelton-dev/pelton/internal/waittest"
)

var errAgain = errors.New("not yet")

func TestPollScalesFromZeroAndBackAfterTheCooldown(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.set(func() { s.active, s.values = true, value(1) })
	op := operator(t, s, kedatest.Config{})
	key := add(t, op, kedatest.Object{PollingInterval: 2 * time.Second, Cooldown: 60 * time.Second})
	awaitReplicas(t, op, key, 1)
	s.set(func() { s.active, s.values = false, value(0) })
	awaitReplicas(t, op, key, 0)
	st := op.Status(key)
	zero := op.Timeline()[len(op.Timeline())-1]
	for _, e := range op.Timeline() {
		if e.Kind == kedatest.KindReplicas && e.To == 0 {
			zero = e
		}
	}
	if cooled := zero.Time.Sub(st.LastActive) * 100; cooled < 60*time.Second {
		t.Errorf("at zero %v after it was last active, want at least 60 s", cooled)
	}
	s.set(func() { // a metric name comes without KEDA's prefix, and nothing has a deadline
		if s.metricName != metric || s.deadlines != 0 {
			t.Errorf("metric name %q, %d calls with a deadline", s.metricName, s.deadlines)
		}
	})
}

func TestPollLetsTheMinimumStand(t *testing.T) {
	t.Parallel()
	s := start(t)
	op := operator(t, s, kedatest.Config{})
	key := add(t, op, kedatest.Object{MinReplicas: 2, Cooldown: -1, PollingInterval: time.Second})
	awaitReplicas(t, op, key, 2)
	st := await(t, op, key, "the autoscaler", func(st kedatest.Status) bool { return st.HPASyncs > 0 })
	calls := s.count("GetMetrics")
	later := await(t, op, key, "polls", func(now kedatest.Status) bool { return now.Polls > st.Polls+10 })
	if later.Replicas != 2 {
		t.Errorf("replicas = %d, want 2", later.Replicas)
	}
	n := s.count("GetMetrics") - calls
	if syncs := op.Status(key).HPASyncs - st.HPASyncs; n > syncs+2 {
		t.Errorf("%d calls in %d polls and %d syncs: polls must use what the autoscaler saw", n, later.Polls-st.Polls, syncs)
	}
}

func TestErrorIsRetriedAtOnceAndChangesNothing(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.set(func() { s.metricsErr = status.Error(codes.Unavailable, "NATS is away") })
	op := operator(t, s, kedatest.Config{HPASync: never})
	key := add(t, op, kedatest.Object{Replicas: 2, Cooldown: -1, PollingInterval: time.Second})
	st := await(t, op, key, "errors", func(st kedatest.Status) bool { return st.PollErrors >= 3 })
	if st.Replicas != 2 || status.Code(st.Err) != codes.Unavailable || st.CachesCleared < 3 {
		t.Errorf("after errors: %+v", st)
	}
	op.Remove(key)
	if calls := s.count("GetMetrics"); calls < 2*st.PollErrors {
		t.Errorf("%d calls of GetMetrics for %d polls, want two for each", calls, st.PollErrors)
	}
}

func TestOnlyObjectsErrorClosesTheConnectionAndItsStreams(t *testing.T) {
	t.Parallel()
	s := start(t)
	op := operator(t, s, kedatest.Config{})
	key := add(t, op, kedatest.Object{PollingInterval: 5 * time.Second})
	awaitOpen(t, op, s, key)
	s.set(func() { s.metricsErr = status.Error(codes.Unavailable, "NATS is away") })
	await(t, op, key, "an end of the stream", func(st kedatest.Status) bool { return st.UncleanEnds > 0 })
}

func TestSharedConnectionOutlivesOneObjectsError(t *testing.T) {
	t.Parallel()
	s := start(t)
	op := operator(t, s, kedatest.Config{})
	other := add(t, op, kedatest.Object{Namespace: "x", Name: "other", PollingInterval: never})
	awaitOpen(t, op, s, other)
	s.set(func() { s.metricsErr = status.Error(codes.Unavailable, "NATS is away") })
	key := add(t, op, kedatest.Object{PollingInterval: 5 * time.Second})
	st := await(t, op, key, "errors", func(st kedatest.Status) bool { return st.PollErrors >= 5 })
	if st.UncleanEnds != 0 || op.Status(other).UncleanEnds != 0 {
		t.Errorf("streams ended: %+v, %+v", st.Counters, op.Status(other).Counters)
	}
	s.set(func() {
		if len(s.peers) != 1 {
			t.Errorf("%d connections, want one for both objects", len(s.peers))
		}
	})
}

func TestNothingRunsUntilTheObjectIsMade(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.set(func() { s.specErr = status.Error(codes.InvalidArgument, "metadata: stream is missing") })
	op := operator(t, s, kedatest.Config{})
	key := add(t, op, kedatest.Object{PollingInterval: time.Second})
	st := await(t, op, key, "attempts", func(st kedatest.Status) bool { return st.CreateAttempts > 10 })
	if st.Created || status.Code(st.Err) != codes.InvalidArgument {
		t.Errorf("status: %+v", st)
	}
	if n := s.count("StreamIsActive") + s.count("GetMetrics") + s.count("StreamMetricSpec"); n != 0 {
		t.Errorf("%d calls before the object was made", n)
	}
	s.set(func() { s.specErr, s.active, s.values = nil, true, value(1) })
	awaitOpen(t, op, s, key)
	awaitReplicas(t, op, key, 1)
}

func TestInvalidTargetsAreRefused(t *testing.T) {
	t.Parallel()
	twiceTheSame := target(1)
	twiceTheSame.MetricSpecs = append(twiceTheSame.MetricSpecs, &pb.MetricSpec{MetricName: "WORK", TargetSize: 1})
	for name, spec := range map[string]*pb.GetMetricSpecResponse{
		"empty": {}, "no target": target(0), "negative": target(-1), "the same name": twiceTheSame,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			s.set(func() { s.spec = spec })
			op := operator(t, s, kedatest.Config{})
			key := add(t, op, kedatest.Object{})
			st := await(t, op, key, "attempts", func(st kedatest.Status) bool { return st.CreateAttempts > 2 && st.Err != nil })
			if st.Created {
				t.Error("it was made")
			}
		})
	}
}

func TestCallsGoToEveryAddressAndToThoseThatAreLeft(t *testing.T) {
	t.Parallel()
	one, two := start(t), start(t)
	op := operator(t, one, kedatest.Config{Addresses: []string{one.addr, two.addr}})
	key := add(t, op, kedatest.Object{PollingInterval: time.Second})
	waittest.Eventually(t, func() error {
		if one.count("GetMetrics") < 3 || two.count("GetMetrics") < 3 {
			return errAgain
		}
		return nil
	})
	two.srv.Stop()
	st := op.Status(key)
	await(t, op, key, "polls that work", func(now kedatest.Status) bool { return now.Polls > st.Polls+10 && now.Err == nil })
	op.SetAddresses(one.addr)
	awaitOpen(t, op, one, key)
}

// A real operator whose objects have all met an error has no connection until it polls again: pushes find none either.
func TestPushesWaitForAPollAfterTheOnlyObjectsError(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.set(func() { s.metricsErr = status.Error(codes.Unavailable, "NATS is away") })
	op := operator(t, s, kedatest.Config{Speed: 1000})
	key := add(t, op, kedatest.Object{PollingInterval: never})
	st := await(t, op, key, "a poll and attempts", func(st kedatest.Status) bool {
		return st.PollErrors == 1 && st.UncleanEnds > 4
	})
	if st.Backoff < 16*time.Second {
		t.Errorf("back-off is %v after %d attempts", st.Backoff, st.UncleanEnds)
	}
	opened := s.count("StreamIsActive")
	st = await(t, op, key, "one attempt more", func(now kedatest.Status) bool { return now.UncleanEnds > st.UncleanEnds })
	if s.count("StreamIsActive") != opened {
		t.Error("a stream was opened without a connection")
	}
}

func TestOperatorComesBackToARestartedScaler(t *testing.T) {
	t.Parallel()
	s := start(t)
	op := operator(t, s, kedatest.Config{})
	key := add(t, op, kedatest.Object{PollingInterval: 5 * time.Second})
	awaitOpen(t, op, s, key)
	s.srv.Stop()
	await(t, op, key, "an error and an end", func(st kedatest.Status) bool { return st.PollErrors > 0 && st.UncleanEnds > 0 })
	s.serve(t, s.addr)
	st := op.Status(key)
	await(t, op, key, "a new stream", func(now kedatest.Status) bool {
		return now.StreamsOpened > st.StreamsOpened && now.Err == nil
	})
}
