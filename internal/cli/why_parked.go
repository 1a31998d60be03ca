package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/stream"
)

const (
	headerDue  = "Pelton-Due" // written by the sidecar when it parks a retry
	parkedRead = 200          // so many parked retries are looked at for the next due time
)

// parked says how many retries wait for their time, and when the first is due. They cost no replica.
func (w *whyFunction) parked(ctx context.Context) check {
	c := check{Name: "retries", State: checkOK, Detail: "none is waiting"}
	s, err := w.js.Stream(ctx, stream.WorkStream)
	if err != nil {
		return check{Name: "retries", State: checkFail, Detail: err.Error()}
	}
	subject := "pelton.park." + w.view.Namespace + "." + w.view.Name + ".>"
	var next time.Time
	n := 0
	for seq := uint64(1); n < parkedRead; {
		m, err := s.GetMsg(ctx, seq, jetstream.WithGetMsgSubject(subject))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			break
		}
		if err != nil {
			return check{Name: "retries", State: checkNote, Detail: err.Error()}
		}
		seq = m.Sequence + 1
		if m.Header.Get(stream.ScheduleHeader) != "" {
			continue // a schedule of a trigger: it has no event yet
		}
		n++
		if due, err := time.Parse(time.RFC3339Nano, m.Header.Get(headerDue)); err == nil && (next.IsZero() || due.Before(next)) {
			next = due
		}
	}
	if n > 0 {
		c.State, c.Detail = checkNote, fmt.Sprintf("%s waiting for its time", plural(n, "event"))
		if n == parkedRead {
			c.Detail = fmt.Sprintf("%d events or more wait for their time", n)
		}
		if !next.IsZero() {
			c.Detail += ", the next one due in " + short(next.Sub(w.now))
		}
	}
	return c
}
