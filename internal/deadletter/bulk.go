package deadletter

import (
	"context"

	"github.com/nats-io/nats.go/jetstream"
)

// Result says what a bulk operation did. Letters that it did not reach before an error are in neither list.
type Result struct {
	Done   []uint64  `json:"done"`
	Failed []Failure `json:"failed,omitempty"`
}

// Failure is a letter for which a bulk operation did not work.
type Failure struct {
	ID  uint64 `json:"id"`
	Err error  `json:"-"`
}

// ReplayAll replays every letter that f selects. One that fails does not stop the others; the error is for what does: the
// letters cannot be read, or ctx ended.
func ReplayAll(ctx context.Context, js jetstream.JetStream, f Filter) (Result, error) {
	return bulk(ctx, js, f, Replay)
}

// DiscardAll discards every letter that f selects, as ReplayAll replays them.
func DiscardAll(ctx context.Context, js jetstream.JetStream, f Filter) (Result, error) {
	return bulk(ctx, js, f, Discard)
}

// one does something to one letter.
type one func(ctx context.Context, js jetstream.JetStream, id uint64) error

func bulk(ctx context.Context, js jetstream.JetStream, f Filter, do one) (Result, error) {
	r := Result{Done: []uint64{}}
	err := each(ctx, js, f, func(l Letter) error {
		if err := do(ctx, js, l.ID); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			r.Failed = append(r.Failed, Failure{l.ID, err})
			return nil
		}
		r.Done = append(r.Done, l.ID)
		return nil
	})
	return r, err
}
