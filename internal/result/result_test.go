package result_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/invoke"
	"github.com/pelton-dev/pelton/internal/natstest"
	"github.com/pelton-dev/pelton/internal/result"
	"github.com/pelton-dev/pelton/internal/stream"
	"github.com/pelton-dev/pelton/internal/waittest"
)

func TestMain(m *testing.M) { waittest.Main(m) }

func open(t *testing.T) (jetstream.JetStream, result.ID) {
	t.Helper()
	js := natstest.Start(t).JetStream(t)
	if _, err := stream.Ensure(t.Context(), js, stream.Config{}); err != nil {
		t.Fatal(err)
	}
	return js, result.ID{Namespace: "default", Function: "tasks", Token: result.NewToken()}
}

// TestLateNotes: what comes late of an attempt that another one has overtaken does not hide what has become of the call.
func TestLateNotes(t *testing.T) {
	t.Parallel()
	js, id := open(t)
	at := func(state result.State, attempts int) result.Record {
		return result.Record{Call: result.Call{Token: id.Token, Keep: 60}, State: state, Attempts: attempts}
	}
	is := func(state result.State, attempts int) {
		t.Helper()
		if r, _, err := result.Read(t.Context(), js.Conn(), id); err != nil || r.State != state || r.Attempts != attempts {
			t.Fatalf("it is %s at attempt %d, %v; want %s at %d", r.State, r.Attempts, err, state, attempts)
		}
	}
	replayed := func(r result.Record) result.Record {
		r.Origin = 7
		return r
	}
	note := func(r result.Record) {
		t.Helper()
		if err := result.Note(t.Context(), js, id, r); err != nil {
			t.Fatal(err)
		}
	}
	finish := func(r result.Record) {
		t.Helper()
		if err := result.Finish(t.Context(), js, id, r); err != nil {
			t.Fatal(err)
		}
	}
	note(at(result.Running, 1))
	note(at(result.Running, 2))
	note(at(result.Waiting, 1))
	is(result.Running, 2)
	finish(at(result.Done, 1)) // the second attempt is made, whatever has become of the first
	is(result.Running, 2)
	early := at(result.Dead, 1) // the second attempt has begun, and when it is delivered again it is too late to make it
	early.Attempt = 2
	finish(early)
	is(result.Dead, 2)
	note(at(result.Running, 3))
	is(result.Dead, 2)
	note(replayed(at(result.Running, 1)))
	is(result.Running, 1)
	finish(at(result.Dead, 3))
	is(result.Running, 1)
	finish(replayed(at(result.Done, 1)))
	finish(replayed(at(result.Dead, 1)))
	note(replayed(at(result.Waiting, 9)))
	finish(replayed(at(result.Dead, 9)))
	is(result.Done, 1)
	m, err := result.First(id, at(result.Queued, 0))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.PublishMsg(t.Context(), m); !result.Exists(err) {
		t.Fatalf("a second beginning is answered %v", err)
	}
	is(result.Done, 1)
}

// TestAFirstRecordIsTakenBack unless somebody has written another one since. What was taken back can be written again.
func TestAFirstRecordIsTakenBack(t *testing.T) {
	t.Parallel()
	js, id := open(t)
	r := result.Record{Call: result.Call{Token: id.Token, Keep: 60}, State: result.Queued}
	if err := result.MarkStored(t.Context(), js, id, r); err != nil {
		t.Fatal(err)
	}
	got, sequence, err := result.Read(t.Context(), js.Conn(), id)
	if err != nil || !got.Stored {
		t.Fatalf("%+v, %v: want it marked", got, err)
	}
	if others, err := result.Forget(t.Context(), js, id, r, sequence-1); !others || err != nil {
		t.Errorf("one that was written over: %v, %v", others, err)
	}
	if others, err := result.Forget(t.Context(), js, id, r, sequence); others || err != nil {
		t.Errorf("taken back: %v, %v", others, err)
	}
	if _, _, err := result.Read(t.Context(), js.Conn(), id); !errors.Is(err, result.ErrNotFound) {
		t.Errorf("after it was taken back: %v", err)
	}
	if err := result.MarkStored(t.Context(), js, id, r); err != nil {
		t.Fatal(err)
	}
	if got, _, err := result.Read(t.Context(), js.Conn(), id); err != nil || !got.Stored {
		t.Errorf("written again: %+v, %v", got, err)
	}
}

