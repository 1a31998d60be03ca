package faults

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"
)

// Kind is what a handler does with an event.
type Kind string

// The kinds.
const (
	KindWork     Kind = "work"     // succeeds, after its time
	KindFailOnce Kind = "failOnce" // fails at the first attempt and succeeds at the others
	KindHangOnce Kind = "hangOnce" // never answers at the first attempt and succeeds at the others
	KindPoison   Kind = "poison"   // fails always
	KindReject   Kind = "reject"   // says that it will never work
)

// Share is how much of a load is of a kind.
type Share struct {
	Kind   Kind          `json:"kind"`
	Weight int           `json:"weight"`
	Work   time.Duration `json:"work,omitempty"` // at most so long in the handler: a random part of it, or Exact
	Exact  bool          `json:"exact,omitempty"`
}

// Load is what is published. The same seed makes the same events.
type Load struct {
	Rate   float64 `json:"rate"` // events a second
	Events int     `json:"events"`
	HTTP   int     `json:"http"` // one event of so many goes in by HTTP; 0 is none
	Shares []Share `json:"shares"`
}

// httpEach shares no divisor with the numbers of sources, keys and publishers that give up: all of them use both ways.
const httpEach = 3

// DefaultLoad is something of everything that can become of an event.
func DefaultLoad(rate float64, duration time.Duration) Load {
	return Load{Rate: rate, Events: int(rate * duration.Seconds()), HTTP: httpEach, Shares: []Share{
		{Kind: KindWork, Weight: 850, Work: 20 * time.Millisecond},
		{Kind: KindWork, Weight: 30, Work: 1500 * time.Millisecond},
		{Kind: KindFailOnce, Weight: 70, Work: 10 * time.Millisecond},
		{Kind: KindHangOnce, Weight: 5},
		{Kind: KindPoison, Weight: 25},
		{Kind: KindReject, Weight: 20},
	}}
}

// PoisonLoad is nothing but events that never succeed: one of ten fails at every attempt, the others are refused at the first. More
// failures in a row, and replicas would rest.
func PoisonLoad(rate float64, duration time.Duration) Load {
	return Load{Rate: rate, Events: int(rate * duration.Seconds()), HTTP: httpEach, Shares: []Share{
		{Kind: KindPoison, Weight: 1},
		{Kind: KindReject, Weight: 9},
	}}
}

// message is one event of a load.
type message struct {
	sequence int
	key      key
	order    string
	data     []byte
	do       Kind
	http     bool // it goes in by HTTP
}

// body is the data of an event. Handlers act on it.
type body struct {
	Kind Kind          `json:"kind"`
	Work time.Duration `json:"work"`
	Seq  int           `json:"seq"`
	Key  string        `json:"key"`
	Fill string        `json:"fill"` // so that no two are alike
}

// orderKeys is how many keys events have for their order.
const orderKeys = 100

// inTurn is how many events of one key come one after another, so that the next is there before the last has ended, however slow the
// machine.
const inTurn = 2

// sources is how many sources events have. Each id is there in every one of them.
const sources = 2

// make makes the event with a number.
func (l Load) make(seed uint64, number int) (message, error) {
	random := rand.New(rand.NewPCG(seed, uint64(number)))
	share := l.pick(random)
	work := share.Work
	if !share.Exact && work > 0 {
		work = time.Duration(random.Int64N(int64(work)))
	}
	m := message{
		do: share.Kind, sequence: number, http: l.HTTP > 0 && number%l.HTTP == 0, order: "key-" + strconv.Itoa(number/inTurn%orderKeys),
		key: key{Source: "/faults/" + strconv.Itoa(number%sources), ID: fmt.Sprintf("event-%06d", number/sources)},
	}
	var err error
	m.data, err = json.Marshal(body{share.Kind, work, number, m.order, fmt.Sprintf("%032x", random.Uint64())})
	if err != nil {
		return m, fmt.Errorf("encode event %d: %w", number, err)
	}
	return m, nil
}

func (l Load) pick(random *rand.Rand) Share {
	total := 0
	for _, s := range l.Shares {
		total += s.Weight
	}
	n := random.IntN(max(1, total))
	for _, s := range l.Shares {
		if n -= s.Weight; n < 0 {
			return s
		}
	}
	return Share{Kind: KindWork}
}

// checksum is what ledgers hold of data.
func checksum(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:8])
}
