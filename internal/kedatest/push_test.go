package kedatest_test

import (
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/pelton-dev/pelton/internal/kedatest"
	"github.com/pelton-dev/pelton/internal/waittest"
)

const never = 1000 * time.Hour // an interval that does not come

func TestPushScalesFromZeroAtOnceAndFalseCountsForNothing(t *testing.T) {
	t.Parallel()
	s := start(t)
	op := operator(t, s, kedatest.Config{})
	key := add(t, op, kedatest.Object{PollingInterval: never})
	awaitOpen(t, op, s, key)
	if n := op.Status(key).Replicas; n != 0 {
		t.Fatalf("replicas = %d before any push", n)
	}
	send(t, s.push, true)
	awaitReplicas(t, op, key, 1)
	send(t, s.push, false)
	st := await(t, op, key, "a false", func(st kedatest.Status) bool { return st.FalsesIgnored == 1 })
	if st.Replicas != 1 || st.Trues != 1 || st.TruesDropped != 0 {
		t.Errorf("after a false: %+v", st)
	}
}

func TestTrueIsDroppedWhileMetricNamesAreMissing(t *testing.T) {
	t.Parallel()
	s := start(t)
	op := operator(t, s, kedatest.Config{StatusLag: never})
	key := add(t, op, kedatest.Object{PollingInterval: never})
	awaitOpen(t, op, s, key)
	send(t, s.push, true)
	st := await(t, op, key, "a dropped true", func(st kedatest.Status) bool { return st.TruesDropped > 0 })
	if st.Replicas != 0 {
		t.Fatalf("replicas = %d after a dropped true", st.Replicas)
	}
}

func TestTrueCountsOnceMetricNamesAreSeen(t *testing.T) {
	t.Parallel()
	s := start(t)
	op := operator(t, s, kedatest.Config{StatusLag: 20 * time.Second})
	key := add(t, op, kedatest.Object{PollingInterval: never})
	waittest.Eventually(t, func() error { // only a true that comes after the lag counts
		if op.Status(key).Replicas == 0 {
			send(t, s.push, true)
			return errAgain
		}
		return nil
	})
}

func TestTrueWaitsForAPollThatHangs(t *testing.T) {
	t.Parallel()
	s := start(t)
	hang := make(chan struct{})
	s.set(func() { s.hang = hang })
	op := operator(t, s, kedatest.Config{})
	key := add(t, op, kedatest.Object{PollingInterval: never})
	waittest.Eventually(t, func() error {
		if s.count("GetMetrics") == 0 {
			return errAgain
		}
		return nil
	})
	send(t, s.push, true)
	st := await(t, op, key, "a true", func(st kedatest.Status) bool { return st.Trues == 1 })
	if st.Replicas != 0 || st.Polls != 0 {
		t.Fatalf("a poll hangs, and yet: %+v", st)
	}
	close(hang)
	awaitReplicas(t, op, key, 1)
}

func TestBackoffGrowsAndOnlyACleanEndResetsIt(t *testing.T) {
	t.Parallel()
	s := start(t)
	op := operator(t, s, kedatest.Config{Speed: 1000})
	key := add(t, op, kedatest.Object{PollingInterval: never})
	broken := status.Error(codes.Unavailable, "going away")
	var have []time.Duration
	ended := 0
	end := func(err error) {
		t.Helper()
		send(t, s.push, true) // it works for a while: that resets nothing
		send(t, s.end, err)
		ended++
		st := await(t, op, key, "an end", func(st kedatest.Status) bool { return st.CleanEnds+st.UncleanEnds == ended })
		have = append(have, st.Backoff/time.Second)
	}
	for range 7 {
		end(broken)
	}
	end(nil)
	end(broken)
	want := []time.Duration{2, 4, 8, 16, 32, 60, 60, 2, 4}
	if !slices.Equal(have, want) {
		t.Errorf("back-off in seconds: %d, want %d", have, want)
	}
	if st := op.Status(key); st.CleanEnds != 1 || st.UncleanEnds != 8 {
		t.Errorf("ends: %+v", st.Counters)
	}
	checkGaps(t, op, have)
}

