package execcall

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/invoke"
)

// parseReply reads standard output: nothing is no reply, a JSON object with a specversion is a CloudEvent, and all else is
// the data of an event whose other attributes the caller fills in.
func parseReply(out []byte) (*event.Event, error) {
	if len(out) == 0 {
		return nil, nil
	}
	if !isStructured(out) {
		return &event.Event{Data: out, DataContentType: event.GuessContentType(out)}, nil
	}
	e, problems := event.ParseJSON(bytes.TrimSpace(out))
	if err := event.Refusal(problems); err != nil {
		err = fmt.Errorf("read the event on standard output: %w", err)
		return nil, &invoke.Error{Code: invoke.CodeBadResponse, Err: errors.New(invoke.Text(err.Error()))}
	}
	return e, nil
}

// isStructured says whether out is meant as an event.
func isStructured(out []byte) bool {
	if b := bytes.TrimSpace(out); len(b) == 0 || b[0] != '{' {
		return false
	}
	var members struct {
		SpecVersion json.RawMessage `json:"specversion"`
	}
	return json.Unmarshal(out, &members) == nil && members.SpecVersion != nil
}
