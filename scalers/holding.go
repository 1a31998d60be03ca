package scalers

import "time"

// maxBatches bounds what is kept of the events in flight. Beyond that, neighbours are taken together.
const maxBatches = 32

// holding is the events in flight, the oldest first.
type holding []batch

// batch is events that were taken between the same two readings.
type batch struct {
	at time.Time // zero is not known
	n  uint64
}

// reset forgets what is held: of n events it is not known when they were taken.
func (h *holding) reset(n uint64) {
	*h = nil
	if n > 0 {
		*h = holding{{n: n}}
	}
}

// add takes in n events.
func (h *holding) add(at time.Time, n uint64) {
	if n == 0 {
		return
	}
	if len(*h) == maxBatches {
		h.compact()
	}
	*h = append(*h, batch{at, n})
}

// compact makes one batch of two. The sum of their times stays what it was.
func (h *holding) compact() {
	kept := (*h)[:0]
	for i := 0; i+1 < len(*h); i += 2 {
		a, b := (*h)[i], (*h)[i+1]
		if a.at.IsZero() { // what is not known makes nothing of what is
			kept = append(kept, a, b)
			continue
		}
		share := float64(b.n) / float64(a.n+b.n)
		kept = append(kept, batch{a.at.Add(time.Duration(share * float64(b.at.Sub(a.at)))), a.n + b.n})
	}
	*h = kept
}

// remove takes the n oldest events out, and returns of how many it is known how long they were here, and for how long in all.
func (h *holding) remove(now time.Time, n uint64) (known uint64, stayed time.Duration) {
	for n > 0 && len(*h) > 0 {
		b := &(*h)[0]
		out := min(n, b.n)
		if !b.at.IsZero() {
			known += out
			stayed += time.Duration(out) * now.Sub(b.at)
		}
		n -= out
		if b.n -= out; b.n == 0 {
			*h = (*h)[1:]
		}
	}
	if len(*h) == 0 {
		*h = nil
	}
	return known, stayed
}
