package bridge

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/pelton-dev/pelton/internal/callback"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/result"
	"github.com/pelton-dev/pelton/internal/waittest"
	"github.com/pelton-dev/pelton/internal/webhook"
)

const callbackSecret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

// nearby is a sender that reaches this machine, which the real one does not.
type nearby struct{ client *http.Client }

func (nearby) Close() {}

func (n nearby) Send(ctx context.Context, m callback.Message) (callback.Answer, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, m.To.String(), bytes.NewReader(m.Body))
	if err != nil {
		return callback.Answer{}, err
	}
	r.Header = m.Header
	resp, err := n.client.Do(r)
	if err != nil {
		return callback.Answer{}, err
	}
	defer resp.Body.Close()
	a := callback.Answer{Status: resp.StatusCode}
	switch {
	case resp.StatusCode < 300:
		a.Verdict = callback.Delivered
	case resp.StatusCode == http.StatusGone:
		a.Verdict = callback.Gone
	}
	return a, nil
}

// toldFront is a front with a function whose callers may have results sent to a receiver on this machine.
type toldFront struct {
	*front
	address string // of the receiver
	got     chan answer
	status  atomic.Int64 // that it answers with
	routes  []Route
}

func openTold(t *testing.T, more ...func(*Config)) *toldFront {
	t.Helper()
	f := &toldFront{got: make(chan answer, 100)}
	f.status.Store(http.StatusNoContent)
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		status := int(f.status.Load()) // before the test hears of it, and says another one for the next
		f.got <- answer{&http.Response{Header: r.Header}, body}
		w.WriteHeader(status)
	}))
	t.Cleanup(srv.Close)
	f.address = srv.URL + "/in/7?token=hunter2"
	f.front = openFront(t, nil, append([]func(*Config){func(c *Config) { c.sender = nearby{srv.Client()} }}, more...)...)
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte(callbackSecret), 0o600); err != nil {
		t.Fatal(err)
	}
	f.routes = []Route{{
		Path: "/tasks", Namespace: "default", Function: "tasks", Sync: true, Plain: true, Timeout: time.Minute,
		Callbacks: &Callbacks{Allow: []string{srv.URL + "/in/*"}, Secrets: []SecretFile{{Path: secret}}},
	}}
	if err := f.SetRoutes(f.routes); err != nil {
		t.Fatal(err)
	}
	return f
}

// awaitTold waits until the front door has counted so many outcomes of one kind.
func (f *toldFront) awaitTold(outcome string, n float64) {
	f.t.Helper()
	waittest.Eventually(f.t, func() error {
		if got := testutil.ToFloat64(f.metrics.callbacks.WithLabelValues(outcome)); got != n {
			return fmt.Errorf("%v callbacks %s, want %v", got, outcome, n)
		}
		return nil
	})
}

// awaitNoneLeft waits until no callback is to be sent any more.
func (f *toldFront) awaitNoneLeft() {
	f.t.Helper()
	waittest.Eventually(f.t, func() error {
		c, err := f.js.Consumer(f.t.Context(), "PELTON_RESULTS", "callbacks")
		if err == nil && c.CachedInfo().NumPending+uint64(c.CachedInfo().NumAckPending) > 0 {
			err = fmt.Errorf("%d wait, %d are being sent", c.CachedInfo().NumPending, c.CachedInfo().NumAckPending)
		}
		return err
	})
}

// TestToldTheEnd: the receiver is told what the caller could read, signed, and once.
func TestToldTheEnd(t *testing.T) {
	t.Parallel()
	f := openTold(t)
	f.app(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get(headerCallback) != "" {
			t.Error("the application is told the address")
		}
		w.WriteHeader(http.StatusCreated)
		_, _ = w.Write([]byte("bought"))
	})
	place := f.callLater(t, "/tasks", "1", headerCallback, f.address)
	f.callLater(t, "/tasks", "2") // nobody is to be told of that
	m := waittest.Receive(t, f.got)
	key, err := webhook.Standard.Key([]byte(callbackSecret))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := webhook.Standard.Read(webhook.Request{Header: m.Header, Body: m.body, Path: "/in", Now: time.Now()}, [][]byte{key}); err != nil {
		t.Errorf("the signature: %v", err)
	}
	var got struct {
		Type      string
		Timestamp time.Time
		Data      told
	}
	if err := json.Unmarshal(m.body, &got); err != nil {
		t.Fatal(err)
	}
	id, _ := result.ParseID(strings.TrimPrefix(place, "/invocations/"))
	if got.Type != "dev.pelton.invocation.done" || got.Data.State != "done" || "/invocations/"+got.Data.ID != place || got.Timestamp.IsZero() ||
		got.Data.Result.Status != http.StatusCreated || *got.Data.Result.Body != "bought" || m.Header.Get("Webhook-Id") != id.Token+"-done" {
		t.Errorf("%v %s", m.Header, m.body)
	}
	f.awaitTold("delivered", 1)
	f.awaitNoneLeft()
	if len(f.got) != 0 {
		t.Errorf("it is told %d times more", len(f.got))
	}
}

