package disk

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/stream"
)

// witness looks at the server as any NATS user may.
type witness struct {
	nc *nats.Conn
	js jetstream.JetStream
}

const lookWait = 30 * time.Second

func look(to urls) (*witness, error) {
	nc, err := connect(to.NATS)
	if err != nil {
		return nil, err
	}
	js, err := jetstream.New(nc, jetstream.WithDefaultTimeout(lookWait))
	if err != nil {
		nc.Close()
		return nil, fmt.Errorf("make JetStream context: %w", err)
	}
	return &witness{nc, js}, nil
}

func (w *witness) close() { w.nc.Close() }

// ids returns the ids of all events on a subject of a stream. They are read by sequence: a consumer that loses events must not
// hide them.
func (w *witness) ids(ctx context.Context, streamName, subject string) (map[string]bool, error) {
	found := map[string]bool{}
	s, err := w.js.Stream(ctx, streamName)
	if err != nil {
		return nil, fmt.Errorf("look up stream %s: %w", streamName, err)
	}
	for next := uint64(1); ; {
		m, err := s.GetMsg(ctx, next, jetstream.WithGetMsgSubject(subject))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return found, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read stream %s from %d: %w", streamName, next, err)
		}
		next = m.Sequence + 1
		for name, values := range m.Header {
			if strings.EqualFold(name, "ce-id") && len(values) > 0 {
				found[values[0]] = true
			}
		}
	}
}

var errWaiting = errors.New("events wait")

// settle waits until nothing waits for the function any more, now or later.
func (w *witness) settle(ctx context.Context, patience time.Duration) error {
	key := function.Key{Namespace: function.DefaultNamespace, Name: functionName}
	quiet := 0
	return poll(ctx, patience, "settle", func(ctx context.Context) error {
		owned, err := stream.OwnedBy(ctx, w.js, key)
		if err != nil {
			return err
		}
		due, inFlight, parked := owned.Waiting()
		if due+inFlight+parked > 0 {
			quiet = 0
			return fmt.Errorf("%w: %d due, %d in flight, %d parked", errWaiting, due, inFlight, parked)
		}
		// An event that was being parked at one look is parked at the next.
		if quiet++; quiet < 3 {
			return fmt.Errorf("%w: perhaps one is just being parked", errWaiting)
		}
		return nil
	})
}

// judge says which acknowledged events are not stored, and which are stored and have not ended.
func (w *witness) judge(ctx context.Context, acked ledger, notes string) (missing, undone []string, err error) {
	stored, err := w.ids(ctx, stream.EventsStream, eventSubject)
	if err != nil {
		return nil, nil, err
	}
	dead, err := w.ids(ctx, stream.DeadStream, "pelton.dead.>")
	if err != nil {
		return nil, nil, err
	}
	done, err := readNotes(notes)
	if err != nil {
		return nil, nil, err
	}
	for _, id := range slices.Sorted(maps.Keys(acked)) {
		switch {
		case !stored[id]:
			missing = append(missing, id)
		case dead[id], done[id] > 0 && acked[id] != kindReject:
		default:
			undone = append(undone, id)
		}
	}
	return missing, undone, nil
}
