package claim

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"math"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/stream"
)

// headerTTL is after how many seconds the server removes a message by itself.
const headerTTL = "Nats-TTL"

// ReadError is what the reader of a body has said: the store is not to blame.
type ReadError struct{ Err error }

// Error is the reader's.
func (e *ReadError) Error() string { return "read body: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *ReadError) Unwrap() error { return e.Err }

// Config says how a body is kept.
type Config struct {
	Lasts   time.Duration // after that it goes by itself; 0: when it is removed
	Timeout time.Duration // for storing one piece
}

// Put stores all that body has for a function. The next piece is read while one is stored: two are in memory. Of a body that could
// not be read or stored whole nothing is kept, as far as the server can be reached; the Janitor removes the rest.
func Put(ctx context.Context, js jetstream.JetStream, key function.Key, cfg Config, body io.Reader) (Ref, error) {
	w := &writer{js: js, key: key, cfg: cfg, sum: sha256.New(), ref: Ref{ID: rand.Text(), Piece: PieceSize}}
	err := w.run(ctx, body)
	if err == nil && w.ref.Size == 0 {
		err = &ReadError{io.ErrUnexpectedEOF}
	}
	if err != nil {
		_ = remove(context.WithoutCancel(ctx), js, key, w.ref, w.begun) // what is left of it, the Janitor finds
		return Ref{}, err
	}
	w.sum.Sum(w.ref.Sum[:0])
	return w.ref, nil
}

// writer is one Put.
type writer struct {
	js    jetstream.JetStream
	key   function.Key
	cfg   Config
	ref   Ref
	sum   hash.Hash
	begun int // pieces that may be stored
}

func (w *writer) run(ctx context.Context, body io.Reader) error {
	buffers := [2][]byte{make([]byte, PieceSize), make([]byte, PieceSize)}
	stored := make(chan error, 1) // what came of the piece before
	stored <- nil
	for {
		piece := buffers[w.begun%2]
		n, readErr := fill(body, piece)
		if err := <-stored; err != nil {
			return errors.Join(asReadError(readErr), err)
		}
		if n > 0 && (readErr == nil || errors.Is(readErr, io.EOF)) {
			_, _ = w.sum.Write(piece[:n]) // a hash takes everything
			w.ref.Size += int64(n)
			number := w.begun
			w.begun++
			go func() { stored <- w.store(ctx, number, piece[:n]) }()
		} else {
			stored <- nil
		}
		switch {
		case errors.Is(readErr, io.EOF):
			return <-stored
		case readErr != nil:
			return errors.Join(asReadError(readErr), <-stored)
		}
	}
}

// asReadError is what a reader has said, unless that is the end. It is told beside an error of the store: the end of a request is often both.
func asReadError(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return nil
	}
	return &ReadError{err}
}

// fill reads until b is full. At the end of the body the error is io.EOF, whatever was read before.
func fill(r io.Reader, b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		var k int
		k, err = r.Read(b[n:])
		n += k
	}
	return n, err
}

func (w *writer) store(ctx context.Context, number int, piece []byte) error {
	subject, err := w.ref.subject(w.key, number)
	if err != nil {
		return err
	}
	m := &nats.Msg{Subject: subject, Data: piece}
	if w.cfg.Lasts > 0 {
		m.Header = nats.Header{headerTTL: {strconv.FormatInt(int64(math.Ceil(w.cfg.Lasts.Seconds())), 10)}}
	}
	ctx, cancel := context.WithTimeout(ctx, w.cfg.Timeout)
	defer cancel()
	if _, err := w.js.PublishMsg(ctx, m, jetstream.WithExpectStream(stream.BodiesStream)); err != nil {
		return fmt.Errorf("store piece %d of a body: %w", number, err)
	}
	return nil
}
