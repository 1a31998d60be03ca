package claim

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/function"
)

// closeTimeout bounds the end of a reading. What it leaves, the server forgets after a while.
const closeTimeout = 5 * time.Second

// Body is a stored body that can be read. One call uses it at a time.
type Body struct {
	js     jetstream.JetStream
	key    function.Key
	ref    Ref
	pieces *pieces // of the last reading; nil before the first
	first  []byte  // the first piece, if Check has fetched it and nobody has taken it
}

// Of returns the body to which a function has a claim. Nothing is asked for yet. Close ends it.
func Of(js jetstream.JetStream, key function.Key, r Ref) *Body {
	return &Body{js: js, key: key, ref: r}
}

// Size is how many bytes it has.
func (b *Body) Size() int64 { return b.ref.Size }

// Check looks whether the body is there, before anybody is told of it. An error wraps ErrLost if it is not, and says else why the
// server could not be asked.
func (b *Body) Check(ctx context.Context) error {
	if err := b.begin(ctx); err != nil {
		return err
	}
	var err error
	b.first, err = b.pieces.next(ctx)
	return err
}

// begin begins at the first piece.
func (b *Body) begin(ctx context.Context) error {
	b.end(ctx)
	p, err := openPieces(ctx, b.js, b.key, b.ref, "*")
	b.pieces, b.first = p, nil
	return err
}

func (b *Body) end(ctx context.Context) {
	if b.pieces != nil {
		b.pieces.close(ctx)
		b.pieces = nil
	}
}

// Close ends the reading on the server.
func (b *Body) Close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	b.end(ctx)
}

// Open begins to read at the beginning. What is read is the whole body, or ends with an error: the last piece is given only when
// all of them together are what was stored. ctx bounds the reading.
func (b *Body) Open(ctx context.Context) io.Reader {
	return &reader{ctx: ctx, body: b, sum: sha256.New()}
}

// reader is one reading of a body.
type reader struct {
	ctx   context.Context // an io.Reader has none
	body  *Body
	given int    // pieces
	rest  []byte // of the piece before
	sum   hash.Hash
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
	if r.given == b.ref.pieces() {
		return io.EOF
	}
	piece, err := r.fetch()
	if err != nil {
		return err
	}
	_, _ = r.sum.Write(piece) // a hash takes everything
	r.given++
	if r.given == b.ref.pieces() && [sha256.Size]byte(r.sum.Sum(nil)) != b.ref.Sum {
		return fmt.Errorf("%w: it has another checksum than when it was stored", ErrLost)
	}
	r.rest = piece
	return nil
}

// fetch takes the piece that Check has fetched, or asks for one.
func (r *reader) fetch() ([]byte, error) {
	b := r.body
	if r.given == 0 && b.first != nil {
		piece := b.first
		b.first = nil
		return piece, nil
	}
	if r.given == 0 {
		if err := b.begin(r.ctx); err != nil {
			return nil, err
		}
	}
	return b.pieces.next(r.ctx)
}
