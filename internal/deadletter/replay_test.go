package deadletter_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/deadletter"
	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/stream"
)

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

// TestReplayOfWhatAPublisherClaims: headers that say of a message in a queue what request it was are kept only where they come from one.
func TestReplayOfWhatAPublisherClaims(t *testing.T) {
	t.Parallel()
	for from, want := range map[string]bool{stream.EventsStream: false, "AUDIT": false, stream.WorkStream: true} {
		js := start(t)
		l := letter(7)
		l.Stream = from
		names := []string{event.HeaderBody, event.HeaderRequest, event.HeaderField, event.HeaderResult}
		for _, name := range names {
			l.Header[name] = []string{"x"}
		}
		publish(t, js, l)
		if err := deadletter.Replay(t.Context(), js, 1); err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if _, has := work(t, js)[0].Header[name]; has != want {
				t.Errorf("%s from stream %s went along: %v", name, from, has)
			}
		}
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
	if n := len(list(t, js, deadletter.Filter{})); n != 1 {
		t.Errorf("%d letters, want 1", n)
	}
}
