package scalers

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/pelton-dev/pelton/internal/wake"
)

// attempt is one event in one worker's hands, by seconds since the start.
type attempt struct{ came, taken, left float64 }

// load is what comes to a queue.
type load struct {
	workers   func(at float64) int             // how many there are
	arrivals  []float64                        // in order
	service   func(*rand.Rand) float64         // of each attempt
	retry     func(*rand.Rand) (bool, float64) // whether an attempt comes again, and after how long
	watchFrom float64                          // when the scaler starts
}

// play has workers take what comes.
func (l *load) play(rnd *rand.Rand) []attempt {
	coming := slices.Clone(l.arrivals)
	var free []float64 // when each worker is done
	var all []attempt
	for len(coming) > 0 {
		slices.Sort(coming)
		came := coming[0]
		coming = coming[1:]
		for len(free) < l.workers(came) {
			free = append(free, came)
		}
		slices.Sort(free)
		a := attempt{came: came, taken: max(came, free[0])}
		for len(free) < l.workers(a.taken) { // more have started meanwhile
			free = append(free, a.taken)
		}
		a.left = a.taken + l.service(rnd)
		free[0] = a.left
		all = append(all, a)
		if l.retry != nil {
			if again, after := l.retry(rnd); again {
				coming = append(coming, a.left+after)
			}
		}
	}
	return all
}

// mean is the true service time.
func mean(all []attempt) time.Duration {
	sum := 0.0
	for _, a := range all {
		sum += a.left - a.taken
	}
	return time.Duration(sum / float64(len(all)) * float64(time.Second))
}

// count is what the server would say at a moment.
func count(all []attempt, now float64) (r wake.Reading) {
	for _, a := range all {
		switch {
		case a.came > now:
		case a.taken > now:
			r.Due++
		default:
			r.Delivered++
			if a.left > now {
				r.InFlight++
			}
		}
	}
	return r
}

// watch reads as package wake does: every second while there is something to see, and when a probe fires.
func watch(m *meter, all []attempt, from float64) {
	start := time.Now()
	at := func(now float64) time.Time { return start.Add(time.Duration(now * float64(time.Second))) }
	end := 0.0
	for _, a := range all {
		end = max(end, a.left)
	}
	var last wake.Reading
	for now := from; now < end; {
		r := count(all, now)
		r.Known, r.At, r.Counted = true, at(now), at(now)
		m.take(r)
		if loud := r.Due+r.InFlight > 0 || r.Delivered != last.Delivered; loud {
			last, now = r, now+1
			continue
		}
		i := slices.IndexFunc(all, func(a attempt) bool { return a.came > now })
		if i < 0 {
			return
		}
		now = all[i].came
		for _, a := range all {
			if a.came > r.Counted.Sub(start).Seconds() {
				now = min(now, a.came)
			}
		}
		last = r
		r.Due, r.At = 1, at(now)
		m.take(r)
		now += 0.005 // the reading comes a moment later
	}
}

func workers(n int) func(float64) int { return func(float64) int { return n } }

// every lists n times.
func every(seconds float64, n int) []float64 {
	list := make([]float64, n)
	for i := range list {
		list[i] = 1 + float64(i)*seconds
	}
	return list
}

// bursts lists n times at which so many events come at once.
func bursts(n, size int, apart float64) []float64 {
	var list []float64
	for i := range n {
		list = append(list, slices.Repeat([]float64{1 + float64(i)*apart}, size)...)
	}
	return list
}

// about is a time that differs from event to event.
func about(seconds float64) func(*rand.Rand) float64 {
	return func(r *rand.Rand) float64 { return seconds * (0.5 + r.Float64()) }
}

func exactly(seconds float64) func(*rand.Rand) float64 {
	return func(*rand.Rand) float64 { return seconds }
}

