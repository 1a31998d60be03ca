package bridge

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pelton-dev/pelton/internal/deadletter"
	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/invoke"
	"github.com/pelton-dev/pelton/internal/result"
	"github.com/pelton-dev/pelton/internal/waittest"
)

// told is what a caller reads of a call.
type told struct {
	ID, Function, Event, State, Outcome, Reason string
	Attempts                                    int
	Created, Next, Finished, Expires            time.Time
	Result                                      *struct {
		Status     int
		Header     http.Header
		Body       *string
		BodyBase64 []byte
		TooLarge   bool
	}
}

// callLater makes a call whose answer is asked for later, and returns where.
func (b *bridge) callLater(t testing.TB, path, body string, header ...string) string {
	t.Helper()
	a := b.post(t, path, body, append(header, "Prefer", "respond-async")...)
	place := a.Header.Get("Location")
	if a.StatusCode != http.StatusAccepted || a.Header.Get("Preference-Applied") != "respond-async" || !strings.HasPrefix(place, "/invocations/") {
		t.Fatalf("%d, Location %q, Preference-Applied %q: %s", a.StatusCode, place, a.Header.Get("Preference-Applied"), a.body)
	}
	if got := readTold(t, a); "/invocations/"+got.ID != place || got.Event == "" || got.Created.IsZero() {
		t.Fatalf("Location %s, and the answer says %s", place, a.body)
	}
	return place
}

func readTold(t testing.TB, a answer) told {
	t.Helper()
	var got told
	if err := json.Unmarshal(a.body, &got); err != nil {
		t.Fatalf("%v in %s", err, a.body)
	}
	return got
}

// ask reads what became of a call.
func (b *bridge) ask(t testing.TB, place string, header ...string) told {
	t.Helper()
	a := b.do(t, http.MethodGet, place, "", header...)
	if a.StatusCode != http.StatusOK || a.Header.Get("Content-Type") != "application/json" {
		t.Fatalf("%s: %d %s", place, a.StatusCode, a.body)
	}
	return readTold(t, a)
}

func (b *bridge) awaitState(t testing.TB, place, state string) (got told) {
	t.Helper()
	waittest.Eventually(t, func() error {
		if got = b.ask(t, place); got.State != state {
			return fmt.Errorf("state %+v, want %s", got, state)
		}
		return nil
	})
	return got
}

// TestAnAnswerLater goes from a call of a function that does not run yet to its answer.
func TestAnAnswerLater(t *testing.T) {
	t.Parallel()
	f := openFront(t, nil)
	place := f.callLater(t, "/tasks/7?x=1", "milk")
	if got := f.ask(t, place); got.State != "queued" || got.Function != "default/tasks" || got.Attempts != 0 || got.Result != nil {
		t.Fatalf("before the function runs: %+v", got)
	}
	wantProblem(t, f.do(t, http.MethodGet, place+"/result", ""), http.StatusConflict, "not-finished")
	entered, leave := make(chan string, 1), make(chan struct{})
	f.app(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		entered <- r.Method + " " + r.URL.String() + " " + string(body)
		<-leave
		w.Header().Set("X-Own", "1")
		w.WriteHeader(http.StatusCreated)
		_, _ = w.Write([]byte("bought"))
	})
	if got := waittest.Receive(t, entered); got != "POST /tasks/7?x=1 milk" {
		t.Errorf("the application sees %s", got)
	}
	if got := f.awaitState(t, place, "running"); got.Attempts != 1 {
		t.Errorf("while it runs: %+v", got)
	}
	close(leave)
	got := f.awaitState(t, place, "done")
	if got.Result == nil || got.Result.Status != http.StatusCreated || got.Result.Body == nil || *got.Result.Body != "bought" ||
		got.Result.Header.Get("X-Own") != "1" || got.Outcome != "done" || got.Finished.IsZero() || got.Expires.Sub(got.Finished) != time.Hour {
		t.Errorf("at the end: %+v %+v", got, got.Result)
	}
	a := f.do(t, http.MethodGet, place+"/result", "")
	if a.StatusCode != http.StatusCreated || string(a.body) != "bought" || a.Header.Get("X-Own") != "1" {
		t.Errorf("the answer itself: %d %v %s", a.StatusCode, a.Header, a.body)
	}
	for _, path := range []string{place, place + "/result"} {
		if a := f.do(t, http.MethodHead, path, ""); a.StatusCode >= 300 || len(a.body) != 0 {
			t.Errorf("HEAD %s: %d %s", path, a.StatusCode, a.body)
		}
		wantProblem(t, f.do(t, http.MethodDelete, path, ""), http.StatusMethodNotAllowed, "method-not-allowed")
	}
	f.awaitQueue(0)
	f.wantNoLetters()
}