// TestToldAgain until it is taken, and also of a dead call.
func TestToldAgain(t *testing.T) {
	t.Parallel()
	f := openTold(t)
	f.status.Store(http.StatusServiceUnavailable)
	f.app(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadRequest) })
	f.callLater(t, "/tasks", "1", headerCallback, f.address)
	first := waittest.Receive(t, f.got)
	f.status.Store(http.StatusOK)
	second := waittest.Receive(t, f.got)
	if !bytes.Equal(first.body, second.body) || !strings.Contains(string(second.body), `"dev.pelton.invocation.dead"`) ||
		first.Header.Get("Webhook-Id") != second.Header.Get("Webhook-Id") {
		t.Errorf("told %v %s and then %v %s", first.Header, first.body, second.Header, second.body)
	}
	f.awaitTold("delivered", 1)
	f.awaitTold("retried", 1)
	f.awaitNoneLeft()
}

// TestGivenUp: a receiver that wants no more, or takes nothing for as long as the result is known, is left alone.
func TestGivenUp(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status  int
		keep    time.Duration
		outcome string
	}{
		"gone": {http.StatusGone, time.Hour, "gone"}, "too long": {http.StatusInternalServerError, time.Second, "given-up"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := openTold(t)
			f.cfg.KeepResults = c.keep // no server is given less than some minutes
			f.status.Store(int64(c.status))
			f.app(func(http.ResponseWriter, *http.Request) {})
			f.callLater(t, "/tasks", "1", headerCallback, f.address)
			waittest.Receive(t, f.got)
			f.awaitTold(c.outcome, 1)
			f.awaitNoneLeft()
		})
	}
}

// TestTheManifestDecidesAgain when something is sent: an address that is not allowed any more, or that somebody else has written, is not told.
func TestTheManifestDecidesAgain(t *testing.T) {
	t.Parallel()
	f := openTold(t)
	f.callLater(t, "/tasks", "1", headerCallback, f.address)
	f.routes[0].Callbacks = &Callbacks{Allow: []string{"https://other.example/*"}, Secrets: f.routes[0].Callbacks.Secrets}
	if err := f.SetRoutes(f.routes); err != nil {
		t.Fatal(err)
	}
	id := result.ID{Namespace: "default", Function: "tasks", Token: result.NewToken()}
	forged := result.Record{
		Call: result.Call{Token: id.Token, Keep: 1, Callback: "http://127.0.0.1/x"}, State: result.Done, At: time.Now(),
	}
	if err := result.Finish(t.Context(), f.js, id, forged); err != nil {
		t.Fatal(err)
	}
	f.awaitTold("given-up", 1)
	f.app(func(http.ResponseWriter, *http.Request) {})
	waittest.Eventually(t, func() error {
		c, err := f.js.Consumer(t.Context(), "PELTON_RESULTS", "callbacks")
		if err == nil && (c.CachedInfo().NumAckPending != 1 || c.CachedInfo().NumPending != 0) {
			err = fmt.Errorf("%+v, want one that waits for another try", c.CachedInfo())
		}
		return err
	})
	f.awaitTold("retried", 1)
	if len(f.got) != 0 {
		t.Fatalf("it is told: %s", (<-f.got).body)
	}
	f.routes[0].Callbacks.Allow = []string{strings.TrimSuffix(f.address, "7?token=hunter2") + "*"}
	if err := f.SetRoutes(f.routes); err != nil {
		t.Fatal(err)
	}
	waittest.Receive(t, f.got)
	f.awaitTold("delivered", 1)
}

// TestAFrontDoorThatGoesInTheMiddle of a try leaves it to another one.
func TestAFrontDoorThatGoesInTheMiddle(t *testing.T) {
	t.Parallel()
	entered := make(chan struct{}, 1)
	var reaches sender
	f := openTold(t, func(c *Config) { reaches, c.sender = c.sender, stuck(entered) })
	f.app(func(http.ResponseWriter, *http.Request) {})
	f.callLater(t, "/tasks", "1", headerCallback, f.address)
	waittest.Receive(t, entered)
	f.stop()
	other := serveOn(t, f.nats, func(c *Config) { c.sender = reaches })
	if err := other.SetRoutes(f.routes); err != nil {
		t.Fatal(err)
	}
	waittest.Receive(t, f.got)
}

// stuck is a sender whose receiver never answers.
type stuck chan struct{}

func (stuck) Close() {}

func (s stuck) Send(ctx context.Context, _ callback.Message) (callback.Answer, error) {
	s <- struct{}{}
	<-ctx.Done()
	return callback.Answer{}, ctx.Err()
}

// TestCallbacksOnlyWhereTheyAreAllowed: without any, nothing is taken from anywhere.
func TestCallbacksOnlyWhereTheyAreAllowed(t *testing.T) {
	t.Parallel()
	f := openFront(t, nil)
	if _, err := f.js.Consumer(t.Context(), "PELTON_RESULTS", "callbacks"); err == nil {
		t.Error("there is a consumer of callbacks though no function allows any")
	}
	of := &function.HTTPTrigger{Callbacks: &function.Callbacks{
		Allow: []string{"https://a/*"}, SecretFrom: []function.SecretSource{{SecretKeyRef: function.KeyRef{Name: "n", Key: "k", Optional: true}}},
	}}
	c := CallbacksOf(of, func(ref function.KeyRef) string { return ref.Name + "/" + ref.Key })
	if c == nil || len(c.Secrets) != 1 || c.Secrets[0] != (SecretFile{Path: "n/k", Optional: true}) || CallbacksOf(&function.HTTPTrigger{}, nil) != nil {
		t.Errorf("callbacks of a trigger: %+v", c)
	}
	if err := f.SetRoutes([]Route{{Path: "/a", Namespace: "a", Function: "b", Callbacks: &Callbacks{}}}); err == nil {
		t.Error("callbacks without a secret are taken")
	}
}
