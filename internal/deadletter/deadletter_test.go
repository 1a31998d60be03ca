package deadletter_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/deadletter"
	"github.com/pelton-dev/pelton/internal/event"
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

// work returns what is stored in the functions' own queues.
func work(t *testing.T, js jetstream.JetStream) []*jetstream.RawStreamMsg {
	t.Helper()
	s, err := js.Stream(t.Context(), stream.WorkStream)
	if err != nil {
		t.Fatal(err)
	}
	var msgs []*jetstream.RawStreamMsg
	for next := uint64(1); ; {
		m, err := s.GetMsg(t.Context(), next, jetstream.WithGetMsgSubject("pelton.work.>"))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return msgs
		}
		if err != nil {
			t.Fatal(err)
		}
		msgs, next = append(msgs, m), m.Sequence+1
	}
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

func TestReplayKeepsTheEvent(t *testing.T) {
	t.Parallel()
	cases := map[string]func(*deadletter.Letter){
		"binary": func(*deadletter.Letter) {},
		"raw":    func(l *deadletter.Letter) { l.Header = map[string][]string{} },
		"raw, typed": func(l *deadletter.Letter) {
			l.Header = map[string][]string{"Content-Type": {"text/plain"}, "X-Mine": {"1"}}
		},
		"structured": func(l *deadletter.Letter) {
			l.Header = map[string][]string{"content-type": {"application/cloudevents+json"}}
			l.Data = []byte(`{"specversion":"1.0","id":"s1","source":"/s","type":"t","data":{"a": 1}}`)
		},
		"retried before": func(l *deadletter.Letter) { l.Header["Pelton-Attempt"] = []string{"4"} },
	}
	for name, change := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			js := start(t)
			l := letter(7)
			change(&l)
			publish(t, js, l)
			want, err := event.Decode(&event.Message{
				Subject: l.Subject, Header: l.Header, Data: l.Data, Stream: l.Stream, Sequence: l.Sequence, Time: l.Stored,
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := deadletter.Replay(t.Context(), js, 1); err != nil {
				t.Fatal(err)
			}
			msgs := work(t, js)
			if len(msgs) != 1 {
				t.Fatalf("%d messages in the work stream, want 1", len(msgs))
			}
			m := msgs[0]
			got, err := event.Decode(&event.Message{
				Subject: m.Subject, Header: m.Header, Data: m.Data, Stream: stream.WorkStream, Sequence: m.Sequence, Time: m.Time,
			})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("another event (-want +got)\n%s", diff)
			}
			if string(m.Data) != string(l.Data) {
				t.Errorf("data = %q, want %q", m.Data, l.Data)
			}
			if want := "pelton.work.default.thumbnail.replay"; m.Subject != want {
				t.Errorf("subject = %s, want %s", m.Subject, want)
			}
			for k := range m.Header {
				if strings.HasPrefix(k, "Pelton-") {
					t.Errorf("header %s went along: the attempts must start again", k)
				}
			}
			if left := list(t, js, deadletter.Filter{}); len(left) != 0 {
				t.Errorf("%d letters left", len(left))
			}
		})
	}
}

func TestReplayOfABrokenEventKeepsItBroken(t *testing.T) {
	t.Parallel()
	js := start(t)
	l := letter(1)
	delete(l.Header, "ce-type")
	l.Reason = deadletter.ReasonUndecodable
	publish(t, js, l)
	if err := deadletter.Replay(t.Context(), js, 1); err != nil {
		t.Fatal(err)
	}
	m := work(t, js)[0]
	if m.Header.Get("ce-type") != "" || m.Header.Get("ce-id") != "1" || string(m.Data) != string(l.Data) {
		t.Errorf("message = %v %q", m.Header, m.Data)
	}
}

// denied is a JetStream on which no message can be deleted: it stands for a crash between the publish and the deletion.
type denied struct{ jetstream.JetStream }

type deniedStream struct{ jetstream.Stream }

func (d denied) Stream(ctx context.Context, name string) (jetstream.Stream, error) {
	s, err := d.JetStream.Stream(ctx, name)
	return deniedStream{s}, err
}