// TestACallLaterIsTriedAgain: its attempts and its end are those of any event. What the last attempt was answered is kept, and a replay
// goes on from there.
func TestACallLaterIsTriedAgain(t *testing.T) {
	t.Parallel()
	f := openFront(t, func(s *function.Spec) {
		s.Triggers[0].HTTP.Mode = function.ModeAsync
		s.Retry.MaxAttempts = 2
	})
	var mended atomic.Bool
	f.app(func(w http.ResponseWriter, _ *http.Request) {
		if mended.Load() {
			w.WriteHeader(http.StatusSeeOther)
			return
		}
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write([]byte{0xff, 'n', 'o'})
	})
	place := f.callLater(t, "/tasks", "1")
	got := f.awaitState(t, place, "dead")
	if got.Attempts != 2 || got.Outcome != "attempts" || !strings.Contains(got.Reason, "503") || got.Result == nil ||
		got.Result.Status != http.StatusServiceUnavailable || string(got.Result.BodyBase64) != "\xffno" || got.Result.Body != nil {
		t.Errorf("dead: %+v %+v", got, got.Result)
	}
	letters, err := deadletter.List(t.Context(), f.js, deadletter.Filter{})
	if err != nil || len(letters) != 1 {
		t.Fatalf("letters %v, %v", letters, err)
	}
	mended.Store(true)
	if err := deadletter.Replay(t.Context(), f.js, letters[0].ID); err != nil {
		t.Fatal(err)
	}
	if got := f.awaitState(t, place, "done"); got.Result.Status != http.StatusSeeOther || got.Attempts != 1 {
		t.Errorf("replayed: %+v %+v", got, got.Result)
	}
}

