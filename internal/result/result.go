// Package result owns what is kept of calls whose callers ask for the outcome later: the id of a call, the record of its state and
// answer, and where both are stored.
//
// There is one record of a call, on a subject of its own, and each replaces the one before. Who takes the call writes the first, before
// the call itself is stored; who makes it writes the others. What an attempt has to say never replaces the word of a later one, and
// nothing hides that a call is done, however late it arrives. The package knows nothing of HTTP servers, queues and retries. It runs nothing.
package result

import (
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/invoke"
	"github.com/pelton-dev/pelton/internal/stream"
)

// How long what a call came to is kept. MaxKeep is also how long it is known of a call that comes to nothing.
const (
	DefaultKeep = time.Hour
	MaxKeep     = stream.ResultAge
	MinKeep     = 2 * time.Minute // for which the streams know a call again that is sent twice
)

// State is how far a call has come.
type State string

// The states. A dead call goes on when its dead letter is replayed.
const (
	Queued  State = "queued"  // it waits for its turn
	Running State = "running" // an attempt is made
	Waiting State = "waiting" // an attempt has failed, and another one waits for its time
	Done    State = "done"
	Dead    State = "dead" // it is a dead letter

	forgotten State = "forgotten" // the record was taken back, and is there for a moment only
)

// Final reports whether nothing follows by itself.
func (s State) Final() bool { return s == Done || s == Dead }

// ID names one call.
type ID struct{ Namespace, Function, Token string }

// The bounds of a token.
const (
	minToken = 16
	maxToken = 64
)

// NewToken makes a token that nobody can guess: 130 random bits.
func NewToken() string { return rand.Text() }

// ParseID reads what String writes.
func ParseID(s string) (ID, bool) {
	parts := strings.Split(s, ".")
	if len(parts) != 3 {
		return ID{}, false
	}
	id := ID{parts[0], parts[1], parts[2]}
	return id, id.valid()
}

func (id ID) valid() bool {
	return event.ValidToken(id.Namespace) && event.ValidToken(id.Function) && validToken(id.Token)
}

func validToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return len(s) >= minToken && len(s) <= maxToken
}

// String is NAMESPACE.FUNCTION.TOKEN.
func (id ID) String() string { return id.Namespace + "." + id.Function + "." + id.Token }

// subject is where the record is.
func (id ID) subject() (string, error) {
	if !id.valid() {
		return "", fmt.Errorf("build result subject: %.100q is no id of a call", id.String())
	}
	return event.ResultSubject(id.Namespace, id.Function, id.Token)
}

// Call is what is known of a call from its beginning, and goes with its event and with every record.
type Call struct {
	Token   string    `json:"token"`
	Event   string    `json:"event"`            // its id
	Caller  string    `json:"caller,omitempty"` // who may ask; "" where nobody is asked who he is
	Created time.Time `json:"created"`
	Keep    int       `json:"keep"` // seconds for which the last record is kept

	Callback string `json:"callback,omitempty"` // the address that is to be told the end; "" is none
}

// Record is how far a call has come.
type Record struct {
	Call     Call
	State    State
	Attempts int            // begun
	Stored   bool           // Queued: the call itself is known to be in its queue
	Origin   uint64         // the sequence of the call in its queue; that of its dead letter's replay is higher
	Attempt  int            // the attempt that says this; 0 is Attempts
	Reason   string         // a code: why it is dead, or why there must be another attempt
	Text     string         // what there is to say about that
	At       time.Time      // when the record was made
	Next     time.Time      // Waiting: when the next attempt is due
	Answer   *invoke.Answer // of the last attempt; nil if the handler has given none
}