var errKilled = errors.New("killed")

func (deniedStream) DeleteMsg(context.Context, uint64) error { return errKilled }

func TestReplayCutBeforeTheDeletionRunsOnce(t *testing.T) {
	t.Parallel()
	js := start(t)
	publish(t, js, letter(1))
	if err := deadletter.Replay(t.Context(), denied{js}, 1); !errors.Is(err, errKilled) {
		t.Fatalf("replay = %v, want %v", err, errKilled)
	}
	if n := len(list(t, js, deadletter.Filter{})); n != 1 {
		t.Fatalf("%d letters after the cut, want 1", n)
	}
	if err := deadletter.Replay(t.Context(), js, 1); err != nil {
		t.Fatal(err)
	}
	if n := len(work(t, js)); n != 1 {
		t.Errorf("%d messages to work on, want 1", n)
	}
	if n := len(list(t, js, deadletter.Filter{})); n != 0 {
		t.Errorf("%d letters left, want 0", n)
	}
}

func TestReplayWithoutTheWorkStreamKeepsTheLetter(t *testing.T) {
	t.Parallel()
	js := start(t)
	publish(t, js, letter(1))
	if err := js.DeleteStream(t.Context(), stream.WorkStream); err != nil {
		t.Fatal(err)
	}
	if err := deadletter.Replay(t.Context(), js, 1); err == nil {
		t.Error("no error")
	}
	r, err := deadletter.ReplayAll(t.Context(), js, deadletter.Filter{})
	if err != nil || len(r.Done) != 0 || len(r.Failed) != 1 || r.Failed[0].ID != 1 || r.Failed[0].Err == nil {
		t.Errorf("bulk = %+v, %v", r, err)
	}
	if n := len(list(t, js, deadletter.Filter{})); n != 1 {
		t.Errorf("%d letters, want 1", n)
	}
}

func TestDiscardAll(t *testing.T) {
	t.Parallel()
	js := start(t)
	for i := range uint64(5) {
		l := letter(i + 1)
		if i == 2 {
			l.Function = "other"
		}
		publish(t, js, l)
	}
	r, err := deadletter.DiscardAll(t.Context(), js, deadletter.Filter{Function: "thumbnail", Limit: 3})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]uint64{1, 2, 4}, r.Done); diff != "" || len(r.Failed) != 0 {
		t.Errorf("done (-want +got)\n%s failed %v", diff, r.Failed)
	}
	if left := list(t, js, deadletter.Filter{}); len(left) != 2 || left[0].ID != 3 || left[1].ID != 5 {
		t.Errorf("left = %+v", left)
	}
}

func TestBulkEndsWithItsContext(t *testing.T) {
	t.Parallel()
	js := start(t)
	publish(t, js, letter(1))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := deadletter.DiscardAll(ctx, js, deadletter.Filter{}); !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v, want canceled", err)
	}
}

func TestThousandLettersAreIdentical(t *testing.T) {
	t.Parallel()
	js := start(t)
	rng := rand.New(rand.NewPCG(1, 2))
	want := map[string]string{}
	for i := range 1000 {
		l := letter(uint64(i + 1))
		id := fmt.Sprintf("e%d", i)
		l.Data = make([]byte, rng.IntN(2000))
		for j := range l.Data {
			l.Data[j] = byte(rng.Uint32())
		}
		l.Header["ce-id"] = []string{id}
		want[id] = string(l.Data)
		publish(t, js, l)
	}
	r, err := deadletter.ReplayAll(t.Context(), js, deadletter.Filter{Function: "thumbnail"})
	if err != nil || len(r.Done) != 1000 || len(r.Failed) != 0 {
		t.Fatalf("replayed %d, failed %d, %v", len(r.Done), len(r.Failed), err)
	}
	for _, m := range work(t, js) {
		id := m.Header.Get("ce-id")
		if data, ok := want[id]; !ok || data != string(m.Data) {
			t.Fatalf("event %s: known %v, data differs or came twice", id, ok)
		}
		delete(want, id)
	}
	if len(want) != 0 {
		t.Errorf("%d events are missing", len(want))
	}
}
