package bridge

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/pelton-dev/pelton/internal/result"
	"github.com/pelton-dev/pelton/internal/waittest"
)

// waits asks for something in the background.
func (b *bridge) waits(ctx context.Context, path string) <-chan answer {
	ch := make(chan answer, 1)
	go func() {
		defer close(ch)
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, b.url+path, nil)
		if err != nil {
			return
		}
		resp, err := b.client.Do(req)
		if err != nil {
			return
		}
		defer resp.Body.Close()
		body := make([]byte, 4096)
		n, _ := resp.Body.Read(body)
		ch <- answer{resp, body[:n]}
	}()
	return ch
}

// awaitWaiting waits until so many callers do.
func (b *bridge) awaitWaiting(t testing.TB, n int64) {
	t.Helper()
	waittest.Eventually(t, func() error {
		if have := b.waiting.Load(); have != n {
			return fmt.Errorf("%d callers wait, want %d", have, n)
		}
		return nil
	})
}

// TestWaitForTheEnd: who waits hears of the end when it comes, and of the state when his time is over.
func TestWaitForTheEnd(t *testing.T) {
	t.Parallel()
	f := openFront(t, nil)
	place := f.callLater(t, "/tasks", "1")
	if a := f.do(t, http.MethodGet, place+"?wait=10ms", ""); a.StatusCode != http.StatusOK || readTold(t, a).State != "queued" {
		t.Errorf("after its time: %d %s", a.StatusCode, a.body)
	}
	wantProblem(t, f.do(t, http.MethodGet, place+"/result?wait=1ms", ""), http.StatusConflict, "not-finished")
	whole, bare := f.waits(t.Context(), place+"?wait=10h"), f.waits(t.Context(), place+"/result?wait=60")
	f.awaitWaiting(t, 2)
	f.app(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("bought")) })
	if a := waittest.Receive(t, whole); a.Response == nil || a.StatusCode != http.StatusOK || readTold(t, a).State != "done" {
		t.Errorf("who waits for the end has %+v %s", a.Response, a.body)
	}
	if a := waittest.Receive(t, bare); a.Response == nil || a.StatusCode != http.StatusOK || string(a.body) != "bought" {
		t.Errorf("who waits for the answer has %+v %s", a.Response, a.body)
	}
	f.awaitWaiting(t, 0)
	if got := readTold(t, f.do(t, http.MethodGet, place+"?wait=1m", "")); got.State != "done" {
		t.Errorf("after the end: %+v", got)
	}
}

// TestWhoWaitsLeavesOrIsSentAway: a caller who hangs up leaves nothing behind, and a server that stops answers at once.
func TestWhoWaitsLeavesOrIsSentAway(t *testing.T) {
	t.Parallel()
	f := openFront(t, nil)
	place := f.callLater(t, "/tasks", "1")
	ctx, leave := context.WithCancel(t.Context())
	left := f.waits(ctx, place+"?wait=1m")
	f.awaitWaiting(t, 1)
	leave()
	waittest.Receive(t, left)
	f.awaitWaiting(t, 0)
	stays := f.waits(t.Context(), place+"?wait=1m")
	f.awaitWaiting(t, 1)
	f.stop()
	if a := waittest.Receive(t, stays); a.Response == nil || a.StatusCode != http.StatusOK || readTold(t, a).State != "queued" {
		t.Errorf("at the end of the server: %+v %s", a.Response, a.body)
	}
}

// TestTooManyWait: those who wait for an end count as those who wait for an answer.
func TestTooManyWait(t *testing.T) {
	t.Parallel()
	f := openFront(t, nil, func(c *Config) { c.MaxConns = 4 })
	place := f.callLater(t, "/tasks", "1")
	for range 2 {
		f.waits(t.Context(), place+"?wait=1m")
	}
	f.awaitWaiting(t, 2)
	wantProblem(t, f.do(t, http.MethodGet, place+"?wait=1s", ""), http.StatusServiceUnavailable, "too-many-calls")
	if got := f.ask(t, place); got.State != "queued" {
		t.Errorf("who does not wait is told %+v", got)
	}
}

// TestBadWaits are refused whether there is such a call or not.
func TestBadWaits(t *testing.T) {
	t.Parallel()
	b := serve(t)
	id := "/invocations/default.tasks." + result.NewToken()
	for query, says := range map[string]string{
		"wait=-1s": `wait is "-1s"`, "wait=soon": `wait is "soon"`, "wait=": `wait is ""`, "wait=1s&wait=2s": "wait 2 times",
		"wait=1.5": `wait is "1.5"`, "wait=99999999999999999": "wait is", "wiat=1s": `has "wiat"`, "wait=1s&x=1": `has "x"`, "wait=%zz": "cannot be read",
		"wait=" + strings.Repeat("0", 100) + "s": "wait is", "wait=NaNs": "wait is", "wait=1s;2": "cannot be read",
	} {
		for _, path := range []string{id, id + "/result"} {
			if p := wantProblem(t, b.do(t, http.MethodGet, path+"?"+query, ""), http.StatusBadRequest, "invalid-query"); !strings.Contains(p.Detail, says) {
				t.Errorf("%s: %s", query, p.Detail)
			}
		}
	}
}
