package claim

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/stream"
)

// A piece that a server does not have may be one that it does not have yet: any replica of the stream may answer. So it is asked for
// again before it counts as lost, and so is a server that does not answer.
const (
	fetchTries   = 6
	fetchRest    = 50 * time.Millisecond // doubled after each try
	fetchTimeout = 5 * time.Second
)

// Body is a stored body that can be read. One call uses it at a time.
type Body struct {
	nc    *nats.Conn
	key   function.Key
	ref   Ref
	first []byte // the first piece, if Check has fetched it and nobody has taken it
}

// Of returns the body to which a function has a claim. Nothing is asked for yet.
func Of(nc *nats.Conn, key function.Key, r Ref) *Body { return &Body{nc: nc, key: key, ref: r} }

// Size is how many bytes it has.
func (b *Body) Size() int64 { return b.ref.Size }

// Check looks whether the body is there, before anybody is told of it. An error wraps ErrLost if it is not, and says else why the
// server could not be asked.
func (b *Body) Check(ctx context.Context) (err error) {
	b.first, err = b.fetch(ctx, 0)
	return err
}

// Open begins to read at the beginning. What is read is the whole body, or ends with an error: the last piece is given only when
// all of them together are what was stored. ctx bounds the reading.
func (b *Body) Open(ctx context.Context) io.Reader {
	return &reader{ctx: ctx, body: b, sum: sha256.New()}
}

// reader is one reading of a body.
type reader struct {
	ctx  context.Context // an io.Reader has none
	body *Body
	next int    // piece
	rest []byte // of the piece before
	sum  hash.Hash
}

// Read gives what is left of a piece, and fetches the next when nothing is.
func (r *reader) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		if err := r.advance(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// WriteTo writes piece by piece, without another buffer.
func (r *reader) WriteTo(w io.Writer) (total int64, err error) {
	for {
		if len(r.rest) == 0 {
			if err := r.advance(); errors.Is(err, io.EOF) {
				return total, nil
			} else if err != nil {
				return total, err
			}
		}
		n, err := w.Write(r.rest)
		total, r.rest = total+int64(n), r.rest[n:]
		if err != nil {
			return total, err
		}
	}
}

// advance fetches the next piece.
func (r *reader) advance() error {
	b := r.body
	if r.next == b.ref.pieces() {
		return io.EOF
	}
	piece := b.first
	b.first = nil
	if r.next > 0 || piece == nil {
		var err error
		if piece, err = b.fetch(r.ctx, r.next); err != nil {
			return err
		}
	}
	_, _ = r.sum.Write(piece) // a hash takes everything
	r.next++
	if r.next == b.ref.pieces() && [sha256.Size]byte(r.sum.Sum(nil)) != b.ref.Sum {
		return fmt.Errorf("%w: it has another checksum than when it was stored", ErrLost)
	}
	r.rest = piece
	return nil
}

func (b *Body) fetch(ctx context.Context, n int) ([]byte, error) {
	subject, err := b.ref.subject(b.key, n)
	if err != nil {
		return nil, err
	}
	rest := fetchRest
	for try := 1; ; try++ {
		piece, err := b.ask(ctx, subject)
		if err == nil && len(piece) != b.ref.length(n) {
			err = fmt.Errorf("%w: piece %d of %d has %d bytes, and had %d", ErrLost, n+1, b.ref.pieces(), len(piece), b.ref.length(n))
		}
		if err == nil || try == fetchTries || len(piece) > 0 || ctx.Err() != nil {
			return piece, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("read piece %d of a body: %w", n, ctx.Err())
		case <-time.After(rest):
		}
		rest *= 2
	}
}

// ask makes one request. The form of it that names the subject is one that a right can be narrowed by.
func (b *Body) ask(ctx context.Context, subject string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	m, err := b.nc.RequestWithContext(ctx, "$JS.API.DIRECT.GET."+stream.BodiesStream+"."+subject, nil)
	if err != nil {
		return nil, fmt.Errorf("read body: %w", err)
	}
	switch status := m.Header.Get("Status"); status {
	case "":
		return m.Data, nil
	case "404":
		return nil, fmt.Errorf("%w: %s is not there", ErrLost, subject)
	default:
		return nil, fmt.Errorf("read body: %s %s", status, m.Header.Get("Description"))
	}
}
