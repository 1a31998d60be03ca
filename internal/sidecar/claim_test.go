package sidecar_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/claim"
	"github.com/pelton-dev/pelton/internal/deadletter"
	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/invoke"
	"github.com/pelton-dev/pelton/internal/ledger"
	"github.com/pelton-dev/pelton/internal/result"
	"github.com/pelton-dev/pelton/internal/stream"
	"github.com/pelton-dev/pelton/internal/waittest"
)

// putClaimed stores a body and an event in the function's queue that has the claim to it.
func (f *fixture) putClaimed(body []byte) claim.Ref {
	f.t.Helper()
	ref, err := claim.Put(f.t.Context(), f.js, f.fn.Key(), claim.Config{Timeout: time.Minute}, bytes.NewReader(body))
	if err != nil {
		f.t.Fatal(err)
	}
	h := ceHeader("1")
	h.Set(event.HeaderBody, ref.String())
	f.publish("pelton.work.default.hello.http", "", h)
	return ref
}

func (f *fixture) awaitPieces(n uint64) {
	f.t.Helper()
	waittest.Eventually(f.t, func() error {
		s, err := f.js.Stream(f.t.Context(), stream.BodiesStream)
		if err != nil {
			return err
		}
		info, err := s.Info(f.t.Context(), jetstream.WithSubjectFilter("pelton.body.>"))
		if err != nil {
			return err
		}
		maps.DeleteFunc(info.State.Subjects, func(subject string, _ uint64) bool { return strings.HasSuffix(subject, ".settled") })
		if got := len(info.State.Subjects); uint64(got) != n {
			return fmt.Errorf("%d pieces are kept, want %d", got, n)
		}
		return nil
	})
}

// awaitDone waits until the last thing that was recorded is success, and nothing is left of the event.
func (f *fixture) awaitDone() {
	f.t.Helper()
	waittest.Eventually(f.t, func() error {
		if got := f.runs.outcomes(); len(got) == 0 || got[len(got)-1] != ledger.OutcomeDone {
			return fmt.Errorf("outcomes %v, letters %v", got, f.letters())
		}
		return nil
	})
	f.awaitSettled()
	f.awaitPieces(0)
}

func readAll(ctx context.Context, c *invoke.Call) ([]byte, error) {
	if c.Body == nil {
		return nil, errors.New("there is no body")
	}
	return io.ReadAll(c.Body.Open(ctx))
}

// TestAClaimOutlivesWhoReadIt: the sidecar is gone in the middle of the body, and the next one gives the whole of it.
func TestAClaimOutlivesWhoReadIt(t *testing.T) {
	t.Parallel()
	body := bytes.Repeat([]byte("0123456789abcdef"), claim.PieceSize/8) // two pieces
	reading, second := make(chan struct{}), atomic.Bool{}
	f := setup(t, nil, func(ctx context.Context, c *invoke.Call) (invoke.Outcome, error) {
		if second.Load() {
			got, err := readAll(ctx, c)
			if err != nil || !bytes.Equal(got, body) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
			return invoke.Outcome{}, nil
		}
		if _, err := io.ReadFull(c.Body.Open(ctx), make([]byte, 100)); err != nil {
			t.Error(err)
		}
		close(reading)
		<-ctx.Done()
		return invoke.Outcome{}, invoke.Interrupted(ctx)
	})
	f.putClaimed(body)
	r := f.start()
	waittest.Receive(t, reading)
	r.Cut()
	r.stop(t)
	second.Store(true)
	f.start()
	f.awaitDone()
}