// TestMeterAgainstKnownServiceTimes plays queues whose service time is known.
func TestMeterAgainstKnownServiceTimes(t *testing.T) {
	t.Parallel()
	ramp := func(at float64) int {
		if at < 60 {
			return 4
		}
		return 40
	}
	for name, l := range map[string]load{
		"steady":            {workers: workers(8), arrivals: every(0.025, 4000), service: about(0.19)},
		"steady, idle":      {workers: workers(20), arrivals: every(0.3, 1000), service: about(0.4)},
		"overloaded":        {workers: workers(8), arrivals: every(0.01, 3000), service: exactly(0.2)},
		"fast":              {workers: workers(4), arrivals: every(0.004, 5000), service: about(0.01)},
		"bursts":            {workers: workers(8), arrivals: bursts(10, 300, 30), service: about(0.3)},
		"bursts, far apart": {workers: workers(8), arrivals: bursts(10, 300, 300), service: about(0.3)},
		"small bursts":      {workers: workers(8), arrivals: bursts(40, 8, 20), service: exactly(3)},
		"one at a time":     {workers: workers(8), arrivals: every(30, 30), service: about(5)},
		"minutes":           {workers: workers(8), arrivals: bursts(1, 60, 0), service: about(180)},
		"exact minutes":     {workers: workers(8), arrivals: bursts(1, 40, 0), service: exactly(180)},
		"minutes, few":      {workers: workers(1), arrivals: bursts(1, 6, 0), service: exactly(300)},
		"minutes, many":     {workers: workers(300), arrivals: bursts(1, 1500, 0), service: about(120)},
		"minutes, ramp":     {workers: ramp, arrivals: bursts(1, 200, 0), service: about(120)},
		"minutes, restart":  {workers: workers(8), arrivals: bursts(1, 60, 0), service: exactly(180), watchFrom: 290},
		"short and long": {workers: workers(8), arrivals: every(0.25, 2000), service: func(r *rand.Rand) float64 {
			if r.IntN(10) == 0 {
				return 5
			}
			return 0.1
		}},
		"retries": {workers: workers(8), arrivals: every(0.1, 1500), service: about(0.4), retry: func(r *rand.Rand) (bool, float64) {
			return r.IntN(3) == 0, 1 + 30*r.Float64()
		}},
		"retries at once": {workers: workers(8), arrivals: every(0.1, 1500), service: about(0.4), retry: func(r *rand.Rand) (bool, float64) {
			return r.IntN(3) == 0, 0
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all := l.play(rand.New(rand.NewPCG(1, 2)))
			want := mean(all)
			var m meter
			watch(&m, all, l.watchFrom)
			if off := float64(m.service-want) / float64(want); off < -0.25 || off > 0.25 {
				t.Errorf("service time %v, want %v", m.service, want)
			} else {
				t.Logf("service time %v, really %v", m.service, want)
			}
			if m.announced < want/2 || m.announced > want*2 {
				t.Errorf("announced %v, want about %v", m.announced, want)
			}
		})
	}
}

// TestMeterSaysNothingOfWhatItCannotSee has single events that are gone before the next look.
func TestMeterSaysNothingOfWhatItCannotSee(t *testing.T) {
	t.Parallel()
	l := load{workers: workers(8), arrivals: every(20, 50), service: exactly(0.05)}
	var m meter
	watch(&m, l.play(rand.New(rand.NewPCG(1, 2))), 0)
	if m.service != 0 {
		t.Errorf("service time %v of events that nobody saw go", m.service)
	}
}

// TestHoldingKeepsTheSum takes in far more batches than it keeps.
func TestHoldingKeepsTheSum(t *testing.T) {
	t.Parallel()
	var h holding
	start := time.Now()
	sum, n := time.Duration(0), uint64(0)
	for i := range 1000 {
		at := start.Add(time.Duration(i) * time.Second)
		h.add(at, uint64(i%7))
		sum += time.Duration(i%7) * at.Sub(start)
		n += uint64(i % 7)
	}
	if len(h) > maxBatches {
		t.Errorf("%d batches are kept", len(h))
	}
	end := start.Add(time.Hour)
	known, stayed := h.remove(end, n)
	if want := time.Duration(n)*time.Hour - sum; known != n || (stayed-want).Abs() > time.Second {
		t.Errorf("%d events of %v, want %d of %v", known, stayed, n, want)
	}
	if known, stayed := h.remove(end, 5); known != 0 || stayed != 0 {
		t.Errorf("%d events of %v of nothing", known, stayed)
	}
}
