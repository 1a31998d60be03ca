package claim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"pgregory.net/rapid"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/natstest"
	"github.com/pelton-dev/pelton/internal/stream"
	"github.com/pelton-dev/pelton/internal/waittest"
)

var upload = function.Key{Namespace: "default", Name: "upload"}

// rig is a server with the streams of Pelton.
type rig struct {
	t  *testing.T
	js jetstream.JetStream
}

func start(t *testing.T) *rig {
	t.Helper()
	srv := natstest.Start(t)
	r := &rig{t: t, js: srv.JetStream(t)}
	if _, err := stream.Ensure(t.Context(), r.js, stream.Config{}); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *rig) put(data []byte) Ref {
	r.t.Helper()
	ref, err := Put(r.t.Context(), r.js, upload, Config{Timeout: time.Minute}, bytes.NewReader(data))
	if err != nil {
		r.t.Fatal(err)
	}
	return ref
}

func (r *rig) read(ref Ref) ([]byte, error) {
	r.t.Helper()
	b := Of(r.js, upload, ref)
	defer b.Close(r.t.Context())
	if err := b.Check(r.t.Context()); err != nil {
		return nil, err
	}
	return io.ReadAll(b.Open(r.t.Context()))
}

// messages is how many messages the stream of bodies holds.
func (r *rig) messages() uint64 {
	r.t.Helper()
	s, err := r.js.Stream(r.t.Context(), stream.BodiesStream)
	if err != nil {
		r.t.Fatal(err)
	}
	return s.CachedInfo().State.Msgs
}

// awaitEmpty waits until nothing is kept.
func (r *rig) awaitEmpty() {
	r.t.Helper()
	waittest.Eventually(r.t, func() error {
		if n := r.messages(); n > 0 {
			return fmt.Errorf("%d pieces are kept", n)
		}
		return nil
	})
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(n)}).Read(b)
	return b
}

func TestPutAndRead(t *testing.T) {
	t.Parallel()
	r := start(t)
	for _, n := range []int{1, PieceSize - 1, PieceSize, PieceSize + 1, 3*PieceSize + 7} {
		want := random(n)
		ref := r.put(want)
		if ref.Size != int64(n) {
			t.Errorf("size %d, want %d", ref.Size, n)
		}
		parsed, err := Parse(ref.String())
		if err != nil || parsed != ref {
			t.Fatalf("%v, %v", parsed, err)
		}
		for range 2 { // it can be read again
			if got, err := r.read(parsed); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%d bytes: got %d, error %v", n, len(got), err)
			}
		}
		var small bytes.Buffer
		if _, err := io.CopyBuffer(&small, struct{ io.Reader }{Of(r.js, upload, ref).Open(t.Context())}, make([]byte, 1000)); err != nil {
			t.Error(err)
		}
		if !bytes.Equal(small.Bytes(), want) {
			t.Errorf("%d bytes read in small pieces are others", n)
		}
		if err := Remove(t.Context(), r.js, upload, ref); err != nil {
			t.Fatal(err)
		}
		if _, err := r.read(ref); !errors.Is(err, ErrLost) {
			t.Errorf("a removed body: %v", err)
		}
		r.awaitEmpty()
		if err := Remove(t.Context(), r.js, upload, ref); err != nil {
			t.Errorf("removed twice: %v", err)
		}
	}
}

