package sidecar

import (
	"context"
	"strings"

	"github.com/pelton-dev/pelton/internal/claim"
	"github.com/pelton-dev/pelton/internal/deadletter"
	"github.com/pelton-dev/pelton/internal/invoke"
)

// mayHaveCopies reports whether there may be another message of the event in the queue. A retry is stored before the message that it is
// for is acknowledged, so a sidecar that dies between the two leaves both.
func (d *delivery) mayHaveCopies() bool {
	return d.attempt > 1 || d.redeliveries() > 0 || strings.HasSuffix(d.msg.Subject, ".retry")
}

// overtake looks, for an event whose body is lost, whether another copy of it has been settled, which has removed the body: then nothing
// is lost. Nobody has to look whether there is a body for the first and only message of an event.
func (s *Sidecar) overtake(ctx context.Context, d *delivery, st *settlement) {
	if st.action != bury || st.reason != deadletter.ReasonBodyLost || !d.mayHaveCopies() {
		return
	}
	settled, err := claim.Of(s.js, s.key, d.claim.ref).IsSettled(ctx)
	switch {
	case err != nil:
		*st = unreadable(&invoke.Error{Code: invoke.CodeBody, Err: err})
	case settled:
		*st = settlement{action: overtaken, reason: "settled-before", text: "another copy of the event was settled"}
	}
}
