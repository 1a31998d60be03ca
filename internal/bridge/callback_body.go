package bridge

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/pelton-dev/pelton/internal/result"
)

// callbackEvent is what a receiver is told, as Standard Webhooks recommends it.
type callbackEvent struct {
	Type      string     `json:"type"`
	Timestamp time.Time  `json:"timestamp"` // of the end of the call
	Data      invocation `json:"data"`
}

// callbackType begins the type; the state is behind it.
const callbackType = "dev.pelton.invocation."

func callbackBody(id result.ID, record result.Record) ([]byte, error) {
	body, err := json.Marshal(callbackEvent{callbackType + string(record.State), record.At, invocationOf(id, record)})
	if err != nil {
		return nil, fmt.Errorf("encode callback: %w", err)
	}
	return body, nil
}

func callbackHeader() http.Header {
	return http.Header{"Content-Type": {"application/json"}, "User-Agent": {"Pelton"}}
}

// statusError is an answer that is no success.
type statusError int

// Error names the status.
func (s statusError) Error() string {
	return fmt.Sprintf("the receiver answered with status %d: want 2xx, or 410 if it wants no more", int(s))
}
