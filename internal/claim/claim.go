// Package claim owns bodies that are too large for a message: they lie in pieces in a stream of their own, and the event that
// belongs to one carries a claim to it in a header.
//
// The stream is JetStream's object store in another form. The library's one has subjects that say nothing of whom an object belongs
// to, so that who may read one object may read, and delete, all of them. Here each piece has a subject below its function's, and
// the credentials of a function reach no others.
//
// At most two pieces of a body are in memory at any time, whatever its size. The package does not know who stores bodies and who
// reads them. Everything in it is a few requests to the server and returns, but for the Janitor, which ends with its context.
package claim

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/function"
)

// PieceSize is how large the pieces are that Put makes, but for the last.
const PieceSize = 256 << 10

// The bounds of what a header may say: whoever may publish to a function's queue can write one.
const (
	maxPiece  = 1 << 20
	maxPieces = 1 << 16
)

// ErrLost says that a body is not there any more, or is not what was stored. Asking again does not help.
var ErrLost = errors.New("the body is lost")

// Ref is a claim to one body.
type Ref struct {
	ID    string // who does not know it finds nothing
	Size  int64  // bytes in all
	Piece int    // bytes of each piece but the last
	Sum   [sha256.Size]byte
}

// String is the form that stands in a header.
func (r Ref) String() string { return fmt.Sprintf("%s %d %d %x", r.ID, r.Size, r.Piece, r.Sum) }

var errNoRef = errors.New("want ID SIZE PIECE SHA256")

// Parse reads what String has written.
func Parse(s string) (Ref, error) {
	fields := strings.Fields(s)
	if len(fields) != 4 {
		return Ref{}, fmt.Errorf("read claim to a body: %w", errNoRef)
	}
	r := Ref{ID: fields[0]}
	var err error
	if r.Size, err = strconv.ParseInt(fields[1], 10, 64); err != nil || r.Size < 1 {
		return Ref{}, fmt.Errorf("read claim to a body: size %.20q: %w", fields[1], errNoRef)
	}
	if r.Piece, err = strconv.Atoi(fields[2]); err != nil || r.Piece < 1 || r.Piece > maxPiece {
		return Ref{}, fmt.Errorf("read claim to a body: piece %.20q: %w", fields[2], errNoRef)
	}
	if r.Size > maxPieces*int64(r.Piece) {
		return Ref{}, fmt.Errorf("read claim to a body: size %d: more than %d pieces of %d bytes", r.Size, maxPieces, r.Piece)
	}
	sum, err := hex.DecodeString(fields[3])
	if err != nil || len(sum) != len(r.Sum) {
		return Ref{}, fmt.Errorf("read claim to a body: sum %.80q: %w", fields[3], errNoRef)
	}
	r.Sum = [sha256.Size]byte(sum)
	if _, err := event.BodySubject("ns", "fn", r.ID, 0); err != nil {
		return Ref{}, fmt.Errorf("read claim to a body: %w", err)
	}
	return r, nil
}

// pieces is how many there are.
func (r Ref) pieces() int { return int((r.Size + int64(r.Piece) - 1) / int64(r.Piece)) }

// length is how many bytes one of them has.
func (r Ref) length(piece int) int {
	return int(min(int64(r.Piece), r.Size-int64(piece)*int64(r.Piece)))
}

func (r Ref) subject(key function.Key, piece int) (string, error) {
	return event.BodySubject(key.Namespace, key.Name, r.ID, piece)
}
