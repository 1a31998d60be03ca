package bridge

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/natstest"
	"github.com/pelton-dev/pelton/internal/stream"
	"github.com/pelton-dev/pelton/internal/waittest"
)

// TestAKeyWithoutThePreferenceFirst: what was stored without a record has none, and nobody is sent to one.
func TestAKeyWithoutThePreferenceFirst(t *testing.T) {
	t.Parallel()
	f := openFront(t, func(s *function.Spec) { s.Triggers[0].HTTP.Mode = function.ModeAsync })
	key := []string{"Idempotency-Key", "k"}
	wantAccepted(t, f.post(t, "/tasks", "1", key...))
	for range 3 {
		a := f.post(t, "/tasks", "1", append(key, "Prefer", "respond-async")...)
		got := wantAccepted(t, a)
		if a.Header.Get("Location") != "" || a.Header.Get("Preference-Applied") != "" || !got.Duplicate {
			t.Errorf("it is sent to %q for %s", a.Header.Get("Location"), a.body)
		}
	}
	f.awaitQueue(1)
}

// TestTheSameCallMuchLater: a call with a key that waits for longer than the stream knows its id is not put into the queue again.
func TestTheSameCallMuchLater(t *testing.T) {
	t.Parallel()
	f := openFront(t, nil)
	f.forgetIDs(100 * time.Millisecond)
	key := []string{"Idempotency-Key", "k"}
	place := f.callLater(t, "/tasks", "1", key...)
	f.awaitForgotten()
	if again := f.callLater(t, "/tasks", "1", key...); again != place {
		t.Errorf("the same call is at %s and %s", place, again)
	}
	f.awaitQueue(1)
	var calls atomic.Int64
	f.app(func(http.ResponseWriter, *http.Request) { calls.Add(1) })
	f.awaitState(t, place, "done")
	f.awaitQueue(0)
	if calls.Load() != 1 {
		t.Errorf("it was made %d times", calls.Load())
	}
}

// forgetIDs has the queues know ids again for window only.
func (f *front) forgetIDs(window time.Duration) {
	f.t.Helper()
	s, err := f.js.Stream(f.t.Context(), stream.WorkStream)
	if err != nil {
		f.t.Fatal(err)
	}
	cfg := s.CachedInfo().Config
	cfg.Duplicates = window
	if _, err := f.js.UpdateStream(f.t.Context(), cfg); err != nil {
		f.t.Fatal(err)
	}
}

// awaitForgotten waits until the queues have forgotten the ids of all that has been stored.
func (f *front) awaitForgotten() {
	f.t.Helper()
	m := &nats.Msg{Subject: "pelton.work.default.other.http", Header: nats.Header{nats.MsgIdHdr: {"probe"}}}
	s, err := f.js.Stream(f.t.Context(), stream.WorkStream)
	if err != nil {
		f.t.Fatal(err)
	}
	if _, err := f.js.PublishMsg(f.t.Context(), m); err != nil {
		f.t.Fatal(err)
	}
	waittest.Eventually(f.t, func() error {
		ack, err := f.js.PublishMsg(f.t.Context(), m)
		if err == nil && ack.Duplicate {
			err = fmt.Errorf("the id of sequence %d is still known", ack.Sequence)
		}
		return err
	})
	if err := s.Purge(f.t.Context(), jetstream.WithPurgeSubject(m.Subject)); err != nil {
		f.t.Fatal(err)
	}
}

// TestLaterByHEAD: the length of an answer that was not given is not the length of what is told of it.
func TestLaterByHEAD(t *testing.T) {
	t.Parallel()
	f := openFront(t, func(s *function.Spec) { s.Triggers[0].HTTP.Methods = []string{"GET", "HEAD", "POST"} })
	f.app(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "5")
		w.Header().Set("Content-Security-Policy", "default-src 'none'")
		if r.Method != http.MethodHead {
			_, _ = w.Write([]byte("hello"))
		}
	})
	for method, body := range map[string]string{http.MethodHead: "", http.MethodGet: "hello"} {
		a := f.do(t, method, "/tasks", "", "Prefer", "respond-async")
		place := a.Header.Get("Location")
		if a.StatusCode != http.StatusAccepted || place == "" {
			t.Fatalf("%s: %d %s", method, a.StatusCode, a.body)
		}
		f.awaitState(t, place, "done")
		a = f.do(t, http.MethodGet, place+"/result", "")
		if a.StatusCode != http.StatusOK || string(a.body) != body {
			t.Errorf("%s: %d %s", method, a.StatusCode, a.body)
		}
		policies := strings.Join(a.Header.Values("Content-Security-Policy"), ", ")
		if a.Header.Get("X-Content-Type-Options") != "nosniff" || policies != "default-src 'none', sandbox" {
			t.Errorf("%s: %v", method, a.Header)
		}
	}
}

// TestResultsAreKeptForSomeTime: for less than a call is known again that is sent twice, nobody could be told what became of it.
func TestResultsAreKeptForSomeTime(t *testing.T) {
	t.Parallel()
	nc := natstest.Start(t).Conn(t, nats.ReconnectBufSize(-1))
	_, err := New(Config{Conn: nc, Address: "127.0.0.1:0", KeepResults: time.Minute})
	if err == nil || !strings.Contains(err.Error(), "keep results: 1m0s: want 2m0s to 168h0m0s") {
		t.Errorf("it says %v", err)
	}
}
