package catalog

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/stream"
)

// StreamName is the stream that holds the entries.
const StreamName = "PELTON_FUNCTIONS"

const subjects = "pelton.function.>"

// Entry is what a scaler and a front door must know of a function.
type Entry struct {
	Namespace   string         `json:"namespace"`
	Name        string         `json:"name"`
	Consumers   []Consumer     `json:"consumers"`
	Concurrency int            `json:"concurrency"`
	Scale       function.Scale `json:"scale"`
	HTTP        *HTTP          `json:"http,omitempty"` // nil without HTTP triggers
}

// HTTP is what a front door must know of a function.
type HTTP struct {
	Triggers []function.HTTPTrigger `json:"triggers"`
	Timeout  function.Duration      `json:"timeout"`  // of one attempt
	Protocol function.Protocol      `json:"protocol"` // of the handler

	// Since says of each claim when it was first entered, so that every front door knows which function had it before another.
	Since map[string]time.Time `json:"since,omitempty"`
}

// Consumer names a consumer from which the function gets events.
type Consumer struct {
	Stream string `json:"stream"`
	Name   string `json:"name"`
}

// EntryOf reads the entry of a function with its defaults set. Nothing of its handler is in it, whose environment may hold
// secrets.
func EntryOf(fn *function.Function) Entry {
	e := Entry{
		Namespace: fn.Metadata.Namespace, Name: fn.Metadata.Name,
		Concurrency: fn.Spec.InFlight(), Scale: fn.Spec.Scale,
	}
	for _, c := range stream.ConsumersOf(fn) {
		e.Consumers = append(e.Consumers, Consumer{c.Stream, c.Name})
	}
	e.HTTP = httpOf(fn)
	return e
}

func httpOf(fn *function.Function) *HTTP {
	h := &HTTP{Timeout: fn.Spec.Timeout, Protocol: fn.Spec.Handler.Protocol}
	for _, t := range fn.Spec.Triggers {
		if t.HTTP != nil {
			h.Triggers = append(h.Triggers, *t.HTTP)
		}
	}
	if len(h.Triggers) == 0 {
		return nil
	}
	return h
}

// Key is the function's.
func (e *Entry) Key() function.Key { return function.Key{Namespace: e.Namespace, Name: e.Name} }

// Ensure creates the stream if it is missing, and brings the number of its replicas to what is wanted; 0 is no opinion on that.
func Ensure(ctx context.Context, js jetstream.JetStream, replicas int) error {
	s, err := js.Stream(ctx, StreamName)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		s, err = js.CreateStream(ctx, jetstream.StreamConfig{
			Name: StreamName, Subjects: []string{subjects}, Description: "Pelton: the functions that scalers may be asked for",
			Storage: jetstream.FileStorage, Replicas: max(1, replicas), MaxMsgsPerSubject: 1, Discard: jetstream.DiscardOld,
			AllowDirect: true, Duplicates: time.Second,
		})
	}
	if err != nil {
		return fmt.Errorf("provision stream %s: %w", StreamName, err)
	}
	return stream.BringReplicas(ctx, js, s.CachedInfo().Config, replicas)
}

// Put enters a function, or what has changed of it. It writes nothing if the entry is as it should be.
func Put(ctx context.Context, js jetstream.JetStream, fn *function.Function) error {
	e := EntryOf(fn)
	return put(ctx, js, fn.Key(), &e)
}

// Remove takes a function out. Scalers that are asked for it say that it does not exist.
func Remove(ctx context.Context, js jetstream.JetStream, key function.Key) error {
	return put(ctx, js, key, nil)
}

// put stores the last word on a function: its entry, or nothing once it is removed.
func put(ctx context.Context, js jetstream.JetStream, key function.Key, e *Entry) error {
	s, err := js.Stream(ctx, StreamName)
	if err != nil {
		return fmt.Errorf("look up stream %s: %w", StreamName, err)
	}
	var stored []byte
	switch last, err := s.GetLastMsgForSubject(ctx, subject(key)); {
	case err == nil:
		stored = last.Data
	case !errors.Is(err, jetstream.ErrMsgNotFound):
		return fmt.Errorf("read catalog entry of %s: %w", key, err)
	}
	body, err := e.after(stored)
	if err != nil {
		return fmt.Errorf("encode catalog entry of %s: %w", key, err)
	}
	if bytes.Equal(stored, body) {
		return nil
	}
	if _, err := js.Publish(ctx, subject(key), body); err != nil {
		return fmt.Errorf("write catalog entry of %s: %w", key, err)
	}
	return nil
}

// after encodes an entry that follows what is stored of its function; nothing for none.
func (e *Entry) after(stored []byte) ([]byte, error) {
	if e == nil {
		return nil, nil
	}
	var last Entry
	if json.Unmarshal(stored, &last) != nil {
		last = Entry{} // there is none, or it makes no sense
	}
	e.HTTP.stamp(last.HTTP, time.Now().UTC())
	return json.Marshal(e)
}

func subject(key function.Key) string { return "pelton.function." + key.Namespace + "." + key.Name }

// keyOf reads the function from the subject of its entry.
func keyOf(s string) (function.Key, bool) {
	rest, ok := strings.CutPrefix(s, "pelton.function.")
	namespace, name, found := strings.Cut(rest, ".")
	return function.Key{Namespace: namespace, Name: name}, ok && found && namespace != "" && name != "" && !strings.Contains(name, ".")
}
