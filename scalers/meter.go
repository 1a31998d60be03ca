package scalers

import (
	"time"

	"github.com/pelton-dev/pelton/internal/wake"
)

// lately is how long a queue counts as active after the last sign of work: an event that is handled within a millisecond is
// rarely seen in flight.
const lately = 5 * time.Second

// meterGap is the longest time between two readings that say something about what happened between them.
const meterGap = 10 * time.Second

// The service time that is told to KEDA follows the measured one in steps: each costs KEDA a reconcile and an HPA update.
const (
	stepFactor = 1.25
	stepRest   = 30 * time.Second
)

// meter measures from successive readings how fast a queue is worked on. By Little's law the mean time an event is in flight
// is the mean number in flight divided by the rate at which they leave; this needs no word from the workers.
type meter struct {
	last      wake.Reading
	worked    time.Time // the last sign of work
	taken     bool      // somebody took events between the last two readings, or has some in work
	service   time.Duration
	announced time.Duration // what is told; follows service in steps
	stepped   time.Time
}

// take adds a reading.
func (m *meter) take(r wake.Reading) {
	if r.Err != nil || !r.Known || r.At.Before(m.last.At) {
		return
	}
	delivered := int64(r.Delivered) - int64(m.last.Delivered)
	first, gap := m.last.At.IsZero(), r.At.Sub(m.last.At)
	moved := delivered > 0 && !first
	if r.Due > 0 || r.InFlight > 0 || r.Again || moved {
		m.worked = r.At
	}
	m.taken = moved || r.InFlight > 0 && !r.Again
	if moved && gap > 0 && gap < meterGap {
		m.measure(float64(r.InFlight+m.last.InFlight)/2, float64(delivered)/gap.Seconds())
	}
	m.last = r
}

// measure takes the mean number in flight and the rate per second at which events were delivered.
func (m *meter) measure(inFlight, rate float64) {
	if inFlight == 0 {
		return // handled between two readings: too fast to be seen
	}
	service := time.Duration(inFlight / rate * float64(time.Second))
	if m.service == 0 {
		m.service = service
	} else {
		m.service += (service - m.service) / 4
	}
	ratio := float64(m.service) / float64(max(1, m.announced))
	if m.announced == 0 || (ratio > stepFactor || ratio < 1/stepFactor) && m.last.At.Sub(m.stepped) > stepRest {
		m.announced, m.stepped = m.service, m.last.At
	}
}

func (m *meter) workedLately(now time.Time) bool { return now.Sub(m.worked) < lately }