// checkGaps compares the times between an end of the stream and the next opening with the back-off.
func checkGaps(t *testing.T, op *kedatest.Operator, want []time.Duration) {
	t.Helper()
	var end time.Duration
	n := 0
	for _, e := range op.Timeline() {
		switch {
		case e.Kind == kedatest.KindStreamEnd:
			end = e.At
		case e.Kind == kedatest.KindStreamOpen && end > 0:
			if gap := e.At - end; gap < want[n]*time.Second {
				t.Errorf("gap %d is %v, want at least %d s", n, gap, want[n])
			}
			n++
		}
	}
	if n < len(want)-1 {
		t.Errorf("%d gaps, want %d", n, len(want)-1)
	}
}

func TestStreamedSpecRetargetsTheAutoscalerAndSavesACall(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.set(func() { s.active, s.values = true, value(40) })
	op := operator(t, s, kedatest.Config{})
	key := add(t, op, kedatest.Object{PollingInterval: 5 * time.Second})
	send(t, s.specs, target(10))
	await(t, op, key, "a target of 10", func(st kedatest.Status) bool { return st.SpecUpdates == 1 && st.Spec.Target == 10 })
	awaitReplicas(t, op, key, 4)
	before := await(t, op, key, "polls", func(st kedatest.Status) bool { return st.Polls > 3 })
	after := await(t, op, key, "more polls", func(st kedatest.Status) bool { return st.Polls > before.Polls+3 })
	if before.SpecCalls != after.SpecCalls {
		t.Errorf("GetMetricSpec was called %d times although a spec was streamed", after.SpecCalls-before.SpecCalls)
	}
	send(t, s.specs, target(5))
	awaitReplicas(t, op, key, 8)
}

func TestEmptyStreamedSpecIsIgnored(t *testing.T) {
	t.Parallel()
	s := start(t)
	op := operator(t, s, kedatest.Config{})
	key := add(t, op, kedatest.Object{})
	empty := target(1)
	empty.MetricSpecs = nil
	send(t, s.specs, empty)
	send(t, s.specs, target(3))
	st := await(t, op, key, "a target of 3", func(st kedatest.Status) bool { return st.Spec.Target == 3 })
	if st.SpecUpdates != 1 {
		t.Errorf("%d updates, want 1", st.SpecUpdates)
	}
}

func TestStreamMetricSpecIsNotTriedAgainWhereItIsUnimplemented(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.set(func() { s.noStream = true })
	op := operator(t, s, kedatest.Config{Speed: 1000})
	key := add(t, op, kedatest.Object{PollingInterval: 5 * time.Second})
	await(t, op, key, "unimplemented", func(st kedatest.Status) bool { return st.SpecUnimplemented })
	await(t, op, key, "polls", func(st kedatest.Status) bool { return st.Polls > 20 })
	if n := s.count("StreamMetricSpec"); n != 1 {
		t.Errorf("opened %d times, want once", n)
	}
}

func TestStreamMetricSpecBackoffIsResetByAnUpdate(t *testing.T) {
	t.Parallel()
	s := start(t)
	op := operator(t, s, kedatest.Config{Speed: 1000})
	key := add(t, op, kedatest.Object{PollingInterval: never})
	var have []time.Duration
	end := func() {
		t.Helper()
		send(t, s.specs, nil)
		st := await(t, op, key, "an end", func(st kedatest.Status) bool { return st.SpecStreamsEnded > len(have) })
		have = append(have, st.SpecBackoff/time.Second)
	}
	for range 4 {
		end()
	}
	send(t, s.specs, target(1))
	end()
	end()
	if want := []time.Duration{2, 4, 8, 16, 2, 4}; !slices.Equal(have, want) {
		t.Errorf("back-off in seconds: %d, want %d", have, want)
	}
}
