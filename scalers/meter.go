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

// What was measured loses half its weight after so many events and readings: the first keep few long ones from being forgotten,
// the second keep many short ones from resting on few looks.
const (
	meterEvents   = 64
	meterReadings = 16
)

// meterFirst is how many readings the first service time that is told rests on at least: few looks at short events can be far off,
// and the next step is half a minute away.
const meterFirst = 4

// meter measures from successive readings how fast a queue is worked on, with no word from the workers: it knows how many
// events were taken and how many have left since the last reading. Which of them left makes no difference for the mean, so it
// takes the oldest. An event is thought to have been taken, and to have left, in the middle between two readings; on the whole
// that comes to the mean number in flight divided by the rate, which is Little's law, without those that are not done yet.
type meter struct {
	at        time.Time // of the last reading, or when the probe fired after it if nothing was in flight
	inFlight  uint64
	delivered uint64
	worked    time.Time // the last sign of work
	taken     bool      // somebody took events between the last two readings, or has some in work
	fired     bool      // a probe has fired since the last reading
	fresh     bool      // it had before the last one

	held     holding
	left     float64 // events that have left
	stayed   float64 // for so many seconds in all
	readings int     // that this rests on

	service   time.Duration
	announced time.Duration // what is told; follows service in steps
	stepped   time.Time
}

// take adds a reading.
func (m *meter) take(r wake.Reading) {
	if r.Err != nil || !r.Known {
		return
	}
	if r.Due > 0 || r.InFlight > 0 || r.Again {
		m.worked = r.At
	}
	if !r.Counted.After(m.at) { // a probe alone
		if m.inFlight == 0 && r.At.After(m.at) {
			m.at, m.fired = r.At, true
		}
		return
	}
	first, gap := m.at.IsZero(), r.Counted.Sub(m.at)
	moved := r.Delivered > m.delivered && !first
	if moved {
		m.worked = r.At
	}
	m.taken = moved || r.InFlight > 0 && !r.Again
	switch fast := m.fresh && r.InFlight == 0; {
	case first || gap > meterGap || r.Delivered < m.delivered:
		m.held.reset(r.InFlight)
	case fast: // it came when we were told, and had gone when we looked again: that says nothing
		m.held.reset(0)
	default:
		m.measure(r, m.at.Add(gap/2))
	}
	m.at, m.inFlight, m.delivered = r.Counted, r.InFlight, r.Delivered
	m.fresh, m.fired = m.fired, false
}

// measure takes a reading. What has come and gone since the last one did so at a time between both.
func (m *meter) measure(r wake.Reading, between time.Time) {
	came := r.Delivered - m.delivered
	m.held.add(between, came)
	if held := m.inFlight + came; held > r.InFlight {
		n, stayed := m.held.remove(between, held-r.InFlight)
		m.left, m.stayed = m.left+float64(n), m.stayed+stayed.Seconds()
	}
	m.readings++
	if m.left == 0 || m.stayed == 0 {
		return // nothing is done, or all was handled between two readings: too fast to be seen
	}
	m.service = time.Duration(m.stayed / m.left * float64(time.Second))
	m.announce(r.Counted)
	if m.left >= meterEvents && m.readings >= meterReadings {
		m.left, m.stayed, m.readings = m.left/2, m.stayed/2, 0
	}
}

func (m *meter) announce(now time.Time) {
	if m.announced == 0 && m.readings < meterFirst {
		return
	}
	ratio := float64(m.service) / float64(max(1, m.announced))
	if m.announced == 0 || (ratio > stepFactor || ratio < 1/stepFactor) && now.Sub(m.stepped) > stepRest {
		m.announced, m.stepped = m.service, now
	}
}

func (m *meter) workedLately(now time.Time) bool { return now.Sub(m.worked) < lately }