// TestACallLaterThatWaits for another attempt says until when, and why.
func TestACallLaterThatWaits(t *testing.T) {
	t.Parallel()
	f := openFront(t, func(s *function.Spec) {
		s.Retry.MinBackoff, s.Retry.MaxBackoff = function.Duration(time.Hour), function.Duration(2*time.Hour)
	})
	f.app(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	got := f.awaitState(t, f.callLater(t, "/tasks", "1"), "waiting")
	if got.Attempts != 1 || time.Until(got.Next) < 50*time.Minute || !strings.Contains(got.Reason, "HTTP 500") || got.Result != nil {
		t.Errorf("waiting: %+v", got)
	}
}

// sayer is a handler that does not speak HTTP.
type sayer struct {
	say func(*invoke.Call) (invoke.Outcome, error)
}

func (sayer) WaitReady(context.Context) error { return nil }
func (sayer) Close() error                    { return nil }
func (h sayer) Invoke(_ context.Context, c *invoke.Call) (invoke.Outcome, error) {
	return h.say(c)
}

// TestAnswersOfOtherHandlersLater: what they say is the answer that one who waits would have.
func TestAnswersOfOtherHandlersLater(t *testing.T) {
	t.Parallel()
	f := openFront(t, func(s *function.Spec) { s.Handler.Protocol = function.ProtocolExec })
	f.replica(sayer{func(c *invoke.Call) (invoke.Outcome, error) {
		switch string(c.Event.Data) {
		case "reject":
			return invoke.Outcome{Kind: invoke.Reject, Reason: "not today"}, nil
		case "huge":
			return invoke.Outcome{Reply: &event.Event{Data: []byte(strings.Repeat("x", 3<<20))}}, nil
		case "silent":
			return invoke.Outcome{}, nil
		}
		return invoke.Outcome{Reply: &event.Event{Data: c.Event.Data, DataContentType: "text/plain"}}, nil
	}})
	for body, want := range map[string]struct {
		state  string
		status int
		says   string
	}{
		"hello":  {"done", http.StatusOK, "hello"},
		"silent": {"done", http.StatusNoContent, ""},
		"reject": {"dead", http.StatusUnprocessableEntity, "not today"},
		"huge":   {"done", http.StatusNotFound, "result-too-large"},
	} {
		place := f.callLater(t, "/tasks", body)
		got := f.awaitState(t, place, want.state)
		if huge := got.Result != nil && got.Result.TooLarge; huge != (body == "huge") {
			t.Errorf("%s: %+v", body, got)
		}
		if a := f.do(t, http.MethodGet, place+"/result", ""); a.StatusCode != want.status || !strings.Contains(string(a.body), want.says) {
			t.Errorf("%s: the answer itself is %d %s, want %d with %q", body, a.StatusCode, a.body, want.status, want.says)
		}
	}
}

// TestTheSameCallLater: an Idempotency-Key makes a repetition the same call for as long as it is known, also when the first has ended.
func TestTheSameCallLater(t *testing.T) {
	t.Parallel()
	f := openFront(t, nil)
	key := []string{"Idempotency-Key", "order-77"}
	place := f.callLater(t, "/tasks", "1", key...)
	if again := f.callLater(t, "/tasks", "1", key...); again != place {
		t.Errorf("the same call is at %s and %s", place, again)
	}
	f.awaitQueue(1)
	for _, other := range []string{f.callLater(t, "/tasks", "1"), f.callLater(t, "/tasks/2", "1", key...)} {
		if other == place {
			t.Error("another call is taken for the same")
		}
	}
	f.awaitQueue(3)
	var calls atomic.Int64
	f.app(func(http.ResponseWriter, *http.Request) { calls.Add(1) })
	f.awaitState(t, place, "done")
	f.awaitQueue(0)
	if again := f.callLater(t, "/tasks", "1", key...); again != place || calls.Load() != 3 {
		t.Errorf("after its end the same call is at %s, not %s, and there were %d calls", again, place, calls.Load())
	}
	f.awaitQueue(0)
	wantProblem(t, f.post(t, "/tasks", "1", "Prefer", "respond-async", "Idempotency-Key", " "), http.StatusBadRequest, "invalid-idempotency-key")
}

// TestWhoMayAskLater: the one who has called, and nobody else.
func TestWhoMayAskLater(t *testing.T) {
	t.Parallel()
	f := openFront(t, nil, func(c *Config) {
		c.Token = testToken
		c.Access = gate(t, "shop "+shopToken+"\nmail "+mailToken, "rules: [{callers: [shop], paths: [/tasks]}]")
	})
	shop, mail, master := as(shopToken), as(mailToken), as(testToken)
	place := f.callLater(t, "/tasks", "1", shop...)
	if got := f.ask(t, place, shop...); got.State != "queued" {
		t.Errorf("its caller is told %+v", got)
	}
	f.ask(t, place, master...)
	wantProblem(t, f.do(t, http.MethodGet, place, ""), http.StatusUnauthorized, "unauthorized")
	theirs := wantProblem(t, f.do(t, http.MethodGet, place, "", mail...), http.StatusNotFound, "not-found")
	nobodys := wantProblem(t, f.do(t, http.MethodGet, place[:len(place)-1]+"_", "", mail...), http.StatusNotFound, "not-found")
	if theirs.Detail != nobodys.Detail {
		t.Errorf("another caller can tell that it is there: %q, %q", theirs.Detail, nobodys.Detail)
	}
	wantProblem(t, f.do(t, http.MethodGet, f.callLater(t, "/tasks", "1", master...), "", mail...), http.StatusNotFound, "not-found")
}

// TestNothingIsThere: whatever is no id of a call is not found, and reaches no subject.
func TestNothingIsThere(t *testing.T) {
	t.Parallel()
	b := serve(t)
	for _, path := range []string{
		"", "/", "/x", "/a.b", "/a.b.*", "/a.b.>", "/a.b." + strings.Repeat("x", 16), "/a.*." + strings.Repeat("x", 16), "/a.b.c.d",
		"/a.b." + strings.Repeat("x", 65), "/result", "/a.b." + strings.Repeat("x", 16) + "/result", "/a.b." + strings.Repeat("x", 16) + "/other",
		"/a.b.%2a%2a%2a%2a%2a%2a%2a%2a%2a%2a%2a%2a%2a%2a%2a%2a", "/A.b." + strings.Repeat("x", 16),
	} {
		wantProblem(t, b.do(t, http.MethodGet, "/invocations"+path, ""), http.StatusNotFound, "not-found")
	}
	if a := b.do(t, http.MethodOptions, "/invocations/x", ""); a.StatusCode != http.StatusNoContent || a.Header.Get("Allow") != "GET, HEAD, OPTIONS" {
		t.Errorf("OPTIONS: %d, Allow %q", a.StatusCode, a.Header.Get("Allow"))
	}
}

// TestWithoutResults: where nothing can be kept, no call is taken that promises it.
func TestWithoutResults(t *testing.T) {
	t.Parallel()
	f := openFront(t, nil)
	if err := f.js.DeleteStream(t.Context(), "PELTON_RESULTS"); err != nil {
		t.Fatal(err)
	}
	a := f.post(t, "/tasks", "1", "Prefer", "respond-async")
	wantProblem(t, a, http.StatusServiceUnavailable, "store-unavailable")
	f.awaitQueue(0)
	wantProblem(t, f.do(t, http.MethodGet, "/invocations/default.tasks."+result.NewToken(), ""), http.StatusServiceUnavailable, "store-unavailable")
}

// TestWhereNothingIsKept: a preference that is not honoured is not said to be.
func TestWhereNothingIsKept(t *testing.T) {
	t.Parallel()
	f := openFront(t, func(s *function.Spec) {
		s.Triggers[0].HTTP.Mode, s.Handler.Protocol = function.ModeAsync, function.ProtocolCloudEvents
	})
	prefer := []string{"Prefer", "respond-async"}
	a := f.post(t, "/events/x", "1", prefer...)
	if wantAccepted(t, a); a.Header.Get("Location") != "" || a.Header.Get("Preference-Applied") != "" {
		t.Errorf("an event for everybody has %v", a.Header)
	}
}
