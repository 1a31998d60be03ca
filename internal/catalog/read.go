package catalog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/function"
)

// Read asks the server for one function's entry, and whether there is one: for who does not follow the catalog. An
// entry that makes no sense is an empty one.
func Read(ctx context.Context, js jetstream.JetStream, key function.Key) (Entry, bool, error) {
	s, err := js.Stream(ctx, StreamName)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return Entry{}, false, nil
	}
	if err != nil {
		return Entry{}, false, fmt.Errorf("look up stream %s: %w", StreamName, err)
	}
	m, err := s.GetLastMsgForSubject(ctx, subject(key))
	if errors.Is(err, jetstream.ErrMsgNotFound) || err == nil && len(m.Data) == 0 {
		return Entry{}, false, nil
	}
	if err != nil {
		return Entry{}, false, fmt.Errorf("read catalog entry of %s: %w", key, err)
	}
	var e Entry
	if json.Unmarshal(m.Data, &e) != nil {
		e = Entry{}
	}
	return e, true, nil
}