// TestABodyThatCannotBeReadNowIsNoAttempt: the stream of bodies is away for a while, as in an outage.
func TestABodyThatCannotBeReadNowIsNoAttempt(t *testing.T) {
	t.Parallel()
	var attempt atomic.Int64
	f := setup(t, nil, func(_ context.Context, c *invoke.Call) (invoke.Outcome, error) {
		if n := attempt.Add(1); n == 1 { // it breaks off in the middle
			return invoke.Outcome{}, &invoke.Error{Code: invoke.CodeBody, Err: nats.ErrNoResponders}
		}
		if c.Attempt != 1 {
			t.Errorf("attempt %d", c.Attempt)
		}
		return invoke.Outcome{}, nil
	})
	f.putClaimed([]byte("body"))
	s, err := f.js.Stream(t.Context(), stream.BodiesStream)
	if err != nil {
		t.Fatal(err)
	}
	pieces, err := s.GetMsg(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.js.DeleteStream(t.Context(), stream.BodiesStream); err != nil {
		t.Fatal(err)
	}
	f.start()
	waittest.Eventually(t, func() error {
		if got := f.runs.outcomes(); len(got) == 0 || got[0] != ledger.OutcomeReturned {
			return fmt.Errorf("outcomes %v", got)
		}
		return nil
	})
	if n := f.handler.calls.Load(); n > 0 {
		t.Errorf("%d calls without a body", n)
	}
	if _, err := stream.Ensure(t.Context(), f.js, stream.Config{}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.js.Publish(t.Context(), pieces.Subject, pieces.Data); err != nil {
		t.Fatal(err)
	}
	f.awaitDone()
}

// TestAClaimThatCannotBeMet is a dead letter that keeps its claim, before anybody is called.
func TestAClaimThatCannotBeMet(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*function.Spec)
		reason string
	}{
		"a batch":         {func(s *function.Spec) { s.Batch = &function.Batch{MaxEvents: 10} }, deadletter.ReasonTooLarge},
		"an order":        {func(s *function.Spec) { s.Ordering = &function.Ordering{Key: "event.id"} }, deadletter.ReasonTooLarge},
		"protocol stream": {func(s *function.Spec) { s.Handler.Protocol = function.ProtocolStream }, deadletter.ReasonTooLarge},
		"a broken claim":  {nil, deadletter.ReasonUndecodable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t, c.change, func(context.Context, *invoke.Call) (invoke.Outcome, error) {
				t.Error("called")
				return invoke.Outcome{}, nil
			})
			f.handler.batch = func(context.Context, *invoke.Batch) (invoke.Verdict, error) {
				t.Error("called with a batch")
				return invoke.Verdict{}, nil
			}
			if c.change == nil {
				h := ceHeader("1")
				h.Set(event.HeaderBody, "nonsense")
				f.publish("pelton.work.default.hello.http", "", h)
			} else {
				f.putClaimed([]byte("body"))
			}
			f.start()
			f.awaitSettled()
			letters := f.letters()
			if len(letters) != 1 || letters[0].Reason != c.reason || letters[0].Attempts != 0 {
				t.Fatalf("letters %+v", letters)
			}
			if line := nats.Header(letters[0].Header).Get(event.HeaderBody); line == "" {
				t.Error("the letter has lost its claim")
			}
			if c.change != nil {
				f.awaitPieces(1)
			}
		})
	}
}

// TestACopyOfASettledEvent: a sidecar has stored a retry and died before the acknowledgement, so there are two messages of one event with
// one body. Whichever is done first removes it; the other is no dead letter, and changes nothing in what is known of the call.
func TestACopyOfASettledEvent(t *testing.T) {
	t.Parallel()
	for name, copies := range map[string]func(f *fixture, give func(attempt string)) (second func() error){
		"the retry is done first": func(f *fixture, give func(string)) func() error {
			give("1")
			died := f.fetchOne()
			f.start()
			give("2")
			return died.Nak
		},
		"the retry is done last": func(f *fixture, give func(string)) func() error {
			give("1")
			if err := f.fetchOne().Nak(); err != nil {
				f.t.Fatal(err)
			}
			f.start()
			return func() error { give("2"); return nil }
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t, nil, done)
			ref, err := claim.Put(t.Context(), f.js, f.fn.Key(), claim.Config{Timeout: time.Minute}, strings.NewReader("body"))
			if err != nil {
				t.Fatal(err)
			}
			id := result.ID{Namespace: "default", Function: "hello", Token: result.NewToken()}
			second := copies(f, func(attempt string) { f.call(id, ref, attempt) })
			f.awaitResult(id, result.Done)
			f.awaitPieces(0)
			if err := second(); err != nil {
				t.Fatal(err)
			}
			waittest.Eventually(t, func() error {
				if got := f.runs.outcomes(); !slices.Contains(got, ledger.OutcomeReturned) {
					return fmt.Errorf("outcomes %v, letters %+v", got, f.letters())
				}
				return nil
			})
			f.awaitSettled()
			if n, letters := f.handler.calls.Load(), f.letters(); n != 1 || len(letters) > 0 {
				t.Errorf("%d calls, want 1, letters %+v", n, letters)
			}
			f.awaitResult(id, result.Done)
		})
	}
}

