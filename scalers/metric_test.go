package scalers

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/pelton-dev/pelton/internal/demand"
	"github.com/pelton-dev/pelton/internal/wake"
)

// hpa is what HPA makes of an average value: KEDA gives it thousandths.
func hpa(a answer) int {
	value, target := int64(math.Round(a.value*1000)), int64(math.Round(a.target*1000))
	return int((value + target - 1) / target)
}

// TestHPAWantsWhatDemandWants checks for any policy and any work that both come to the same number of replicas.
func TestHPAWantsWhatDemandWants(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := work{
			due: rapid.IntRange(0, 1<<20).Draw(t, "due"), inFlight: rapid.IntRange(0, 1<<12).Draw(t, "inFlight"),
			most:    rapid.IntRange(0, 5000).Draw(t, "most"),
			service: time.Duration(rapid.Int64Range(0, int64(time.Minute)).Draw(t, "service")),
			policy: demand.Policy{
				Concurrency: rapid.IntRange(1, 1000).Draw(t, "concurrency"), Backlog: rapid.IntRange(1, 1000).Draw(t, "backlog"),
				Drain: time.Duration(rapid.Int64Range(0, int64(time.Minute)).Draw(t, "drain")),
			},
		}
		a := answerOf(&w)
		if got := hpa(a); got != a.decision.Wanted {
			t.Fatalf("HPA makes %d of %+v", got, a)
		}
		if full := (max(w.most, w.inFlight) + w.policy.Concurrency - 1) / w.policy.Concurrency; w.most > 0 && hpa(a) > full {
			t.Fatalf("HPA makes %d of %+v, and %d can be given something", hpa(a), a, full)
		}
		if w.most == 0 && w.policy.Drain == 0 && w.policy.Backlog == w.policy.Concurrency && a.value != float64(w.due+w.inFlight) {
			t.Fatalf("%+v does not say what waits: %d", a, w.due+w.inFlight)
		}
		if math.IsNaN(a.value) || math.IsInf(a.value, 0) || a.value < 0 || a.target <= 0 {
			t.Fatalf("%+v is no metric", a)
		}
	})
}

// TestMeterFindsTheServiceTime works events off at a known rate.
func TestMeterFindsTheServiceTime(t *testing.T) {
	t.Parallel()
	var m meter
	at := time.Now()
	r := wake.Reading{Known: true, InFlight: 8, Due: 1000, At: at, Counted: at}
	for range 60 { // 8 in flight, 40 a second: 200 ms each
		m.take(r)
		r.At, r.Counted, r.Delivered = r.At.Add(time.Second), r.At.Add(time.Second), r.Delivered+40
	}
	if d := m.service - 200*time.Millisecond; d.Abs() > 5*time.Millisecond || (m.announced-m.service).Abs() > 5*time.Millisecond {
		t.Errorf("service time %v, announced %v, want 200ms", m.service, m.announced)
	}
	for range 120 { // 20 a second: 400 ms each
		m.take(r)
		r.At, r.Counted, r.Delivered = r.At.Add(time.Second), r.At.Add(time.Second), r.Delivered+20
	}
	if d := m.service - 400*time.Millisecond; d.Abs() > 5*time.Millisecond || m.announced < 320*time.Millisecond {
		t.Errorf("service time %v, announced %v, want 400ms", m.service, m.announced)
	}
}

// TestMeterTakesNoRest does not count the time in which there was nothing to do.
func TestMeterTakesNoRest(t *testing.T) {
	t.Parallel()
	var m meter
	at := time.Now()
	take := func(after time.Duration, delivered, inFlight uint64) {
		m.take(wake.Reading{Known: true, At: at.Add(after), Counted: at.Add(after), Delivered: delivered, InFlight: inFlight})
	}
	take(0, 100, 0)
	take(time.Hour, 101, 1)
	if m.service != 0 {
		t.Errorf("service time %v of an event after an hour's rest", m.service)
	}
	if !m.workedLately(at.Add(time.Hour+time.Second)) || m.workedLately(at.Add(time.Hour+time.Minute)) {
		t.Error("activity is a matter of seconds")
	}
	take(2*time.Hour, 3, 0) // the consumer was made anew
	if !m.at.Equal(at.Add(2*time.Hour)) || m.taken {
		t.Errorf("a new consumer's count: %+v", m)
	}
}
