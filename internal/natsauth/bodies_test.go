package natsauth_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/claim"
	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/invoke"
	"github.com/pelton-dev/pelton/internal/natsauth"
	"github.com/pelton-dev/pelton/internal/stream"
	"github.com/pelton-dev/pelton/internal/waittest"
)

// TestLargeBodies has everybody do with large bodies what is theirs: the bridge stores one, the sidecar reads and removes it, and the
// controller removes what nobody has a claim to.
func TestLargeBodies(t *testing.T) {
	t.Parallel()
	r := start(t, "a")
	fn := newFunction("work", nil)
	r.provision("a", fn)
	front, err := jetstream.New(r.program(natsauth.OfBridge()).Conn)
	if err != nil {
		t.Fatal(err)
	}
	body := bytes.Repeat([]byte("0123456789abcdef"), claim.PieceSize/8)
	put := func() claim.Ref {
		t.Helper()
		ref, err := claim.Put(t.Context(), front, fn.Key(), claim.Config{Timeout: time.Minute}, bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		return ref
	}
	got := make(chan []byte, 1)
	r.run(fn, r.file(r.issuer("a", 0), fn), func(ctx context.Context, c *invoke.Call) (invoke.Outcome, error) {
		data, err := io.ReadAll(c.Body.Open(ctx))
		if err != nil {
			t.Error(err)
		}
		got <- data
		return invoke.Outcome{}, nil
	})
	m := &nats.Msg{Subject: "pelton.work.default.work.http", Header: nats.Header{event.HeaderBody: {put().String()}}}
	if _, err := front.PublishMsg(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if data := waittest.Receive(t, got); !bytes.Equal(data, body) {
		t.Errorf("%d bytes, want %d", len(data), len(body))
	}
	r.awaitNoBodies()

	put() // an orphan
	looker, err := jetstream.New(r.program(natsauth.OfController()).Conn)
	if err != nil {
		t.Fatal(err)
	}
	background(t, claim.NewJanitor(looker, 50*time.Millisecond, nil).Run)
	r.awaitNoBodies()
}

// awaitNoBodies waits until no body is kept, and nobody reads one.
func (r *rig) awaitNoBodies() {
	r.t.Helper()
	waittest.Eventually(r.t, func() error {
		s, err := r.admins["a"].Stream(r.t.Context(), stream.BodiesStream)
		if err == nil && s.CachedInfo().State.Msgs+uint64(s.CachedInfo().State.Consumers) > 0 {
			err = fmt.Errorf("%+v", s.CachedInfo().State)
		}
		return err
	})
}

// TestBodiesOfNeighbours tries to read another function's body by a consumer whose subject names an own one.
func TestBodiesOfNeighbours(t *testing.T) {
	t.Parallel()
	r, i, _ := neighbours(t)
	if _, err := r.admins["a"].Publish(t.Context(), "pelton.body.default.b.AAAA.0", []byte("secret of b")); err != nil {
		t.Fatal(err)
	}
	for _, filter := range []string{
		`"filter_subject":"pelton.body.default.b.AAAA.*"`, `"filter_subjects":["pelton.body.default.b.AAAA.*","pelton.body.default.a.AAAA.*"]`,
		`"filter_subject":">"`, `"filter_subject":""`,
	} {
		request := `{"stream_name":"PELTON_BODIES","config":{"name":"spy","ack_policy":"none",` + filter + `}}`
		m, err := i.RequestWithContext(t.Context(), "$JS.API.CONSUMER.CREATE.PELTON_BODIES.spy.pelton.body.default.a.AAAA.*", []byte(request))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(m.Data, []byte(`"error"`)) {
			t.Errorf("%s: %s", filter, m.Data)
		}
	}
}