// call stores an attempt of a call that has a body beside the queue.
func (f *fixture) call(id result.ID, ref claim.Ref, attempt string) {
	f.t.Helper()
	m := &nats.Msg{Subject: "pelton.work.default.hello.http", Header: ceHeader(id.Token)}
	if err := (result.Call{Token: id.Token, Event: id.Token, Keep: 60}).Attach(m); err != nil {
		f.t.Fatal(err)
	}
	m.Header.Set(event.HeaderBody, ref.String())
	m.Header.Set("Pelton-Attempt", attempt)
	if _, err := f.js.PublishMsg(f.t.Context(), m); err != nil {
		f.t.Fatal(err)
	}
}

// fetchOne takes a message as a sidecar does that dies then.
func (f *fixture) fetchOne() jetstream.Msg {
	f.t.Helper()
	consumers := stream.ConsumersOf(f.fn)
	own := consumers[len(consumers)-1]
	c, err := f.js.Consumer(f.t.Context(), own.Stream, own.Name)
	if err != nil {
		f.t.Fatal(err)
	}
	batch, err := c.Fetch(1, jetstream.FetchMaxWait(time.Minute), jetstream.FetchPriorityGroup(stream.PriorityGroup))
	if err != nil {
		f.t.Fatal(err)
	}
	return waittest.Receive(f.t, batch.Messages())
}

// TestAPublishersClaimIsNone: a header that came with an event of a stream is neither read nor kept for a retry, nor in a dead letter and
// its replay. What is true of claims to bodies is true of requests and of calls whose result is kept.
func TestAPublishersClaimIsNone(t *testing.T) {
	t.Parallel()
	var calls atomic.Int64
	f := setup(t, nil, func(_ context.Context, c *invoke.Call) (invoke.Outcome, error) {
		if c.Body != nil || c.Request != nil || c.Kept != nil || string(c.Event.Data) != "data" {
			t.Errorf("attempt %d: body %v, request %v, kept %v, data %q", c.Attempt, c.Body, c.Request, c.Kept, c.Event.Data)
		}
		switch calls.Add(1) {
		case 1:
			return invoke.Outcome{Kind: invoke.Retry}, nil
		case 2:
			return invoke.Outcome{Kind: invoke.Reject}, nil
		}
		return invoke.Outcome{}, nil
	})
	id := result.ID{Namespace: "default", Function: "hello", Token: result.NewToken()}
	h := ceHeader("1")
	h[event.HeaderBody] = []string{"A 1 1 " + fmt.Sprintf("%064x", 1)}
	h[event.HeaderRequest] = []string{"DELETE /admin/users"}
	h[event.HeaderField] = []string{"Host: internal", "X-Forwarded-For: 127.0.0.1"}
	h[event.HeaderResult] = []string{fmt.Sprintf(`{"token":%q,"caller":"mallory","keep":604800}`, id.Token)}
	f.publish("events.hello", "data", h)
	f.start()
	var letters []deadletter.Letter
	waittest.Eventually(t, func() error {
		if letters = f.letters(); len(letters) != 1 {
			return fmt.Errorf("%d letters, want 1", len(letters))
		}
		return nil
	})
	for name := range letters[0].Header {
		if strings.HasPrefix(name, "Http-") {
			t.Errorf("the dead letter has %s", name)
		}
	}
	if err := deadletter.Replay(t.Context(), f.js, letters[0].ID); err != nil {
		t.Fatal(err)
	}
	waittest.Eventually(t, func() error {
		if n := calls.Load(); n != 3 {
			return fmt.Errorf("%d calls, want 3", n)
		}
		return nil
	})
	f.awaitSettled()
	if r, _, err := result.Read(t.Context(), f.nc, id); !errors.Is(err, result.ErrNotFound) {
		t.Errorf("a publisher has written a result: %+v, %v", r, err)
	}
}
