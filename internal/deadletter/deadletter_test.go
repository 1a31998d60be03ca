package deadletter_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/deadletter"
	"github.com/pelton-dev/pelton/internal/natstest"
	"github.com/pelton-dev/pelton/internal/stream"
)

func start(t *testing.T) jetstream.JetStream {
	t.Helper()
	js := natstest.Start(t).JetStream(t)
	if _, err := stream.Ensure(t.Context(), js, stream.Config{}); err != nil {
		t.Fatal(err)
	}
	return js
}

func letter(seq uint64) deadletter.Letter {
	return deadletter.Letter{
		Namespace: "default", Function: "thumbnail", Reason: deadletter.ReasonRejected, Error: "no such picture", Attempts: 3,
		Stream: "EVENTS", Sequence: seq, Subject: "events.image.uploaded",
		Stored: time.Date(2026, 11, 21, 8, 0, 0, 123456789, time.UTC), Died: time.Date(2026, 11, 21, 8, 5, 0, 0, time.UTC),
		Header: map[string][]string{"ce-id": {"1"}, "ce-source": {"/s"}, "ce-type": {"t"}, "ce-specversion": {"1.0"}},
		Data:   []byte(`{"n":1}`),
	}
}

func publish(t *testing.T, js jetstream.JetStream, l deadletter.Letter) {
	t.Helper()
	if err := deadletter.Publish(t.Context(), js, l); err != nil {
		t.Fatal(err)
	}
}

func list(t *testing.T, js jetstream.JetStream, f deadletter.Filter) []deadletter.Letter {
	t.Helper()
	letters, err := deadletter.List(t.Context(), js, f)
	if err != nil {
		t.Fatal(err)
	}
	return letters
}

func TestLetterComesBackAsItWas(t *testing.T) {
	t.Parallel()
	cases := map[string]func(*deadletter.Letter){
		"plain":                  func(*deadletter.Letter) {},
		"no data":                func(l *deadletter.Letter) { l.Data = nil },
		"no header":              func(l *deadletter.Letter) { l.Header = map[string][]string{} },
		"error of several lines": func(l *deadletter.Letter) { l.Error = "panic: 100%\r\n\tat main.go:7\n\x00 snø " },
		"many values, mixed case": func(l *deadletter.Letter) {
			l.Header["X-Tag"] = []string{"a", "", "b, c"}
			l.Header["x-tag"] = []string{"d"}
		},
		"header of 60 KiB":         func(l *deadletter.Letter) { l.Header["X-Big"] = []string{strings.Repeat("x", 60<<10)} },
		"binary data":              func(l *deadletter.Letter) { l.Data = []byte{0, 255, '\r', '\n', 0x80} },
		"never given to a handler": func(l *deadletter.Letter) { l.Attempts, l.Reason = 0, deadletter.ReasonUndecodable },
	}
	for name, change := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			js := start(t)
			want := letter(7)
			change(&want)
			publish(t, js, want)
			got, err := deadletter.Get(t.Context(), js, 1)
			if err != nil {
				t.Fatal(err)
			}
			want.ID = 1
			if len(want.Data) == 0 {
				want.Data, got.Data = nil, nil
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestPublishTwiceStoresOnce(t *testing.T) {
	t.Parallel()
	js := start(t)
	publish(t, js, letter(7))
	publish(t, js, letter(7))
	publish(t, js, letter(8))
	if got := list(t, js, deadletter.Filter{}); len(got) != 2 {
		t.Errorf("%d letters, want 2", len(got))
	}
}

func TestPublishKeepsForeignCommandsOut(t *testing.T) {
	t.Parallel()
	js := start(t)
	l := letter(1)
	l.Header["Nats-Rollup"] = []string{"all"}
	l.Header["nats-ttl"] = []string{"1s"}
	l.Header["Pelton-Dead-Function"] = []string{"somebody-else"}
	publish(t, js, l)
	got := list(t, js, deadletter.Filter{})
	if len(got) != 1 || got[0].Function != "thumbnail" {
		t.Fatalf("letters = %+v", got)
	}
	for k := range got[0].Header {
		if lower := strings.ToLower(k); strings.HasPrefix(lower, "nats-") || strings.HasPrefix(lower, "pelton-dead-") {
			t.Errorf("header %s is not the event's", k)
		}
	}
}

func TestPublishWithoutFunction(t *testing.T) {
	t.Parallel()
	js := start(t)
	l := letter(1)
	l.Function = ""
	if err := deadletter.Publish(t.Context(), js, l); err == nil {
		t.Error("no error")
	}
}

func TestList(t *testing.T) {
	t.Parallel()
	js := start(t)
	for i := range uint64(6) {
		l := letter(i + 1)
		if i%2 == 1 {
			l.Function = "invoice"
		}
		if i >= 4 {
			l.Reason = deadletter.ReasonAttempts
		}
		publish(t, js, l)
	}
	cases := map[string]struct {
		filter deadletter.Filter
		want   []uint64
	}{
		"all":          {deadletter.Filter{}, []uint64{1, 2, 3, 4, 5, 6}},
		"by function":  {deadletter.Filter{Function: "invoice"}, []uint64{2, 4, 6}},
		"by namespace": {deadletter.Filter{Namespace: "other"}, []uint64{}},
		"by reason":    {deadletter.Filter{Reason: deadletter.ReasonAttempts}, []uint64{5, 6}},
		"by both":      {deadletter.Filter{Namespace: "default", Function: "invoice", Reason: "attempts"}, []uint64{6}},
		"first page":   {deadletter.Filter{Limit: 2}, []uint64{1, 2}},
		"next page":    {deadletter.Filter{Limit: 2, After: 2}, []uint64{3, 4}},
		"after all":    {deadletter.Filter{After: 6}, []uint64{}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			ids := []uint64{}
			for _, l := range list(t, js, c.filter) {
				ids = append(ids, l.ID)
			}
			if diff := cmp.Diff(c.want, ids); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
	if n, err := deadletter.Count(t.Context(), js, "default", "invoice"); n != 3 || err != nil {
		t.Errorf("Count = %d, %v, want 3", n, err)
	}
	if n, err := deadletter.Count(t.Context(), js, "default", "nobody"); n != 0 || err != nil {
		t.Errorf("Count = %d, %v, want 0", n, err)
	}
}

func TestNotFound(t *testing.T) {
	t.Parallel()
	js := start(t)
	for name, do := range map[string]func() error{
		"get":     func() error { _, err := deadletter.Get(t.Context(), js, 5); return err },
		"replay":  func() error { return deadletter.Replay(t.Context(), js, 5) },
		"discard": func() error { return deadletter.Discard(t.Context(), js, 5) },
	} {
		if err := do(); !errors.Is(err, deadletter.ErrNotFound) {
			t.Errorf("%s: %v, want ErrNotFound", name, err)
		}
	}
}
