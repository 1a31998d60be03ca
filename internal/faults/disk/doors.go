package disk

import (
	"context"
	"errors"
	"fmt"
	"time"
)

var errNotYet = errors.New("not yet")

// accepted is nil once some events were acknowledged.
func (p *publishers) accepted(enough int) func(context.Context) error {
	return func(context.Context) error {
		p.mu.Lock()
		defer p.mu.Unlock()
		if len(p.acked) < enough {
			return fmt.Errorf("%w: %d of %d", errNotYet, len(p.acked), enough)
		}
		return nil
	}
}

// refused is nil once both doors have refused events.
func (p *publishers) refused(context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	count := map[string]int{}
	for _, r := range p.refusals {
		count[r.door]++
	}
	if min(count[doorNATS], count[doorHTTP]) < refusedAtLeast {
		return fmt.Errorf("%w: %v", errNotYet, count)
	}
	return nil
}

// acceptedSince is nil once both doors have accepted an event that was sent after a moment.
func (p *publishers) acceptedSince(moment time.Time) func(context.Context) error {
	return func(context.Context) error {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, door := range []string{doorNATS, doorHTTP} {
			if !p.sent[door].After(moment) {
				return fmt.Errorf("%w: not over %s", errNotYet, door)
			}
		}
		return nil
	}
}
