//go:build planted

package sidecar

import (
	"os"
	"strconv"
	"sync/atomic"
	"syscall"

	"github.com/nats-io/nats.go"

	"github.com/pelton-dev/pelton/internal/deadletter"
	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/invoke"
)

const plantable = true

// planted reports whether a bug is switched on.
func planted(bug string) bool { return os.Getenv("PELTON_PLANTED") == bug }

// deathAt is how often a process comes by the moment that is its last: the others get through, so that there is progress.
const deathAt = 40

var passed atomic.Int64 // how often it has come by

// plantedDeath is the end of the process, now and then.
func plantedDeath(at string) {
	if os.Getenv("PELTON_DIES") == at && passed.Add(1) == deathAt {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // it is on its way, and nothing must happen any more
	}
}

// plantedOutcome forgets that some outcomes are none.
func plantedOutcome(st settlement) settlement {
	timeout := st.action == park && st.reason == invoke.CodeTimeout
	rejected := st.action == bury && st.reason == deadletter.ReasonRejected
	if timeout && planted(bugTimeoutAcks) || rejected && planted(bugRejectAcks) {
		return settlement{action: ackDone}
	}
	return st
}

// plantedMessage spoils what is about to be stored for a retry or as a reply.
func plantedMessage(m *nats.Msg, d *delivery) {
	parking := m.Header.Get("Nats-Schedule") != ""
	switch {
	case parking && planted(bugAttemptsLost):
		m.Header.Set(headerAttempt, strconv.Itoa(1))
	case parking && planted(bugParkCorrupts) && len(m.Data) > 0:
		m.Data = m.Data[:len(m.Data)-1]
	case !parking && planted(bugIDWithoutSource):
		m.Header.Set(nats.MsgIdHdr, event.MessageID("", d.event.ID, "reply"))
	}
}

// plantedBatch takes every event of a batch for done if the call was.
func plantedBatch(st settlement) settlement {
	own := st.action == park && st.reason == "retry" || st.action == bury && st.reason == deadletter.ReasonRejected
	if own && planted(bugBatchAcksAll) {
		return settlement{action: ackDone}
	}
	return st
}