func TestABodyThatBreaksOffLeavesNothing(t *testing.T) {
	t.Parallel()
	r := start(t)
	broken := errors.New("the caller has left")
	for _, n := range []int{0, 10, PieceSize, 2*PieceSize + 10} {
		body := io.MultiReader(bytes.NewReader(random(n)), iotest.ErrReader(broken))
		_, err := Put(t.Context(), r.js, upload, Config{Timeout: time.Minute}, body)
		read, ok := errors.AsType[*ReadError](err)
		if !ok || !errors.Is(read, broken) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	if _, err := Put(t.Context(), r.js, upload, Config{Timeout: time.Minute}, strings.NewReader("")); err == nil {
		t.Error("a body of nothing was stored")
	}
	r.awaitEmpty()
}

// leaver is a body whose sender leaves after one piece.
type leaver struct {
	leave context.CancelFunc
	left  error
	given bool
}

func (l *leaver) Read(p []byte) (int, error) {
	if l.given {
		return 0, l.left
	}
	l.given = true
	l.leave()
	return len(p), nil
}

// The end of a request breaks the reading and the storing: the store is not to blame.
func TestAStoreThatIsCutByTheBodysEndIsNotToBlame(t *testing.T) {
	t.Parallel()
	r := start(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	body := &leaver{leave: cancel, left: errors.New("the caller has left")}
	_, err := Put(ctx, r.js, upload, Config{Timeout: time.Minute}, body)
	if read, ok := errors.AsType[*ReadError](err); !ok || !errors.Is(read, body.left) {
		t.Errorf("error %v", err)
	}
	r.awaitEmpty()
}

// TestAFullStoreKeepsNothing gives the stream room for less than the body.
func TestAFullStoreKeepsNothing(t *testing.T) {
	t.Parallel()
	r := start(t)
	s, err := r.js.Stream(t.Context(), stream.BodiesStream)
	if err != nil {
		t.Fatal(err)
	}
	cfg := s.CachedInfo().Config
	cfg.MaxBytes = 3*PieceSize + PieceSize/2
	if _, err := r.js.UpdateStream(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	kept := r.put(random(PieceSize))
	_, err = Put(t.Context(), r.js, upload, Config{Timeout: time.Minute}, bytes.NewReader(random(5*PieceSize)))
	api, ok := errors.AsType[*jetstream.APIError](err)
	if !ok || api.ErrorCode != 10077 {
		t.Fatalf("a full stream: %v", err)
	}
	waittest.Eventually(t, func() error {
		if n := r.messages(); n != 1 {
			return fmt.Errorf("%d messages are kept, want that of the other body", n)
		}
		return nil
	})
	if _, err := r.read(kept); err != nil {
		t.Error(err)
	}
}

func TestADamagedBodyIsNeverWhole(t *testing.T) {
	t.Parallel()
	r := start(t)
	want := random(3 * PieceSize)
	for name, damage := range map[string]func(subject func(int) string) error{
		"changed": func(subject func(int) string) error {
			_, err := r.js.Publish(t.Context(), subject(1), random(PieceSize))
			return err
		},
		"shorter": func(subject func(int) string) error {
			_, err := r.js.Publish(t.Context(), subject(2), random(5))
			return err
		},
		"missing": func(subject func(int) string) error {
			s, err := r.js.Stream(t.Context(), stream.BodiesStream)
			if err != nil {
				return err
			}
			return s.Purge(t.Context(), jetstream.WithPurgeSubject(subject(2)))
		},
	} {
		ref := r.put(want)
		subject := func(n int) string {
			s, err := ref.subject(upload, n)
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		if err := damage(subject); err != nil {
			t.Fatal(err)
		}
		got, err := r.read(ref)
		if !errors.Is(err, ErrLost) || len(got) >= len(want) {
			t.Errorf("%s: %d of %d bytes, %v", name, len(got), len(want), err)
		}
	}
}

// TestAServerThatCannotBeAsked is no loss of the body.
func TestAServerThatCannotBeAsked(t *testing.T) {
	t.Parallel()
	r := start(t)
	ref := r.put(random(10))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Of(r.js, upload, ref).Check(ctx); err == nil || errors.Is(err, ErrLost) {
		t.Errorf("nobody has looked: %v", err)
	}
	if err := r.js.DeleteStream(t.Context(), stream.BodiesStream); err != nil {
		t.Fatal(err)
	}
	if err := Of(r.js, upload, ref).Check(t.Context()); err == nil || errors.Is(err, ErrLost) {
		t.Errorf("without the stream: %v", err)
	}
	if _, err := Put(t.Context(), r.js, upload, Config{Timeout: time.Minute}, strings.NewReader("a")); err == nil {
		t.Error("stored without the stream")
	}
}

func TestABodyThatLastsGoesByItself(t *testing.T) {
	t.Parallel()
	r := start(t)
	_, err := Put(t.Context(), r.js, upload, Config{Timeout: time.Minute, Lasts: time.Second}, bytes.NewReader(random(2*PieceSize)))
	if err != nil {
		t.Fatal(err)
	}
	r.awaitEmpty()
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	sum := strings.Repeat("ab", 32)
	for _, s := range []string{
		"", "a", "ID 1 1 " + sum + " more", "ID 0 1 " + sum, "ID -1 1 " + sum, "ID 1 0 " + sum, "ID 1 1048577 " + sum, "ID x 1 " + sum,
		"ID 1 x " + sum, "ID 1 1 abcd", "ID 1 1 " + sum + "ab", "ID 1 1 " + strings.Repeat("x", 64), "a.b 1 1 " + sum, "* 1 1 " + sum,
		"> 1 1 " + sum, "ID 99999999999999999999 1 " + sum,
	} {
		if r, err := Parse(s); err == nil {
			t.Errorf("%q was taken: %v", s, r)
		}
	}
}

// Whatever stands in a header, reading it neither panics nor gives a claim that asks for another function's body.
func TestParseAnything(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(rapid.String(), rapid.StringMatching(`[A-Z.*>]{1,4} -?[0-9]{1,20} [0-9]{1,8} [0-9a-f]{60,66}`)).Draw(t, "header")
		r, err := Parse(s)
		if err != nil {
			return
		}
		subject, err := r.subject(upload, 0)
		if err != nil || strings.Count(subject, ".") != 5 || !strings.HasPrefix(subject, "pelton.body.default.upload.") {
			t.Fatalf("%q asks for %q, %v", s, subject, err)
		}
		if n := r.pieces(); n < 1 || r.length(0) < 1 || int64(r.length(0)) > r.Size {
			t.Fatalf("%q has %d pieces, the first of %d bytes", s, n, r.length(0))
		}
	})
}

// TestSettledIsKnownForAWhile: it can be told from a body that is lost, and does not pass for a piece.
func TestSettledIsKnownForAWhile(t *testing.T) {
	t.Parallel()
	r := start(t)
	lost, settled := r.put(random(10)), r.put(random(2*PieceSize))
	for _, ref := range []Ref{lost, settled} {
		if ref == settled {
			if err := Settle(t.Context(), r.js, upload, ref); err != nil {
				t.Fatal(err)
			}
			if _, err := r.read(ref); err != nil {
				t.Errorf("before it is removed: %v", err)
			}
		}
		if err := Remove(t.Context(), r.js, upload, ref); err != nil {
			t.Fatal(err)
		}
		if _, err := r.read(ref); !errors.Is(err, ErrLost) {
			t.Errorf("a removed body: %v", err)
		}
		if got, err := Of(r.js, upload, ref).IsSettled(t.Context()); err != nil || got != (ref == settled) {
			t.Errorf("settled: %v, %v", got, err)
		}
	}
	s, err := r.js.Stream(t.Context(), stream.BodiesStream)
	if err != nil {
		t.Fatal(err)
	}
	m, err := s.GetLastMsgForSubject(t.Context(), "pelton.body.default.upload."+settled.ID+".settled")
	if err != nil || m.Header.Get("Nats-TTL") == "" {
		t.Errorf("what stays does not go by itself: %v, %v", m, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got, err := Of(r.js, upload, settled).IsSettled(ctx); err == nil || got {
		t.Errorf("nobody has looked: %v, %v", got, err)
	}
}
