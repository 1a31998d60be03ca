package bridge

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/pelton-dev/pelton/internal/natstest"
	"github.com/pelton-dev/pelton/internal/stream"
	"github.com/pelton-dev/pelton/internal/waittest"
)

// slowStore stands in place of the stream of calls: it makes "no responders" go away, and answers when the test says so. What is
// deleted goes to deleted.
type slowStore struct {
	asked, deleted chan *nats.Msg
}

func openSlowStore(t *testing.T, change func(*Config)) (*bridge, slowStore) {
	t.Helper()
	srv := natstest.Start(t)
	nc := srv.Conn(t)
	s := slowStore{make(chan *nats.Msg, 10), make(chan *nats.Msg, 10)}
	for subject, ch := range map[string]chan *nats.Msg{
		"pelton.work.>": s.asked, "$JS.API.STREAM.MSG.DELETE." + stream.WorkStream: s.deleted,
	} {
		if _, err := nc.ChanSubscribe(subject, ch); err != nil {
			t.Fatal(err)
		}
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	b := bareBridge(t, srv, change)
	if err := b.SetRoutes([]Route{{Path: "/tasks", Namespace: "default", Function: "tasks", Sync: true, Timeout: time.Minute}}); err != nil {
		t.Fatal(err)
	}
	return b, s
}

func (s slowStore) store(t *testing.T, m *nats.Msg) {
	t.Helper()
	if err := m.Respond([]byte(`{"stream":"PELTON_WORK","seq":7}`)); err != nil {
		t.Fatal(err)
	}
	if err := wantSeven(waittest.Receive(t, s.deleted)); err != nil {
		t.Error(err)
	}
}

// answerProbes says of each call that is asked for again that it is stored, and says nothing to the first word of it.
func (s slowStore) answerProbes(ctx context.Context) {
	seen := map[string]bool{}
	for {
		select {
		case m := <-s.asked:
			id := m.Header.Get(headerMsgID)
			if seen[id] && m.Header.Get(nats.MsgRollup) != "" {
				_ = m.Respond([]byte(`{"stream":"PELTON_WORK","seq":7,"duplicate":true}`))
			}
			seen[id] = true
		case <-ctx.Done():
			return
		}
	}
}

func wantSeven(m *nats.Msg) error {
	if !strings.Contains(string(m.Data), `"seq":7`) {
		return fmt.Errorf("taken back was %s, want 7", m.Data)
	}
	return nil
}

// TestACallIsTakenBackThoughItsCallerLeftWhileItWasStored: the acknowledgement comes when nobody waits for it any more.
func TestACallIsTakenBackThoughItsCallerLeftWhileItWasStored(t *testing.T) {
	t.Parallel()
	b, s := openSlowStore(t, func(c *Config) { c.StoreTimeout = time.Minute })
	ctx, leave := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, b.url+"/tasks", strings.NewReader("1"))
	if err != nil {
		t.Fatal(err)
	}
	left := make(chan error, 1)
	go func() {
		resp, err := b.client.Do(req)
		if err == nil {
			resp.Body.Close()
		}
		left <- err
	}()
	m := waittest.Receive(t, s.asked)
	leave()
	if err := waittest.Receive(t, left); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	waittest.Eventually(t, func() error { // the bridge has seen it too
		b.callers.mu.Lock()
		defer b.callers.mu.Unlock()
		if n := len(b.callers.waiting); n > 0 {
			return fmt.Errorf("%d callers wait", n)
		}
		return nil
	})
	s.store(t, m)
}

// TestACallIsTakenBackAfterItsTime: so it is where the caller's time ends during the store, and he is told no more than is known.
func TestACallIsTakenBackAfterItsTime(t *testing.T) {
	t.Parallel()
	b, s := openSlowStore(t, func(c *Config) { c.StoreTimeout = time.Minute })
	wantProblem(t, b.post(t, "/tasks", "1", "Prefer", "wait=1"), http.StatusGatewayTimeout, "no-answer-in-time")
	s.store(t, waittest.Receive(t, s.asked))
}

// TestACallWhoseStoreIsSilent: nobody is told to send it again under the same id, which he cannot; and when the commit is given up, the
// stream is asked what became of it.
func TestACallWhoseStoreIsSilent(t *testing.T) {
	t.Parallel()
	b, s := openSlowStore(t, func(c *Config) { c.StoreTimeout = 300 * time.Millisecond })
	go s.answerProbes(t.Context())
	waittest.Eventually(t, func() error { // a machine that is busy does not get to all of this in the time
		a := b.post(t, "/tasks", "1")
		wantProblem(t, a, http.StatusServiceUnavailable, "store-timeout")
		if strings.Contains(string(a.body), "same id") {
			t.Fatalf("the caller is told %s", a.body)
		}
		select {
		case m := <-s.deleted:
			return wantSeven(m)
		default:
			return fmt.Errorf("nothing is taken back; the caller is told %s", a.body)
		}
	})
}

// TestTheStreamOfCallsIsAskedWhatItHas, and its answer does not store anything.
func TestTheStreamOfCallsIsAskedWhatItHas(t *testing.T) {
	t.Parallel()
	f := openFront(t, nil)
	messages := []*nats.Msg{nats.NewMsg("pelton.work.default.tasks.http"), nats.NewMsg("pelton.work.default.tasks.http")}
	messages[0].Header.Set(headerMsgID, "stored")
	messages[1].Header.Set(headerMsgID, "unknown")
	acks, err := f.work.Submit(t.Context(), messages[0])
	if err != nil {
		t.Fatal(err)
	}
	got, err := f.work.find(t.Context(), messages)
	if err != nil || len(got) != 1 || got[0].Sequence != acks[0].Sequence {
		t.Errorf("found %+v (%v), want %+v", got, err, acks)
	}
	f.awaitQueue(1)
}

// TestWhatWasNotSentIsSaidToBe: a caller whose time ends in the queue of the committer has nothing to fear.
func TestWhatWasNotSentIsSaidToBe(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	srv := natstest.Start(t)
	if _, err := srv.Conn(t).Subscribe("x", func(*nats.Msg) { asked.Add(1) }); err != nil {
		t.Fatal(err)
	}
	c := NewCommitter(srv.Conn(t), CommitterConfig{})
	gone, leave := context.WithCancel(t.Context())
	sub, err := c.enqueue(gone, []*nats.Msg{nats.NewMsg("x")})
	if err != nil {
		t.Fatal(err)
	}
	leave()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	for range 2 { // what became of it is there for whoever asks again
		told := make(chan error, 1)
		go func() { _, err := c.await(t.Context(), sub); told <- err }()
		if err := waittest.Receive(t, told); !errors.Is(err, errUnsent) || isUnknown(err) {
			t.Errorf("%v, want %v", err, errUnsent)
		}
	}
	stop()
	if err := waittest.Receive(t, ended); err != nil || asked.Load() != 0 {
		t.Errorf("run: %v; sent %d", err, asked.Load())
	}
}
