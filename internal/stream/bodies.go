package stream

import (
	"errors"

	"github.com/nats-io/nats.go/jetstream"
)

// The bounds of what large bodies take together where the store has no limit that is known: callers of HTTP fill no disk. The server sets
// the bytes of a stream with a bound aside. One that has not as many has a lower bound, down to minBodies.
const (
	maxBodies = 4 << 30
	minBodies = 64 << 20
)

// fitting calls apply with want, and again with a fourth of its bound for as long as the server has not so much room to set aside. Only
// the stream of bodies is content with less.
func fitting(want jetstream.StreamConfig, apply func(jetstream.StreamConfig) error) error {
	for {
		err := apply(want)
		api, ok := errors.AsType[*jetstream.APIError](err)
		if want.Name != BodiesStream || want.MaxBytes/4 < minBodies || !ok || !noStorage(api.ErrorCode) {
			return err
		}
		want.MaxBytes /= 4
	}
}

// noStorage says that a server, or each of a cluster, or the account has not so much room.
func noStorage(code jetstream.ErrorCode) bool {
	switch code {
	case errCodeStorageExceeded, errCodeAccountExceeded, errCodeStreamBytesExceeded, errCodeNoPeers, errCodeInsufficient:
		return true
	}
	return false
}
