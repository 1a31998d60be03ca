//go:build !planted

package bridge

import (
	"context"

	"github.com/nats-io/nats.go"
)

// plantable says whether this build has a bug in it that can be switched on (planted_on.go): internal/faults makes one to see
// that its checker finds it.
const plantable = false

func plantedStore(context.Context, *Committer, []*nats.Msg) ([]Ack, bool) { return nil, false }