// TestResultsAreForgotten when their time is over.
func TestResultsAreForgotten(t *testing.T) {
	t.Parallel()
	js, id := open(t)
	r := result.Record{Call: result.Call{Token: id.Token, Keep: 1}, State: result.Done}
	if err := result.Finish(t.Context(), js, id, r); err != nil {
		t.Fatal(err)
	}
	waittest.Eventually(t, func() error {
		if _, _, err := result.Read(t.Context(), js.Conn(), id); !errors.Is(err, result.ErrNotFound) {
			return errors.Join(errors.New("it is still there"), err)
		}
		return nil
	})
}

// TestRecordsComeBack as they were stored, but for what is too large.
func TestRecordsComeBack(t *testing.T) {
	t.Parallel()
	js, id := open(t)
	call := result.Call{Token: id.Token, Event: "e1", Caller: "corp:\u00e5se\n", Created: time.Unix(1_700_000_000, 0).UTC(), Keep: 60}
	for name, c := range map[string]struct{ kept, want *invoke.Answer }{
		"none":   {nil, nil},
		"empty":  {&invoke.Answer{Status: 204}, &invoke.Answer{Status: 204}},
		"bytes":  {&invoke.Answer{Status: 200, Fields: []string{"A: b", "A: c"}, Body: []byte("\x00\xff")}, nil},
		"large":  {&invoke.Answer{Status: 200, Fields: []string{"A: b"}, Body: make([]byte, 1<<20)}, &invoke.Answer{Status: 200, Cut: true}},
		"header": {&invoke.Answer{Status: 200, Fields: []string{strings.Repeat("x", 60<<10)}}, &invoke.Answer{Status: 200, Cut: true}},
	} {
		r := result.Record{
			Call: call, State: result.Done, Attempts: 3, Reason: "rejected", Text: "no \"thing\"\r\n", At: time.Unix(1_700_000_009, 0).UTC(), Answer: c.kept,
		}
		if err := result.Finish(t.Context(), js, id, r); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got, _, err := result.Read(t.Context(), js.Conn(), id)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if r.Answer = c.kept; c.want != nil {
			r.Answer = c.want
		}
		if r.Answer != nil && len(r.Answer.Body) == 0 && got.Answer != nil && len(got.Answer.Body) == 0 {
			got.Answer.Body = r.Answer.Body
		}
		if diff := cmp.Diff(r, got); diff != "" {
			t.Errorf("%s (-stored +read):\n%s", name, diff)
		}
	}
}

// TestWhatIsNoCall is passed over, and what is no record is not read.
func TestWhatIsNoCall(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "x", "{}", `{"token":"short"}`, `{"token":"with.dot.and.enough.letters"}`, `{"token":"*aaaaaaaaaaaaaaaaaaa"}`} {
		h := nats.Header{event.HeaderResult: {text}}
		if c, ok := result.CallOf(h); ok {
			t.Errorf("%q is the call %+v", text, c)
		}
		if _, err := result.Parse(&nats.Msg{Header: h}); err == nil {
			t.Errorf("%q is a record", text)
		}
	}
	for _, text := range []string{"", ".", "..", "a.b", "a.b.c", "a.b.c.d", "A.b.aaaaaaaaaaaaaaaa", "a.b.aaaaaaaaaaaaaaa*", "a.b." + strings.Repeat("a", 65)} {
		if id, ok := result.ParseID(text); ok {
			t.Errorf("%q is the id %+v", text, id)
		}
	}
	id := result.ID{Namespace: "a", Function: "b", Token: result.NewToken()}
	if back, ok := result.ParseID(id.String()); !ok || back != id {
		t.Errorf("%s is read as %+v", id, back)
	}
}
