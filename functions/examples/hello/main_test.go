package main

import (
	"errors"
	"testing"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/pelton-dev/pelton/functions"
)

func TestGreet(t *testing.T) {
	t.Parallel()
	reply, err := greet(t.Context(), eventWith(`{"name": "you"}`))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(reply.Data()), `{"greeting":"hello, you"}`; got != want {
		t.Errorf("reply = %s, want %s", got, want)
	}
}

func TestGreetRejectsWhatItCannotRead(t *testing.T) {
	t.Parallel()
	for _, data := range []string{``, `not json`, `{}`, `[]`, `{"name": 7}`} {
		_, err := greet(t.Context(), eventWith(data))
		var reject *functions.RejectError
		if !errors.As(err, &reject) {
			t.Errorf("data %q: error = %v, want a rejection", data, err)
		}
	}
}

func eventWith(data string) event.Event {
	e := event.New()
	e.SetID("1")
	e.SetSource("/test")
	e.SetType("test")
	e.SetDataContentType("application/json")
	e.DataEncoded = []byte(data)
	return e
}
