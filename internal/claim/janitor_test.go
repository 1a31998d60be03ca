package claim

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap/zaptest"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/stream"
	"github.com/pelton-dev/pelton/internal/waittest"
)

// sees checks which bodies can still be read.
func (r *rig) sees(when string, want map[string]Ref, gone ...Ref) {
	r.t.Helper()
	for name, ref := range want {
		if _, err := r.read(ref); err != nil {
			r.t.Errorf("%s: the body of %s: %v", when, name, err)
		}
	}
	for _, ref := range gone {
		if _, err := r.read(ref); err == nil {
			r.t.Errorf("%s: an orphan is there", when)
		}
	}
}

func (r *rig) publish(subject string, ref Ref, header ...string) {
	r.t.Helper()
	m := &nats.Msg{Subject: subject, Header: nats.Header{event.HeaderBody: {ref.String()}}}
	for i := 0; i+1 < len(header); i += 2 {
		m.Header.Set(header[i], header[i+1])
	}
	if _, err := r.js.PublishMsg(r.t.Context(), m); err != nil {
		r.t.Fatal(err)
	}
}

// age waits until everything that is stored is older than the janitor's time.
func (r *rig) age(j *Janitor) {
	r.t.Helper()
	s, err := r.js.Stream(r.t.Context(), stream.BodiesStream)
	if err != nil {
		r.t.Fatal(err)
	}
	last := s.CachedInfo().State.LastTime
	waittest.Eventually(r.t, func() error {
		if since := time.Since(last); since <= j.every {
			return fmt.Errorf("the last piece is %v old", since)
		}
		return nil
	})
}

func TestJanitorRemovesWhatNobodyHasAClaimTo(t *testing.T) {
	t.Parallel()
	r := start(t)
	j := NewJanitor(r.js, 10*time.Millisecond, zaptest.NewLogger(t))
	claims := map[string]Ref{}
	for _, place := range []string{"due", "parked", "dead", "dead with large headers"} {
		claims[place] = r.put(random(10))
	}
	r.publish("pelton.work.default.upload.http", claims["due"])
	r.publish("pelton.park.default.upload.EVENTS.7", claims["parked"], "Nats-Schedule", "@at "+time.Now().Add(time.Hour).UTC().Format(time.RFC3339),
		"Nats-Schedule-Target", "pelton.work.default.upload.retry")
	r.publish("pelton.dead.default.upload", claims["dead"])
	block := "NATS/1.0\r\n" + event.HeaderBody + ": " + claims["dead with large headers"].String() + "\r\n\r\n"
	moved := &nats.Msg{
		Subject: "pelton.dead.default.upload", Data: []byte(block + "data"),
		Header: nats.Header{headerMoved: {fmt.Sprint(len(block))}},
	}
	if _, err := r.js.PublishMsg(t.Context(), moved); err != nil {
		t.Fatal(err)
	}
	orphan := r.put(random(2*PieceSize + 1))
	forged := r.put(random(10))
	r.publish("pelton.work.default.other.http", forged) // another function's event is no claim
	r.age(j)

	round := func() {
		t.Helper()
		if err := j.round(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	round()
	claims["a suspect"], claims["another"] = orphan, forged
	r.sees("after one round", claims)
	delete(claims, "a suspect")
	delete(claims, "another")
	round()
	r.sees("after two rounds", claims, orphan, forged)

	// What had a claim has none any more, and what is a suspect gets one.
	last := claims["due"]
	s, err := r.js.Stream(t.Context(), stream.WorkStream)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Purge(t.Context(), jetstream.WithPurgeSubject("pelton.work.default.upload.>")); err != nil {
		t.Fatal(err)
	}
	round()
	r.publish("pelton.dead.default.upload", last)
	round()
	r.sees("after it came back", claims)
}

// TestJanitorLeavesWhatIsBeingStored: a body has no event yet while its pieces come.
func TestJanitorLeavesWhatIsBeingStored(t *testing.T) {
	t.Parallel()
	r := start(t)
	j := NewJanitor(r.js, time.Hour, nil)
	claims := map[string]Ref{"one that comes": r.put(random(10))}
	for range 3 {
		if err := j.round(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	r.sees("after three rounds", claims)
}

func TestJanitorRuns(t *testing.T) {
	t.Parallel()
	r := start(t)
	ref := r.put(bytes.Repeat([]byte("x"), 10))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- NewJanitor(r.js, 20*time.Millisecond, nil).Run(ctx) }()
	r.awaitEmpty()
	r.sees("in the end", nil, ref)
	cancel()
	if err := waittest.Receive(t, ended); err != nil {
		t.Error(err)
	}
}

// TestJanitorWithoutTheStream has nothing to do: an older version has made the others.
func TestJanitorWithoutTheStream(t *testing.T) {
	t.Parallel()
	r := start(t)
	if err := r.js.DeleteStream(t.Context(), stream.BodiesStream); err != nil {
		t.Fatal(err)
	}
	if err := NewJanitor(r.js, 0, nil).round(t.Context()); err != nil {
		t.Error(err)
	}
}
