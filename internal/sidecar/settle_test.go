package sidecar

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/invoke"
)

// TestDecideIsTheSettlementTable names every row of the design's table.
func TestDecideIsTheSettlementTable(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	policy := function.Retry{
		MaxAttempts: 3, MinBackoff: function.Duration(time.Second),
		MaxBackoff: function.Duration(time.Minute),
	}
	aged := policy
	aged.MaxAge = function.Duration(time.Hour)
	reply := &event.Event{ID: "r"}
	fail := func(code string) error { return &invoke.Error{Code: code, Err: errors.New("cause")} }
	tests := map[string]struct {
		outcome invoke.Outcome
		err     error
		attempt int
		age     time.Duration
		retry   function.Retry
		want    settlement
	}{
		"done":              {attempt: 1, want: settlement{action: ackDone}},
		"done with a reply": {outcome: invoke.Outcome{Reply: reply}, attempt: 3, want: settlement{action: ackDone, reply: reply}},
		"retry": {
			outcome: invoke.Outcome{Kind: invoke.Retry, Reason: "busy"}, attempt: 1,
			want: settlement{action: park, reason: "retry", text: "busy", delay: 1500 * time.Millisecond},
		},
		"retry after": {
			outcome: invoke.Outcome{Kind: invoke.Retry, After: 90 * time.Minute}, attempt: 2,
			want: settlement{action: park, reason: "retry", delay: 90 * time.Minute, asked: true},
		},
		"retry, the last attempt": {
			outcome: invoke.Outcome{Kind: invoke.Retry, Reason: "busy"}, attempt: 3,
			want: settlement{action: bury, reason: "attempts", text: "retry: busy"},
		},
		"retry, too old by then": {
			outcome: invoke.Outcome{Kind: invoke.Retry, After: 2 * time.Minute}, attempt: 1, age: 59 * time.Minute, retry: aged,
			want: settlement{action: bury, reason: "expired", text: "retry: ", asked: true},
		},
		"timeout": {
			err: fail("timeout"), attempt: 2,
			want: settlement{
				action: park, reason: "timeout", text: "no answer within 2s (spec.timeout)",
				delay: 2500 * time.Millisecond,
			},
		},
		"crash": {
			err: fail("crash"), attempt: 1,
			want: settlement{action: park, reason: "crash", text: "cause", delay: 1500 * time.Millisecond},
		},
		"bad response": {
			err: fail("bad-response"), attempt: 3,
			want: settlement{action: bury, reason: "attempts", text: "bad-response: cause"},
		},
		"unknown error": {
			err: errors.New("odd"), attempt: 1,
			want: settlement{action: park, reason: "error", text: "odd", delay: 1500 * time.Millisecond},
		},
		"reject": {
			outcome: invoke.Outcome{Kind: invoke.Reject, Reason: "no"}, attempt: 1,
			want: settlement{action: bury, reason: "rejected", text: "no"},
		},
		"handler not ready": {
			err: fmt.Errorf("%w: refused", invoke.ErrNotReady), attempt: 3,
			want: settlement{action: handBack, reason: "not-ready", text: "handler is not ready: refused", delay: time.Second},
		},
		"cut by shutdown": {
			err: fail("canceled"), attempt: 3,
			want: settlement{action: handBack, reason: "canceled", text: "canceled: cause"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			retry := test.retry
			if retry == (function.Retry{}) {
				retry = policy
			}
			facts := attemptFacts{attempt: test.attempt, stored: now.Add(-test.age), now: now, timeout: 2 * time.Second}
			got := decide(test.outcome, test.err, facts, retry, 0.5)
			if d := cmp.Diff(test.want, got, cmp.AllowUnexported(settlement{})); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestBackoffStaysBetweenItsBoundsAndDoubles(t *testing.T) {
	t.Parallel()
	r := function.Retry{MinBackoff: function.Duration(time.Second), MaxBackoff: function.Duration(10 * time.Second)}
	for attempt, ceiling := range []time.Duration{
		1: 2 * time.Second, 2: 4 * time.Second, 3: 8 * time.Second,
		4: 10 * time.Second, 1000: 10 * time.Second,
	} {
		if ceiling == 0 {
			continue
		}
		if low := backoff(attempt, r, 0); low != time.Second {
			t.Errorf("attempt %d: at least %v, want 1s", attempt, low)
		}
		if high := backoff(attempt, r, 0.999999); high > ceiling || high < ceiling*99/100 {
			t.Errorf("attempt %d: at most %v, want %v", attempt, high, ceiling)
		}
	}
	same := function.Retry{MinBackoff: function.Duration(time.Hour), MaxBackoff: function.Duration(time.Hour)}
	if got := backoff(60, same, 0.9); got != time.Hour {
		t.Errorf("a fixed back-off is %v, want 1h", got)
	}
}

func TestReadAckUnderstandsBothForms(t *testing.T) {
	t.Parallel()
	want := delivery{stream: "EVENTS", sequence: 42, deliveries: 3, stored: time.Unix(0, 1700000000000000007), pending: 9}
	for _, reply := range []string{
		"$JS.ACK.EVENTS.default_hello_event0.3.42.17.1700000000000000007.9",
		"$JS.ACK.hub.ACCHASH.EVENTS.default_hello_event0.3.42.17.1700000000000000007.9",
		"$JS.ACK.hub.ACCHASH.EVENTS.default_hello_event0.3.42.17.1700000000000000007.9.token",
	} {
		var d delivery
		if err := d.readAck(reply); err != nil {
			t.Errorf("%s: %v", reply, err)
			continue
		}
		if d.stream != want.stream || d.sequence != want.sequence || d.deliveries != want.deliveries ||
			!d.stored.Equal(want.stored) || d.pending != want.pending {
			t.Errorf("%s: read %+v", reply, d)
		}
	}
	for _, reply := range []string{
		"", "_INBOX.x", "$JS.ACK.", "$JS.ACK.EVENTS", "$JS.ACK.EVENTS.c.x.1.2.3.4",
		"$JS.ACK.EVENTS.c.1.2.3",
	} {
		var d delivery
		if err := d.readAck(reply); !errors.Is(err, errNotDelivery) {
			t.Errorf("%q: %v, want %v", reply, err, errNotDelivery)
		}
	}
}

func TestATimeoutSaysWhatTheTimeWas(t *testing.T) {
	t.Parallel()
	late := &invoke.Error{Code: invoke.CodeTimeout, Err: errors.New("cause")}
	f := attemptFacts{attempt: 1, timeout: 1982*time.Millisecond + 300*time.Nanosecond, caller: true}
	want := "timeout: no answer within 1.982s, after which the caller waits no longer"
	if st := decide(invoke.Outcome{}, late, f, onlyOnce, 0); st.text != want {
		t.Errorf("%q, want %q", st.text, want)
	}
}
